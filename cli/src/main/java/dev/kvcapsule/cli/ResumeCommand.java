package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.GatewayNote;
import dev.kvcapsule.sessions.OpenSession;
import dev.kvcapsule.sessions.Resume;
import dev.kvcapsule.sessions.ResumeNote;
import dev.kvcapsule.sessions.SessionFolder;
import dev.kvcapsule.sessions.SessionState;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A session back: its state, and its cache in a slot. */
@Command(name = "resume", mixinStandardHelpOptions = true, sortOptions = false, description = "Loads a session's checkpoint and puts its capsule back into a slot.",
        footerHeading = "%nExamples:%n", footer = {"  capsule resume train-7", "  capsule resume train-7 --fork-as train-8 --slot 1", "  capsule resume train-7 --dry-run --json", "",
            "Whatever is wrong with the capsule, the command ends with 0 and says verdict 'prefill' and why: the model then evaluates its prompt as it would have without."})
final class ResumeCommand implements Callable<Integer> {
    @Parameters(paramLabel = "ID", description = "The session.")
    private String id;

    @Option(names = "--no-capsule", description = "Load the state only.")
    private boolean noCapsule;

    @Option(names = "--fork", description = "Go on as another session (ID-2, -3, ...); this one stays as it is.")
    private boolean fork;

    @Option(names = "--fork-as", paramLabel = "NEW", description = "The same with that name.")
    private String forkName;

    @Option(names = "--dry-run", description = "Look at state, workspace and capsule; change nothing and send nothing.")
    private boolean dry;

    @Mixin
    private SessionOptions options;

    @Override
    public Integer call() throws IOException {
        try (DatabaseOptions.Sessions all = options.open()) {
            SessionFolder sessions = all.folder();
            if (sessions.read(SessionOptions.checked(id)).isEmpty()) {
                throw new IOException("there is no session " + id + " with a checkpoint: 'capsule status' lists them");
            }
            String resumed = id;
            if (isFork() && !dry) {
                resumed = newId(sessions);
                sessions.fork(id, Optional.empty(), resumed);
            }
            try (OpenSession session = sessions.open(resumed)) {
                print(resume(session, session.read().orElseThrow()));
            }
        }
        return ExitCode.DONE;
    }

    private boolean isFork() {
        return fork || forkName != null;
    }

    private String newId(SessionFolder sessions) throws IOException {
        if (forkName != null) {
            return SessionOptions.checked(forkName);
        }
        int number = 2;
        while (sessions.store().exists(id + "-" + number)) {
            number++;
        }
        return SessionOptions.checked(id + "-" + number);
    }

    private Resume resume(OpenSession session, SessionState state) throws IOException {
        Optional<GatewayNote> gateway = noCapsule ? Optional.empty() : options.note(Optional.of(state));
        if (gateway.isEmpty()) {
            return without(session, state);
        }
        GatewayClient client;
        try {
            client = options.client(gateway.get());
        } catch (IOException e) {
            options.err().println("capsule: warning: no token for the gateway: " + e.getMessage());
            return without(session, state);
        }
        try (client) {
            return Resume.of(session, state, new Resume.Wish(Optional.of(client), OptionalInt.of(gateway.get().slot()), true, isFork(), dry));
        }
    }

    private Resume without(OpenSession session, SessionState state) throws IOException {
        return Resume.of(session, state, new Resume.Wish(Optional.empty(), OptionalInt.empty(), !noCapsule, isFork(), dry));
    }

    private void print(Resume resume) {
        PrintWriter out = options.out();
        ResumeNote outcome = resume.outcome();
        resume.drift().forEach(line -> options.err().println("capsule: warning: the workspace has moved: " + line));
        if (options.json()) {
            JsonReport report = new JsonReport().put("session", resume.state().id());
            resume.state().parent().ifPresent(parent -> report.put("parent", parent));
            outcome.toMap().forEach(report::put);
            report.put("dry_run", dry).put("drift", resume.drift()).put("objective", resume.state().notes().objective().orElse(null)).put("next_actions", resume.state().notes().nextActions());
            out.println(report);
            return;
        }
        resume.state().notes().objective().ifPresent(text -> out.println("objective: " + text));
        resume.state().notes().nextActions().forEach(action -> out.println("next: " + action));
        out.println(resume.state().id() + ": " + outcome.verdict() + " (" + outcome.code() + "): " + outcome.message());
        outcome.cut().ifPresent(cut -> out.println("compacted: " + cut));
        if (outcome.tokensReused().isPresent()) {
            out.printf(Locale.ROOT, "%d tokens reused, %d evaluated, %.2f s%s%n", outcome.tokensReused().getAsLong(), outcome.tokensEvaluated().orElse(0), outcome.seconds(),
                    outcome.prefillSeconds().isPresent() ? String.format(Locale.ROOT, "; evaluating them takes %.2f s", outcome.prefillSeconds().getAsDouble()) : "");
        }
    }
}
