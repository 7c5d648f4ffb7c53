package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.increment.IncrementalEncoder;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.Scope;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.jdbc.SessionPurges;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.Optional;

/** Notes every capsule of a session before it goes out, so that the session's removal can revoke all of them, wherever they are by then. */
final class CapsuleLedger {
    private final Optional<SessionPurges> sealed;

    /** @param sealed where they are noted; empty if there is no database, and then none is */
    CapsuleLedger(Optional<SessionPurges> sealed) {
        this.sealed = sealed;
    }

    /**
     * Notes one that is about to be sealed.
     *
     * @throws RequestException if it cannot be noted: it could not be revoked then
     */
    void note(Principal principal, CapsuleSeal seal) {
        note(principal, seal.spec().scope(), seal.id(), seal.spec().expires());
    }

    private void note(Principal principal, Scope scope, String id, Instant expires) {
        if (sealed.isPresent() && scope.session().isPresent()) {
            try {
                sealed.get().sealed(new SessionOwner(principal.org(), principal.user()), scope.session().get(), id, expires);
            } catch (IOException e) {
                throw new RequestException(503, "database", "the sessions' database does not answer, and a capsule that nobody has noted could not be revoked: try again");
            }
        }
    }

    /** An output that notes a capsule in parts before its tail passes; without it, its chunks are of no use. */
    IncrementalEncoder.Output noted(Principal principal, IncrementalEncoder.Output out) {
        return new IncrementalEncoder.Output() {
            @Override
            public void chunk(ChunkRef chunk, MemorySegment bytes) throws IOException {
                out.chunk(chunk, bytes);
            }

            @Override
            public void tail(SealClaims claims, MemorySegment bytes) throws IOException {
                note(principal, claims.scope(), claims.id(), claims.expires());
                out.tail(claims, bytes);
            }
        };
    }
}
