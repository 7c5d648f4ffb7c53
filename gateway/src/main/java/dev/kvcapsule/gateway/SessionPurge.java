package dev.kvcapsule.gateway;

import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import dev.kvcapsule.sessions.store.jdbc.SessionPurges;
import java.io.IOException;
import java.util.HashSet;
import java.util.Set;

/**
 * Removes sessions for good: row, messages and history, every capsule that the gateway keeps of it, and the keys of all that ever left the gateway, by revoking their ids. What has
 * begun is noted in the database, and is ended by whoever comes next, however this program ends.
 */
final class SessionPurge {
    private final SessionPurges purges;
    private final CapsuleStore store;
    private final CapsuleRevoker revoker;

    SessionPurge(SessionDatabase database, CapsuleStore store, CapsuleRevoker revoker) {
        this.purges = database.purges();
        this.store = store;
        this.revoker = revoker;
    }

    /**
     * What was removed.
     *
     * @param session whether there was a row
     * @param traces entries of its history
     * @param kept capsules that the gateway had kept
     * @param revoked ids
     */
    record Result(boolean session, int traces, int kept, Set<String> revoked) {}

    /** Removes one. */
    Result of(SessionOwner owner, String session) throws IOException {
        SessionPurges.Removed removed = purges.begin(owner, session);
        int kept = 0;
        Set<String> revoked = new HashSet<>();
        for (SessionPurges.Begun one : purges.begun(owner, session)) {
            kept += end(one, revoked);
        }
        return new Result(removed.session(), removed.traces(), kept, revoked);
    }

    /** Ends what has begun, by this program or another. @return how many */
    int endAll() throws IOException {
        int ended = 0;
        for (SessionPurges.Begun one : purges.begun()) {
            end(one, new HashSet<>());
            ended++;
        }
        return ended;
    }

    /** Revoked first: from then on a copy is of no use, whatever becomes of the rest. @return how many capsules were kept */
    private int end(SessionPurges.Begun purge, Set<String> revoked) throws IOException {
        Principal.Owner owner = new Principal.Owner(purge.owner().org(), purge.owner().user());
        Set<String> kept = store.ofSession(owner, purge.session(), purge.begun());
        Set<String> ids = new HashSet<>(purge.capsules());
        ids.addAll(kept);
        if (!ids.isEmpty()) {
            revoker.revoke(ids);
        }
        revoked.addAll(ids);
        for (String id : kept) {
            store.destroy(owner, id);
        }
        purges.end(purge);
        return kept.size();
    }
}
