package dev.kvcapsule.sessions.pending;

import dev.kvcapsule.sessions.store.LedgerEntry;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.ToolCall;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How far an answer has come. It is noted before the tool runs, and stays when the question is gone, so that the same answer, given again, is known.
 *
 * @param questionId the question
 * @param values the answer
 * @param call the tool call that it is about
 * @param isCompleted whether the call has its result
 * @param attempts how often the tool was started
 */
public record AnswerState(String questionId, List<String> values, ToolCall call, boolean isCompleted, long attempts) {
    /** Copies the values. */
    public AnswerState {
        values = List.copyOf(values);
    }

    /** Names the run of the tool, whoever starts it and however often: a tool that has seen it does nothing again. */
    public String key(String sessionId) {
        return sessionId + ":" + questionId;
    }

    AnswerState started() {
        return new AnswerState(questionId, values, call, isCompleted, attempts + 1);
    }

    AnswerState completed() {
        return new AnswerState(questionId, values, call, true, attempts);
    }

    boolean isAllowed() {
        return values.equals(List.of(QuestionState.ALLOW));
    }

    LedgerEntry entry() {
        return new LedgerEntry(LedgerEntry.Kind.ANSWER, questionId, toMap());
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("question_id", questionId);
        map.put("values", values);
        map.put("tool_call", call.toMap());
        map.put("completed", isCompleted);
        map.put("attempts", attempts);
        return map;
    }

    static AnswerState of(LedgerEntry entry) {
        Map<?, ?> call = (Map<?, ?>) entry.value().get("tool_call");
        List<String> values = ((List<?>) entry.value().get("values")).stream().map(String.class::cast).toList();
        return new AnswerState(entry.key(), values, new ToolCall((String) call.get("id"), (String) call.get("name"), (String) call.get("arguments")),
                (Boolean) entry.value().get("completed"), (Long) entry.value().get("attempts"));
    }
}
