package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a summary says of itself, so that programs need not look at its text.
 *
 * @param summary the summary
 * @param originalGoal what the conversation began with
 * @param preservedToolCallIds calls whose messages stayed, since one of them is in the tail
 * @param permissionScope the scope at that time
 * @param tokenCount how long the conversation was, in tokens
 * @param replaces ids of the messages that the summary stands for, the summary before it among them
 * @param createdAt when
 */
public record CompactionMarker(String summary, Optional<String> originalGoal, List<String> preservedToolCallIds, Optional<String> permissionScope, long tokenCount, List<String> replaces,
        Instant createdAt) {
    /** Copies the lists. */
    public CompactionMarker {
        preservedToolCallIds = List.copyOf(preservedToolCallIds);
        replaces = List.copyOf(replaces);
    }

    static CompactionMarker read(Fields fields) throws MalformedDataException {
        CompactionMarker marker = new CompactionMarker(fields.required("summary"), fields.text("original_goal"), fields.texts("preserved_tool_call_ids"),
                fields.text("permission_scope_at_compaction"), fields.number("compacted_at_token_count").orElse(0), fields.texts("replaces_message_ids"),
                fields.time("created_at").orElse(Instant.EPOCH));
        fields.end();
        return marker;
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("summary", summary);
        map.put("original_goal", originalGoal.orElse(null));
        map.put("preserved_tool_call_ids", preservedToolCallIds);
        map.put("permission_scope_at_compaction", permissionScope.orElse(null));
        map.put("compacted_at_token_count", tokenCount);
        map.put("replaces_message_ids", replaces);
        map.put("created_at", createdAt.toString());
        return map;
    }
}
