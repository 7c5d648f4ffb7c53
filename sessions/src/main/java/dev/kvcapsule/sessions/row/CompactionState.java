package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * How a session has been compacted.
 *
 * @param lastAt when last
 * @param lastMessageId the newest message that the last summary stands for
 * @param count how often
 */
public record CompactionState(Optional<Instant> lastAt, Optional<String> lastMessageId, long count) {
    /** Never. */
    public static final CompactionState NONE = new CompactionState(Optional.empty(), Optional.empty(), 0);

    /** Once more. */
    public CompactionState after(Instant at, String messageId) {
        return new CompactionState(Optional.of(at), Optional.of(messageId), count + 1);
    }

    /** Reads what {@link #toMap} made. */
    public static CompactionState read(Fields fields) throws MalformedDataException {
        return new CompactionState(fields.time("last_compacted_at"), fields.text("last_compacted_message_id"), fields.number("compaction_count").orElse(0));
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("last_compacted_at", lastAt.map(Instant::toString).orElse(null));
        map.put("last_compacted_message_id", lastMessageId.orElse(null));
        map.put("compaction_count", count);
        return map;
    }
}
