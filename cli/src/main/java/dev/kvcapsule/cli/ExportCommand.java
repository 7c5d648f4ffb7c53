package dev.kvcapsule.cli;

import dev.kvcapsule.serving.files.AtomicOutput;
import dev.kvcapsule.sessions.CapsuleNote;
import dev.kvcapsule.sessions.SessionFolder;
import dev.kvcapsule.sessions.SessionState;
import dev.kvcapsule.sessions.chunks.PartsSource;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A session's capsule as one file that needs nothing else. */
@Command(name = "export", mixinStandardHelpOptions = true, sortOptions = false, description = "Writes a session's capsule, with every chunk that it goes on from, to one file.",
        footerHeading = "%nExamples:%n", footer = {"  capsule export train-7 -o train-7.kvc", "  capsule decode train-7.kvc -o slot.bin --as org=acme,user=ann,session=train-7     where the keys are", "",
            "The file is sealed as it was: it opens with the gateway's keys only, and a gateway restores it. It appears when all of it is written, and not before."})
final class ExportCommand implements Callable<Integer> {
    @Parameters(paramLabel = "ID", description = "The session.")
    private String id;

    @Option(names = {"-o", "--output"}, paramLabel = "OUT.kvc", required = true, description = "Where the file appears.")
    private Path output;

    @Mixin
    private OwnerOptions options;

    @Override
    public Integer call() throws IOException {
        try (DatabaseOptions.Sessions sessions = options.existing()) {
            return export(sessions.folder());
        }
    }

    private int export(SessionFolder sessions) throws IOException {
        SessionState state = sessions.read(SessionOptions.checked(id)).orElseThrow(() -> new IOException("there is no session " + id + ": 'capsule status' lists them"));
        CapsuleNote note = state.capsule().orElseThrow(() -> new IOException("session " + id + " has no capsule: 'capsule checkpoint' with a gateway makes one"));
        Path capsule = sessions.capsule(id, note);
        if (!Files.isRegularFile(capsule)) {
            throw new IOException("the capsule's file is not there any more: " + capsule);
        }
        long bytes = Inputs.writing(output, () -> write(sessions, note, capsule));
        if (options.json()) {
            options.out().println(new JsonReport().put("session", id).put("file", output.toString()).put("tokens", note.tokens()).put("capsule_bytes", bytes).put("chunks", note.chunks())
                    .put("expires", note.expires().toString()));
        } else {
            options.out().println(output + ": " + note.tokens() + " tokens, " + Sizes.text(bytes) + (note.chunks() == 0 ? "" : ", " + note.chunks() + " chunks") + ", until " + note.expires());
        }
        return ExitCode.DONE;
    }

    private long write(SessionFolder sessions, CapsuleNote note, Path capsule) throws IOException {
        try (AtomicOutput out = AtomicOutput.create(output)) {
            long bytes = note.chunks() == 0 ? copy(capsule, out.channel()) : join(sessions, capsule, out.channel());
            out.commit();
            return bytes;
        }
    }

    private static long copy(Path capsule, FileChannel out) throws IOException {
        try (FileChannel in = FileChannel.open(capsule, StandardOpenOption.READ)) {
            for (long done = 0; done < in.size(); ) {
                done += in.transferTo(done, in.size() - done, out);
            }
            return in.size();
        }
    }

    private static long join(SessionFolder sessions, Path capsule, FileChannel out) throws IOException {
        try (PartsSource parts = PartsSource.open(capsule, sessions.chunks()).orElseThrow(
                () -> new IOException("a chunk that the capsule goes on from is not there any more, or damaged: 'capsule store verify' tells"))) {
            parts.write(out);
            return parts.bytes();
        }
    }
}
