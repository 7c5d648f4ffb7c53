package dev.kvcapsule.sessions.store;

import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.Ulid;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Something that happened in a session. Stores write what becomes of messages; agents may add what they like.
 *
 * @param id a ULID: traces sort by it
 * @param sessionId the session
 * @param kind what
 * @param at when, to the microsecond
 * @param payload JSON
 */
public record Trace(String id, String sessionId, String kind, Instant at, Map<String, Object> payload) {
    /** A message was added; the payload is all of it. */
    public static final String MESSAGE = "message";

    /** A sentinel became a result; the payload is the message. */
    public static final String RESOLVED = "resolved";

    /** Messages were taken from the view, by compaction or by a revert. */
    public static final String REMOVED = "removed";

    /** The session began as another one; the payload says which, and where. */
    public static final String FORK = "fork";

    /** The time is kept to the microsecond. */
    public Trace {
        at = at.truncatedTo(ChronoUnit.MICROS);
    }

    /** Something that happens now. */
    public static Trace of(String sessionId, String kind, Map<String, Object> payload) {
        return new Trace(Ulid.next(), sessionId, kind, Instant.now(), payload);
    }

    /** The payload of a {@link #FORK}. */
    public static Map<String, Object> fork(Session child) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("parent_session_id", child.parentId().orElse(null));
        map.put("forked_at_message_id", child.forkedAtMessageId().orElse(null));
        return map;
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("trace_id", id);
        map.put("session_id", sessionId);
        map.put("kind", kind);
        map.put("at", at.toString());
        map.put("payload", payload);
        return map;
    }
}
