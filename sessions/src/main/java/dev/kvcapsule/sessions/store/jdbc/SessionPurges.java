package dev.kvcapsule.sessions.store.jdbc;

import dev.kvcapsule.sessions.store.SessionOwner;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Removals of sessions with their capsules, in two steps: it begins with one transaction, which takes the row, its messages and its history and notes that the capsules are to go; it
 * ends when somebody who can has revoked and removed those. Killed in between, it is still noted. Safe for use by many threads.
 */
public final class SessionPurges {
    private static final String OF = " WHERE owner_org = ? AND owner_user = ? AND session_id = ?";

    private final SessionDatabase database;

    SessionPurges(SessionDatabase database) {
        this.database = database;
    }

    /**
     * A removal that has begun.
     *
     * @param owner whose session it was
     * @param session its name
     * @param begun when, the last time: kept capsules that are younger belong to another session of that name
     * @param capsules ids of all that had been sealed for it then and have not expired
     */
    public record Begun(SessionOwner owner, String session, Instant begun, Set<String> capsules) {}

    /**
     * Notes a capsule before it goes out.
     *
     * @param id 32 hexadecimal digits
     * @param expires until when it has to be remembered
     */
    public void sealed(SessionOwner owner, String session, String id, Instant expires) throws IOException {
        database.write(tx -> tx.update("INSERT INTO capsule (owner_org, owner_user, session_id, capsule_id, expires_at) VALUES (?, ?, ?, ?, ?)", owner.org(), owner.user(), session, id, expires));
        // Whoever asked for the capsule writes its row next.
        database.pause();
    }

    /** What was removed at once. @param session whether there was a row. @param traces entries of its history */
    public record Removed(boolean session, int traces) {}

    /** Begins: row, messages and history are gone when this returns, and the capsules will be. */
    public Removed begin(SessionOwner owner, String session) throws IOException {
        return database.write(tx -> {
            boolean row = JdbcSessionStore.delete(tx, owner, session);
            int traces = tx.update("DELETE FROM trace" + OF, owner.org(), owner.user(), session);
            note(tx, owner, session);
            return new Removed(row, traces);
        });
    }

    private static void note(Transaction tx, SessionOwner owner, String session) throws SQLException {
        Instant now = Instant.now();
        if (tx.update("UPDATE purge SET begun_at = ?" + OF, now, owner.org(), owner.user(), session) == 0) {
            // Where somebody else notes the same just now, one of the two is told to try again.
            tx.update("INSERT INTO purge (owner_org, owner_user, session_id, begun_at) VALUES (?, ?, ?, ?)", owner.org(), owner.user(), session, now);
        }
        // Another session may take the name before the removal ends: what is sealed for it is not meant.
        tx.update("UPDATE capsule SET purged = TRUE" + OF, owner.org(), owner.user(), session);
    }

    /** All that have begun and not ended, whoever's they are. */
    public List<Begun> begun() throws IOException {
        return database.read(true, tx -> {
            List<Begun> noted = tx.list("SELECT owner_org, owner_user, session_id, begun_at FROM purge ORDER BY begun_at",
                    row -> new Begun(new SessionOwner(row.getString(1), row.getString(2)), row.getString(3), Transaction.time(row, "begun_at").orElseThrow(), Set.of()));
            List<Begun> all = new ArrayList<>();
            for (Begun one : noted) {
                all.add(new Begun(one.owner, one.session, one.begun, Set.copyOf(tx.list("SELECT capsule_id FROM capsule" + OF + " AND purged = TRUE", row -> row.getString(1), one.owner.org(), one.owner.user(), one.session))));
            }
            return all;
        });
    }

    /** Those of one session: one, or none. */
    public List<Begun> begun(SessionOwner owner, String session) throws IOException {
        return begun().stream().filter(one -> one.owner.equals(owner) && one.session.equals(session)).toList();
    }

    /** Ends: its capsules are revoked and gone. What was sealed meanwhile stays noted. */
    public void end(Begun purge) throws IOException {
        database.write(tx -> {
            tx.updateAll("DELETE FROM capsule" + OF + " AND capsule_id = ?", purge.capsules.stream().map(id -> new Object[] {purge.owner.org(), purge.owner.user(), purge.session, id}).toList());
            return tx.update("DELETE FROM purge" + OF + " AND begun_at = ?", purge.owner.org(), purge.owner.user(), purge.session, purge.begun);
        });
    }

    /** Forgets capsules whose time is over: they are refused anyway. @return how many */
    public int forgetExpired(Instant now) throws IOException {
        return database.write(tx -> tx.update("DELETE FROM capsule WHERE expires_at <= ?", now));
    }
}
