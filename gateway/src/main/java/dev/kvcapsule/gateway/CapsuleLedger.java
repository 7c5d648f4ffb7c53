package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.increment.IncrementalEncoder;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.jdbc.SessionPurges;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.Optional;

/** Notes every capsule of a session before it goes out, so that the session's removal can revoke all of them, wherever they are by then. */
final class CapsuleLedger {
    private final Optional<SessionPurges> sealed;

    /** @param sealed where they are noted; empty if there is no database, and then none is */
    CapsuleLedger(Optional<SessionPurges> sealed) {
        this.sealed = sealed;
    }

    private void note(Principal principal, SealClaims claims) {
        if (sealed.isPresent() && claims.scope().session().isPresent()) {
            try {
                sealed.get().sealed(new SessionOwner(principal.org(), principal.user()), claims.scope().session().get(), claims.id(), claims.expires());
            } catch (IOException e) {
                throw new RequestException(503, "database", "the sessions' database does not answer, and a capsule that nobody has noted could not be revoked: try again");
            }
        }
    }

    /** A channel that notes the capsule before its manifest passes. */
    WritableByteChannel noted(Principal principal, CapsuleSeal seal, WritableByteChannel out) {
        return new WritableByteChannel() {
            private boolean noted;

            @Override
            public int write(ByteBuffer bytes) throws IOException {
                // Known from the manifest on, which is the first thing that says anything.
                if (!noted && seal.claims() != null) {
                    note(principal, seal.claims());
                    noted = true;
                }
                return out.write(bytes);
            }

            @Override
            public boolean isOpen() {
                return out.isOpen();
            }

            @Override
            public void close() throws IOException {
                out.close();
            }
        };
    }

    /** An output that notes a capsule in parts before its tail passes; without it, its chunks are of no use. */
    IncrementalEncoder.Output noted(Principal principal, IncrementalEncoder.Output out) {
        return new IncrementalEncoder.Output() {
            @Override
            public void chunk(ChunkRef chunk, MemorySegment bytes) throws IOException {
                out.chunk(chunk, bytes);
            }

            @Override
            public void tail(MemorySegment bytes) throws IOException {
                try (PublicOpening opening = PublicOpening.showing()) {
                    CapsuleReader.of(bytes, opening);
                    note(principal, opening.claims());
                }
                out.tail(bytes);
            }
        };
    }
}
