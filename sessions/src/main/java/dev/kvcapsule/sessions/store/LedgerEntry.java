package dev.kvcapsule.sessions.store;

import java.util.Locale;
import java.util.Map;

/**
 * What is noted of something that must happen once, in the transaction that it happens in.
 *
 * @param kind of thing
 * @param key its name in the session
 * @param value what came of it
 */
public record LedgerEntry(Kind kind, String key, Map<String, Object> value) {
    /** Kinds of things that happen once. */
    public enum Kind {
        /** A question's answer; the key is the question's id. */
        ANSWER,
        /** A request with an idempotency key. */
        REQUEST;

        /** The name in a table. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }
}
