package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.pending.AnswerState;
import dev.kvcapsule.sessions.pending.Turns;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.NoSuchSessionException;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The operator's answer. */
@Command(name = "answer", mixinStandardHelpOptions = true, sortOptions = false, description = "Answers a session's open question.",
        footerHeading = "%nExamples:%n", footer = {"  capsule sessions answer train-7 allow", "  capsule sessions answer train-7 --question 01KAXYZ... deny", "",
            "A tool that is allowed is run by the session's agent when it goes on; the question stays open until its result is there."})
final class SessionsAnswerCommand implements Callable<Integer> {
    @Parameters(index = "0", paramLabel = "ID", description = "The session.")
    private String id;

    @Parameters(index = "1..*", paramLabel = "VALUE", arity = "1..*", description = "The answer: a value of an option, or several where the question takes them.")
    private List<String> values;

    @Option(names = "--question", paramLabel = "QID", description = "The question that is answered (default: the open one).")
    private String question;

    @Mixin
    private OwnerOptions options;

    @Override
    public Integer call() throws IOException {
        try (DatabaseOptions.Sessions sessions = options.existing()) {
            Session before = sessions.store().load(SessionOptions.checked(id)).orElseThrow(() -> new NoSuchSessionException(id));
            String asked = question != null ? question : before.question().map(QuestionState::questionId).orElseThrow(() -> new Failures.UsageException("session " + id + " has no open question"));
            Session after;
            try {
                after = sessions.store().edit(id, OptionalLong.empty(), locked -> Turns.answer(locked, asked, values));
            } catch (IllegalArgumentException e) {
                throw new Failures.UsageException(e.getMessage());
            }
            boolean waits = after.question().map(QuestionState::questionId).equals(Optional.of(asked));
            if (options.json()) {
                options.out().println(new JsonReport().put("session", id).put("question_id", asked).put("values", values).put("state", waits ? "allowed" : "completed").put("version", after.version()));
            } else {
                options.out().println(id + ": answered" + (waits ? "; the tool is run when the session's agent goes on" : ""));
            }
        }
        return ExitCode.DONE;
    }
}
