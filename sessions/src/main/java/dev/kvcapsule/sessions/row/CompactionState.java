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
 * @param boundary how far the session's capsule still holds; empty if all of it does, or nobody could tell
 */
public record CompactionState(Optional<Instant> lastAt, Optional<String> lastMessageId, long count, Optional<CapsuleBoundary> boundary) {
    /** Never. */
    public static final CompactionState NONE = new CompactionState(Optional.empty(), Optional.empty(), 0, Optional.empty());

    /** Once more. @param parted where the prompts before and after part; empty if nobody could tell */
    public CompactionState after(Instant at, String messageId, Optional<CapsuleBoundary> parted) {
        return new CompactionState(Optional.of(at), Optional.of(messageId), count + 1, parted.map(fresh -> boundary.map(fresh::behind).orElse(fresh)));
    }

    /** The same, of a session whose capsule holds as a whole. */
    public CompactionState withoutBoundary() {
        return new CompactionState(lastAt, lastMessageId, count, Optional.empty());
    }

    /** Reads what {@link #toMap} made. */
    public static CompactionState read(Fields fields) throws MalformedDataException {
        Optional<Fields> boundary = fields.object("capsule_boundary");
        return new CompactionState(fields.time("last_compacted_at"), fields.text("last_compacted_message_id"), fields.number("compaction_count").orElse(0),
                boundary.isPresent() ? Optional.of(CapsuleBoundary.read(boundary.get())) : Optional.empty());
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("last_compacted_at", lastAt.map(Instant::toString).orElse(null));
        map.put("last_compacted_message_id", lastMessageId.orElse(null));
        map.put("compaction_count", count);
        map.put("capsule_boundary", boundary.map(CapsuleBoundary::toMap).orElse(null));
        return map;
    }
}
