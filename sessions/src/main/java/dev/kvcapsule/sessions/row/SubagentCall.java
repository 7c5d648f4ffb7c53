package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Another agent that works for a tool call of this session.
 *
 * @param callId names it in this session
 * @param agent which
 * @param task what it was asked
 * @param toolCallId the call whose result its answer becomes
 * @param startedAt when, to the microsecond
 */
public record SubagentCall(String callId, String agent, String task, String toolCallId, Instant startedAt) {
    /** @throws IllegalArgumentException if a text is none */
    public SubagentCall {
        startedAt = startedAt.truncatedTo(ChronoUnit.MICROS);
        Texts.require(callId, "a subagent call's id");
        Texts.require(agent, "a subagent's name");
        Texts.requireUnicode(task, "a subagent's task");
        Texts.require(toolCallId, "a tool call's id");
    }

    /** Reads what {@link #toMap} made. */
    public static SubagentCall read(Fields fields) throws MalformedDataException {
        try {
            return new SubagentCall(fields.text("call_id").orElseGet(Ulid::next), fields.required("agent"), fields.text("task").orElse(""), fields.required("tool_call_id"),
                    fields.time("started_at").orElseGet(Instant::now));
        } catch (IllegalArgumentException e) {
            throw new MalformedDataException(e.getMessage());
        }
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("call_id", callId);
        map.put("agent", agent);
        map.put("task", task);
        map.put("tool_call_id", toolCallId);
        map.put("started_at", startedAt.toString());
        return map;
    }
}
