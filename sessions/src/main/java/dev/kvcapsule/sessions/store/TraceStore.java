package dev.kvcapsule.sessions.store;

import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** The full history of one owner's sessions, which compaction and reverts leave alone. Safe for use by many threads. */
public interface TraceStore {
    /** Adds one. */
    void save(Trace trace) throws IOException;

    /** One of that id; empty if there is none. */
    Optional<Trace> get(String id) throws IOException;

    /** A session's, in order. */
    List<Trace> list(String sessionId) throws IOException;

    /** Removes what is older. @return how many */
    int deleteBefore(Instant time) throws IOException;

    /** Removes a session's. @return how many */
    int delete(String sessionId) throws IOException;
}
