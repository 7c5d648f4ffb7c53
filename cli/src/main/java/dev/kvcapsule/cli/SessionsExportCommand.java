package dev.kvcapsule.cli;

import dev.kvcapsule.serving.files.AtomicOutput;
import dev.kvcapsule.sessions.SessionExport;
import dev.kvcapsule.sessions.row.Session;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.Writer;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Sessions for other programs. */
@Command(name = "export", mixinStandardHelpOptions = true, sortOptions = false, description = "Writes sessions as JSON Lines: rows, messages, history.")
final class SessionsExportCommand implements Callable<Integer> {
    @Parameters(paramLabel = "ID", arity = "0..*", description = "The sessions.")
    private List<String> ids = new ArrayList<>();

    @Option(names = "--all", description = "All of them.")
    private boolean all;

    @Option(names = {"-o", "--output"}, paramLabel = "FILE", description = "Where to (default: standard output).")
    private Path output;

    @Mixin
    private OwnerOptions options;

    @Override
    public Integer call() throws IOException {
        if (all == !ids.isEmpty()) {
            throw new Failures.UsageException("which sessions? Give names, or --all");
        }
        try (DatabaseOptions.Sessions sessions = options.existing()) {
            List<String> wanted = all ? sessions.store().list(Integer.MAX_VALUE).stream().map(Session::id).toList() : ids;
            for (String id : wanted) {
                SessionOptions.required(sessions.store(), id);
            }
            if (output == null) {
                for (String id : wanted) {
                    SessionExport.write(sessions.store(), id, options.out()::println);
                }
                return ExitCode.DONE;
            }
            try (AtomicOutput file = AtomicOutput.create(output)) {
                Writer writer = new BufferedWriter(Channels.newWriter(file.channel(), StandardCharsets.UTF_8));
                for (String id : wanted) {
                    SessionExport.write(sessions.store(), id, line -> writer.append(line).append('\n'));
                }
                writer.flush();
                file.commit();
            }
        }
        return ExitCode.DONE;
    }
}
