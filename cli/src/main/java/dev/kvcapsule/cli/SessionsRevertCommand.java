package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.row.Session;
import java.io.IOException;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A session as it was. */
@Command(name = "revert", mixinStandardHelpOptions = true, sortOptions = false, description = "Takes away all messages behind one; the history keeps them.")
final class SessionsRevertCommand implements Callable<Integer> {
    @Parameters(paramLabel = "ID", description = "The session.")
    private String id;

    @Option(names = "--to", paramLabel = "MESSAGE", required = true, description = "The last message that stays; never between a tool call and its result.")
    private String to;

    @Option(names = "--if-version", paramLabel = "N", description = "Only if the session has that version.")
    private Long version;

    @Mixin
    private OwnerOptions options;

    @Override
    public Integer call() throws IOException {
        try (DatabaseOptions.Sessions sessions = options.existing()) {
            SessionOptions.required(sessions.store(), id);
            Session after = sessions.store().revert(id, version == null ? OptionalLong.empty() : OptionalLong.of(version), to);
            if (options.json()) {
                options.out().println(new JsonReport().put("session", id).put("messages", after.messageCount()).put("version", after.version()));
            } else {
                options.out().println(id + ": " + after.messageCount() + " messages stay");
            }
        }
        return ExitCode.DONE;
    }
}
