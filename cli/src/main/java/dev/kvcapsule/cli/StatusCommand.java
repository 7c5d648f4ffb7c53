package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.CapsuleCut;
import dev.kvcapsule.sessions.CapsuleNote;
import dev.kvcapsule.sessions.Decision;
import dev.kvcapsule.sessions.Issue;
import dev.kvcapsule.sessions.Job;
import dev.kvcapsule.sessions.Resume;
import dev.kvcapsule.sessions.ResumeNote;
import dev.kvcapsule.sessions.SessionFolder;
import dev.kvcapsule.sessions.SessionState;
import dev.kvcapsule.sessions.Step;
import dev.kvcapsule.sessions.row.OpenToolCall;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.workspace.Artifact;
import dev.kvcapsule.sessions.workspace.Git;
import dev.kvcapsule.sessions.workspace.Revision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Both layers of a session at a glance. */
@Command(name = "status", mixinStandardHelpOptions = true, sortOptions = false, description = "Shows a session's state and capsule, or lists all sessions.",
        footerHeading = "%nExamples:%n", footer = {"  capsule status", "  capsule status train-7", "  capsule status train-7 --json"})
final class StatusCommand implements Callable<Integer> {
    @Parameters(paramLabel = "ID", arity = "0..1", description = "The session (default: all).")
    private String id;

    @Mixin
    private OutputOptions options;

    @Mixin
    private DatabaseOptions database;

    private final Instant now = Instant.now();

    @Override
    public Integer call() throws IOException {
        try (DatabaseOptions.Sessions all = database.existing(SessionOwner.LOCAL, options.err())) {
            SessionFolder sessions = all.folder();
            if (id == null) {
                list(sessions);
                return ExitCode.DONE;
            }
            Optional<Session> found = all.store().load(SessionOptions.checked(id)).filter(row -> row.checkpoint().isPresent());
            Session row = found.orElseThrow(() -> new IOException("there is no session " + id + " with a checkpoint: 'capsule status' lists them"));
            SessionState state = SessionFolder.state(row).orElseThrow();
            if (options.json()) {
                printJson(sessions, state, row);
            } else {
                print(sessions, state, row);
            }
        }
        return ExitCode.DONE;
    }

    private void list(SessionFolder sessions) throws IOException {
        List<Map<String, Object>> rows = new ArrayList<>();
        for (Session session : sessions.list()) {
            String one = session.id();
            Map<String, Object> row = new LinkedHashMap<>();
            row.put("session", one);
            try {
                SessionState state = SessionFolder.state(session).orElseThrow();
                row.put("checkpoint_at", state.checkpointAt().toString());
                row.put("capsule", verdict(sessions, state));
                row.put("objective", state.notes().objective().orElse(null));
                if (!options.json()) {
                    options.out().printf("%-24s %10s  %-10s %s%n", one, age(state.checkpointAt()), row.get("capsule"), state.notes().objective().orElse(""));
                }
            } catch (MalformedDataException e) {
                // It hides none of the others.
                row.put("damaged", e.getMessage());
                if (!options.json()) {
                    options.out().printf("%-24s %10s  %-10s %s%n", one, "", "damaged", e.getMessage());
                }
            }
            rows.add(row);
        }
        if (options.json()) {
            options.out().println(new JsonReport().put("sessions", rows));
        }
    }

    /** What would come of the capsule, as far as it can be told here. */
    private String verdict(SessionFolder sessions, SessionState state) {
        if (state.capsule().isEmpty()) {
            return "none";
        }
        CapsuleNote note = state.capsule().get();
        return !Files.isRegularFile(sessions.capsule(state.id(), note)) ? "lost" : now.isBefore(note.expires()) ? "usable" : "expired";
    }

    private String age(Instant then) {
        return Age.of(then, now);
    }

    private void print(SessionFolder sessions, SessionState state, Session row) throws IOException {
        line("session", state.id() + state.parent().map(parent -> ", forked from " + parent).orElse(""));
        state.notes().objective().ifPresent(text -> line("objective", text));
        line("checkpoint", age(state.checkpointAt()));
        if (row.messageCount() > 0) {
            line("messages", row.messageCount() + ", compacted " + row.compaction().count() + " times" + row.compaction().lastAt().map(at -> ", last " + age(at)).orElse(""));
        }
        line("context", Context.of(state, row).toString());
        row.question().ifPresent(question -> line("question", question.prompt() + ": 'capsule sessions show " + row.id() + "'"));
        if (state.revision().isPresent()) {
            Revision then = state.revision().get();
            Optional<Revision> current = Git.revision(Path.of(then.worktree()));
            line("git then", then.brief() + " in " + then.worktree());
            line("git now", current.map(Revision::brief).orElse("no worktree any more") + (then.drift(current).isEmpty() ? ", as it was" : ": " + String.join("; ", then.drift(current))));
        }
        state.notes().plan().forEach(step -> line("plan", "[" + step.status() + "] " + step.step() + step.evidence().map(text -> " (" + text + ")").orElse("")));
        state.notes().jobs().forEach(job -> line("job", job.id() + job.system().map(text -> " on " + text).orElse("") + job.lastState().map(text -> ": " + text).orElse("")
                + job.lastPolledAt().map(time -> ", asked " + age(time)).orElse("") + job.submittedAt().map(time -> ", submitted " + age(time)).orElse("")));
        for (Artifact artifact : state.artifacts()) {
            line("artifact", artifact.path() + ": " + artifact.since());
        }
        state.notes().decisions().forEach(decision -> line("decided", decision.choice() + decision.reason().map(text -> ", since " + text).orElse("")));
        state.notes().issues().forEach(issue -> line("issue", issue.issue() + issue.severity().map(text -> " (" + text + ")").orElse("")));
        state.notes().nextActions().forEach(action -> line("next", action));
        String verdict = verdict(sessions, state);
        line("capsule", state.capsule().map(note -> String.format(Locale.ROOT, "%s, %d tokens, %s%s, %.2fx, until %s", verdict, note.tokens(), Sizes.text(note.bytes()),
                note.chunks() == 0 ? "" : " in " + note.chunks() + " chunks and a tail", note.ratio(),
                note.expires())).orElse("none"));
        state.capsule().flatMap(note -> CapsuleCut.of(note, row.compaction().boundary())).ifPresent(cut -> line("compacted", cut.toString()));
        state.lastResume().ifPresent(resume -> line("resumed", age(resume.at()) + ": " + resume.verdict() + " (" + resume.code() + ")" + (resume.tokensReused().isEmpty() ? ""
                : String.format(Locale.ROOT, ", %d tokens reused, %d evaluated, %.0f ms", resume.tokensReused().getAsLong(), resume.tokensEvaluated().orElse(0), resume.seconds() * 1000))));
    }

    private void line(String name, String text) {
        options.out().printf("%-11s %s%n", name, text);
    }

    private void printJson(SessionFolder sessions, SessionState state, Session row) throws IOException {
        JsonReport report = new JsonReport().put("session", state.id()).put("parent", state.parent().orElse(null)).put("objective", state.notes().objective().orElse(null))
                .put("created_at", state.createdAt().toString()).put("checkpoint_at", state.checkpointAt().toString());
        Optional<Revision> current = state.revision().isPresent() ? Git.revision(Path.of(state.revision().get().worktree())) : Optional.empty();
        report.put("git_then", state.revision().map(Revision::toMap).orElse(null)).put("git_now", current.map(Revision::toMap).orElse(null))
                .put("drift", Resume.drift(state))
                .put("messages", row.messageCount()).put("context_tokens", row.cost().contextTokens()).put("context", Context.of(state, row).toMap()).put("compactions", row.compaction().count())
                .put("pending_question", row.question().map(QuestionState::toMap).orElse(null)).put("open_tool_calls", row.openToolCalls().stream().map(OpenToolCall::toMap).toList());
        report.put("plan", state.notes().plan().stream().map(Step::toMap).toList())
                .put("jobs", state.notes().jobs().stream().map(Job::toMap).toList());
        List<Map<String, Object>> artifacts = new ArrayList<>();
        for (Artifact artifact : state.artifacts()) {
            Map<String, Object> fields = artifact.toMap();
            fields.put("since", artifact.since());
            artifacts.add(fields);
        }
        report.put("artifacts", artifacts).put("decisions", state.notes().decisions().stream().map(Decision::toMap).toList())
                .put("issues", state.notes().issues().stream().map(Issue::toMap).toList()).put("next_actions", state.notes().nextActions());
        Map<String, Object> capsule = new LinkedHashMap<>();
        capsule.put("verdict", verdict(sessions, state));
        state.capsule().ifPresent(note -> {
            capsule.putAll(note.toMap());
            capsule.put("ratio", note.ratio());
            capsule.put("cut", CapsuleCut.of(note, row.compaction().boundary()).map(CapsuleCut::toMap).orElse(null));
        });
        report.put("capsule", capsule).put("last_resume", state.lastResume().map(ResumeNote::toMap).orElse(null));
        options.out().println(report);
    }
}
