package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.sessions.CapsuleNote;
import dev.kvcapsule.sessions.Checkpoint;
import dev.kvcapsule.sessions.GatewayNote;
import dev.kvcapsule.sessions.Notes;
import dev.kvcapsule.sessions.OpenSession;
import dev.kvcapsule.sessions.SessionState;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import dev.kvcapsule.sessions.gateway.GatewayException;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A session's state to disk, and its cache to a capsule. */
@Command(name = "checkpoint", mixinStandardHelpOptions = true, sortOptions = false, description = "Writes down what a session knows, and fetches a capsule of its cache if a gateway is named.",
        footerHeading = "%nExamples:%n", footer = {"  capsule checkpoint --session train-7 --objective 'find why the loss diverges' --state notes.yaml --no-capsule",
            "  capsule checkpoint --session train-7 --state notes.yaml --gateway http://127.0.0.1:8080 --token-file token", "",
            "The state is there when the command ends with 0, also if no capsule could be had: that is said, and the one before stays. docs/resume.md shows a notes.yaml."})
final class CheckpointCommand implements Callable<Integer> {
    @Option(names = "--session", paramLabel = "ID", required = true, description = "The session.")
    private String id;

    @Option(names = "--objective", paramLabel = "TEXT", description = "What the session is for (default: as before).")
    private String objective;

    @Option(names = "--state", paramLabel = "STATE.yaml", description = "What the agent knows: plan, jobs, artifacts, decisions, issues, next_actions; - is standard input.")
    private Path state;

    @Option(names = "--workspace", paramLabel = "DIR", defaultValue = ".", description = "A folder of the files that the session works on (default: this one).")
    private Path workspace;

    @Option(names = "--no-capsule", description = "Write the state only; the last capsule stays.")
    private boolean noCapsule;

    @Option(names = "--full", description = "Fetch a whole capsule, in place of the tokens that are new and a list of what is here already.")
    private boolean full;

    @Mixin
    private ChunkStoreOptions store;

    @Mixin
    private SessionOptions options;

    @Override
    public Integer call() throws IOException {
        long start = System.nanoTime();
        if (noCapsule && options.isNamed()) {
            throw new Failures.UsageException("--no-capsule and --gateway contradict each other: give one of them");
        }
        Notes notes = state == null ? Notes.NONE : notes();
        Notes all = objective == null ? notes : notes.withObjective(objective);
        try (DatabaseOptions.Sessions sessions = options.open(); OpenSession session = sessions.folder().open(SessionOptions.checked(id))) {
            Optional<GatewayNote> gateway = noCapsule ? Optional.empty() : options.note(session.read());
            if (gateway.isEmpty()) {
                print(Checkpoint.write(session, all, workspace, Optional.empty()), start);
                return ExitCode.DONE;
            }
            Optional<GatewayClient> found = client(gateway.get());
            if (found.isEmpty()) {
                print(Checkpoint.write(session, all, workspace, Optional.empty()), start);
                return ExitCode.DONE;
            }
            try (GatewayClient client = found.get()) {
                print(Checkpoint.write(session, all, workspace, Optional.of(new Checkpoint.Source(client, gateway.get(), full, store.mostBytes()))), start);
            }
        }
        return ExitCode.DONE;
    }

    private Notes notes() throws IOException {
        try (InputFile in = Inputs.open(state)) {
            return Inputs.about(Inputs.name(state), () -> {
                if (in.bytes().byteSize() > Notes.MAX_BYTES) {
                    throw new MalformedDataException("larger than " + Notes.MAX_BYTES + " bytes");
                }
                return Notes.parse(new String(in.bytes().toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8));
            });
        }
    }

    /** What a checkpoint knows comes first: a token of the last one that cannot be read any more costs the capsule only. */
    private Optional<GatewayClient> client(GatewayNote gateway) throws IOException {
        try {
            return Optional.of(options.client(gateway));
        } catch (IOException e) {
            if (options.isNamed()) {
                throw e;
            }
            options.err().println("capsule: warning: no token for the gateway: " + e.getMessage());
            return Optional.empty();
        }
    }

    private void print(Checkpoint checkpoint, long start) {
        PrintWriter out = options.out();
        SessionState written = checkpoint.state();
        double seconds = (System.nanoTime() - start) / 1e9;
        Optional<GatewayException> failure = checkpoint.capsule();
        failure.ifPresent(e -> options.err().println("capsule: warning: no new capsule (" + e.code() + "): " + e.getMessage()
                + (written.capsule().isPresent() ? "; the one before stays" : "")));
        if (options.json()) {
            Map<String, Object> capsule = new LinkedHashMap<>();
            capsule.put("verdict", noCapsule ? "not-asked" : failure.isPresent() ? "failed" : written.gateway().isEmpty() ? "no-gateway" : "fetched");
            capsule.put("code", failure.map(GatewayException::code).orElse("ok"));
            JsonReport report = new JsonReport().put("session", written.id()).put("checkpoint_at", written.checkpointAt().toString());
            written.capsule().ifPresent(note -> put(report, note));
            written.revision().ifPresent(revision -> report.put("revision", revision.toMap()));
            out.println(report.put("capsule", capsule).put("seconds", seconds));
            return;
        }
        out.println(written.id() + ": checkpoint written" + written.revision().map(revision -> ", " + revision.brief()).orElse(""));
        if (failure.isEmpty() && !noCapsule) {
            written.capsule().ifPresent(note -> out.printf(Locale.ROOT, "capsule: %d tokens, %s%s, %.2fx, until %s, %.2f s%n", note.tokens(), Sizes.text(note.bytes()),
                    note.chunks() == 0 ? "" : " (" + Sizes.text(note.writtenBytes()) + " of them new)", note.ratio(), note.expires(), seconds));
        }
    }

    private static void put(JsonReport report, CapsuleNote note) {
        report.put("codec", note.codec()).put("layers", note.layers()).put("tokens", note.tokens()).put("raw_bytes", note.stateBytes()).put("capsule_bytes", note.bytes()).put("chunks", note.chunks()).put("written_bytes", note.writtenBytes()).put("ratio", note.ratio()).put("expires", note.expires().toString());
    }
}
