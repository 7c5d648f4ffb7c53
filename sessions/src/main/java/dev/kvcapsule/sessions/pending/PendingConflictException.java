package dev.kvcapsule.sessions.pending;

import dev.kvcapsule.sessions.row.OpenToolCall;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The session waits for something else: nothing was changed. Its fields say what, so that a program need not read the message. */
public final class PendingConflictException extends IOException {
    private static final long serialVersionUID = 1L;

    /** A question is open. */
    public static final String QUESTION_OPEN = "question-open";

    /** Tool calls have no result. */
    public static final String CALLS_OPEN = "tool-calls-open";

    /** There is no such question, call or subagent. */
    public static final String NOT_OPEN = "not-open";

    /** The question was answered otherwise. */
    public static final String ANSWERED = "answered";

    /** The tool has been started by somebody. */
    public static final String RUNNING = "running";

    private final String code;
    private final transient Optional<QuestionState> question;
    private final transient List<OpenToolCall> calls;

    private PendingConflictException(String code, String message, Session session) {
        super(message);
        this.code = code;
        this.question = session.question();
        this.calls = session.openToolCalls();
    }

    static PendingConflictException of(Transitions.Verdict verdict, Session session, String what) {
        return switch (verdict) {
            case QUESTION_OPEN -> new PendingConflictException(QUESTION_OPEN, "question " + session.question().map(QuestionState::questionId).orElse("") + " is open: answer it first", session);
            case CALLS_OPEN -> new PendingConflictException(CALLS_OPEN, session.openToolCalls().size() + " tool calls have no result: "
                    + String.join(", ", session.openToolCalls().stream().map(open -> open.call().id()).toList()) + "; add their results, or interrupt them", session);
            default -> new PendingConflictException(NOT_OPEN, what + " is not open in this session", session);
        };
    }

    static PendingConflictException answered(Session session, String questionId) {
        return new PendingConflictException(ANSWERED, "question " + questionId + " was answered otherwise", session);
    }

    static PendingConflictException running(Session session, String questionId) {
        return new PendingConflictException(RUNNING, "the tool of question " + questionId + " has been started by somebody else", session);
    }

    /** What programs decide by. */
    public String code() {
        return code;
    }

    /** The open question. */
    public Optional<QuestionState> question() {
        return question;
    }

    /** Tool calls without a result. */
    public List<OpenToolCall> openToolCalls() {
        return calls;
    }

    /** Both by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        question.ifPresent(open -> map.put("pending_question", open.toMap()));
        if (!calls.isEmpty()) {
            map.put("open_tool_calls", calls.stream().map(OpenToolCall::toMap).toList());
        }
        return map;
    }
}
