package dev.kvcapsule.sessions.store;

import dev.kvcapsule.sessions.row.Session;
import java.util.List;
import java.util.Optional;

/**
 * A session that begins as another one.
 *
 * @param child the new row
 * @param last the last message that both have; empty if it has none of them
 * @param ledger what is noted of the parent with it
 */
public record Branch(Session child, Optional<String> last, List<LedgerEntry> ledger) {
    /** With that noted. */
    public Branch note(LedgerEntry entry) {
        return new Branch(child, last, List.of(entry));
    }
}
