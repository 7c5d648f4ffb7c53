package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A tool call without a result.
 *
 * @param call the call
 * @param messageId the assistant's message that it is in
 * @param sentinelId the message that stands for its result while a question is open
 */
public record OpenToolCall(ToolCall call, String messageId, Optional<String> sentinelId) {
    static OpenToolCall read(Fields fields) throws MalformedDataException {
        return new OpenToolCall(ToolCall.read(fields), fields.required("message_id"), fields.text("sentinel_message_id"));
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>(call.toMap());
        map.put("message_id", messageId);
        sentinelId.ifPresent(id -> map.put("sentinel_message_id", id));
        return map;
    }
}
