package dev.kvcapsule.sessions.compaction;

import dev.kvcapsule.sessions.row.CapsuleBoundary;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What a compaction says of itself while it goes on. */
public sealed interface CompactionEvent {
    /** The session. */
    String sessionId();

    /** The fields by name. */
    Map<String, Object> toMap();

    /**
     * A summary is being written.
     *
     * @param sessionId the session
     * @param tokens how long its conversation was when it was last measured
     * @param messages how many messages the summary is to stand for
     */
    record Started(String sessionId, long tokens, int messages) implements CompactionEvent {
        @Override
        public Map<String, Object> toMap() {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("event", "started");
            map.put("session_id", sessionId);
            map.put("tokens", tokens);
            map.put("messages", messages);
            return map;
        }
    }

    /**
     * The summary is in its place.
     *
     * @param sessionId the session
     * @param summaryId its message
     * @param tokens how long the conversation was when it was last measured
     * @param messages how many messages it stands for
     * @param count how often the session has been compacted
     * @param boundary how far a capsule of the conversation before still holds; empty if nobody could tell
     * @param summarizer who wrote the summary
     * @param notes what went otherwise than wanted, a line each
     */
    record Completed(String sessionId, String summaryId, long tokens, int messages, long count, Optional<CapsuleBoundary> boundary, String summarizer, List<String> notes)
            implements CompactionEvent {
        /** Copies the list. */
        public Completed {
            notes = List.copyOf(notes);
        }

        @Override
        public Map<String, Object> toMap() {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("event", "completed");
            map.put("session_id", sessionId);
            map.put("summary_message_id", summaryId);
            map.put("tokens", tokens);
            map.put("messages", messages);
            map.put("compaction_count", count);
            map.put("summarizer", summarizer);
            map.put("capsule_boundary", boundary.map(CapsuleBoundary::toMap).orElse(null));
            map.put("notes", notes);
            return map;
        }
    }

    /**
     * The conversation is as it was.
     *
     * @param sessionId the session
     * @param reason why
     * @param detail the same in words
     */
    record Skipped(String sessionId, Reason reason, String detail) implements CompactionEvent {
        /** Why a conversation is not compacted. */
        public enum Reason {
            /** A question, a tool call or a subagent is open. */
            PENDING_STATE,
            /** The model has not spoken its last word of the turn: at its end. */
            MID_TURN,
            /** It is short enough, or nobody has measured it. */
            NOT_NEEDED,
            /** All of it is prefix, summary or tail. */
            NOTHING_TO_COMPACT,
            /** The summarizer gave up. */
            SUMMARIZER_FAILED,
            /** It wrote nothing. */
            EMPTY_SUMMARY,
            /** What it wrote is no shorter than what it would stand for. */
            NO_GAIN,
            /** Somebody has changed the session meanwhile. */
            CHANGED;

            /** The name in JSON. */
            public String label() {
                return name().toLowerCase(Locale.ROOT);
            }
        }

        @Override
        public Map<String, Object> toMap() {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("event", "skipped");
            map.put("session_id", sessionId);
            map.put("reason", reason.label());
            map.put("detail", detail);
            return map;
        }
    }
}
