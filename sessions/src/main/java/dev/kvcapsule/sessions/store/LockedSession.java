package dev.kvcapsule.sessions.store;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.Session;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** A session that nobody else changes meanwhile. What is not asked for is not read. */
public interface LockedSession {
    /** The row. */
    Session session();

    /** All messages, in order. */
    List<Message> messages() throws IOException;

    /** One message of the view. */
    Optional<Message> message(String id) throws IOException;

    /** The last message. */
    Optional<Message> last() throws IOException;

    /** The message behind another one. */
    Optional<Message> after(String id) throws IOException;

    /** Ids of the messages behind another one, in order. */
    List<String> idsAfter(String id) throws IOException;

    /** What was noted under a key; empty if nothing was. */
    Optional<LedgerEntry> ledger(LedgerEntry.Kind kind, String key) throws IOException;
}
