package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.sessions.chunks.LocalChunks;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import dev.kvcapsule.sessions.gateway.GatewayException;
import dev.kvcapsule.sessions.row.CapsuleBoundary;
import dev.kvcapsule.sessions.workspace.Artifact;
import dev.kvcapsule.sessions.workspace.Git;
import dev.kvcapsule.sessions.workspace.Revision;
import dev.kvcapsule.store.ChunkStore;
import dev.kvcapsule.store.StoreBusyException;
import dev.kvcapsule.store.StoreFullException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/**
 * Writes down what a session knows, and the capsule of its model's cache if a gateway gives one. A capsule that cannot be had leaves the one before in its place: it still
 * holds the first part of the conversation.
 *
 * @param state what is now the session's checkpoint
 * @param capsule why there is no new capsule; empty if there is one, or none was wanted
 */
public record Checkpoint(SessionState state, Optional<GatewayException> capsule) {
    private static final Set<String> DOUBTS = Set.of(RefusalCode.DAMAGED.label(), RefusalCode.TRUNCATED.label(), RefusalCode.INCOMPLETE.label(), RefusalCode.NOT_FOUND.label(),
            RefusalCode.REVOKED.label(), RefusalCode.SIGNATURE.label(), RefusalCode.UNKNOWN_KEY.label(), RefusalCode.DATA_KEY.label(), RefusalCode.NO_TENANT_KEY.label(), "malformed", "lost");

    /**
     * Where a capsule comes from.
     *
     * @param note how to find it again
     * @param whole whether it is to hold all of its tokens itself, in place of going on from the session's chunks
     * @param mostBytes that chunks of all sessions may take
     */
    public record Source(GatewayClient client, GatewayNote note, boolean whole, long mostBytes) {}

    /**
     * Makes a checkpoint.
     *
     * @param notes what the agent wrote down; a missing objective stays as it was
     * @param workspace a folder of the files that it works on
     * @param source of a capsule; empty for none
     */
    public static Checkpoint write(OpenSession session, Notes notes, Path workspace, Optional<Source> source) throws IOException {
        Optional<SessionState> before = session.read();
        Instant now = Instant.now();
        Optional<Revision> revision = Git.revision(workspace);
        List<Artifact> artifacts = new ArrayList<>();
        for (String path : notes.artifacts()) {
            artifacts.add(Artifact.of(workspace.resolve(path).toAbsolutePath().normalize()));
        }
        Optional<CapsuleNote> capsule = before.flatMap(SessionState::capsule);
        Optional<GatewayException> failure = Optional.empty();
        Optional<CapsuleBoundary> passed = Optional.empty();
        if (source.isPresent()) {
            try {
                Optional<CapsuleBoundary> boundary = session.boundary();
                // A gateway that shares the database notes the capsule in it.
                session.pause();
                Path file = session.newCapsule();
                GatewayClient.Exported exported = fetch(session, source.get(), before, boundary, file);
                capsule = Optional.of(note(session, file, exported));
                // What begins with the compacted conversation was made of it.
                passed = boundary.filter(parted -> exported.markDigest().equals(Optional.of(parted.markDigest())));
            } catch (GatewayException e) {
                failure = Optional.of(e);
            }
        }
        Notes kept = notes.objective().isPresent() ? notes : before.flatMap(state -> state.notes().objective()).map(notes::withObjective).orElse(notes);
        SessionState state = new SessionState(session.id(), before.flatMap(SessionState::parent), before.map(SessionState::createdAt).orElse(now), now, kept, revision, artifacts,
                source.map(Source::note).or(() -> before.flatMap(SessionState::gateway)), capsule, before.flatMap(SessionState::lastResume));
        session.write(state, passed);
        return new Checkpoint(state, failure);
    }

    private static GatewayClient.Exported fetch(OpenSession session, Source source, Optional<SessionState> before, Optional<CapsuleBoundary> boundary, Path file) throws IOException {
        OptionalLong mark = boundary.map(parted -> OptionalLong.of(parted.markTokens())).orElse(OptionalLong.empty());
        return source.whole ? source.client.export(source.note.slot(), session.id(), mark, file) : fetchNew(session, source, before, mark, file);
    }

    private static CapsuleNote note(OpenSession session, Path file, GatewayClient.Exported exported) {
        Manifest manifest = exported.summary().manifest();
        return new CapsuleNote(file.getFileName().toString(), exported.id(), session.id(), manifest.codec().toString(), manifest.layout().layers(), exported.tokens(), exported.bytes(),
                exported.chunks().size(), exported.receivedBytes(), exported.stateBytes(), exported.expires(), exported.prefillRate(), exported.contextTokens());
    }

    /** What any session has already need not be sent. The store is this program's until the capsule is there, so that nothing is collected that it goes on from. */
    private static GatewayClient.Exported fetchNew(OpenSession session, Source source, Optional<SessionState> before, OptionalLong mark, Path file) throws IOException {
        LocalChunks local = session.chunks();
        try (ChunkStore store = local.write(source.mostBytes)) {
            Collection<ChunkRef> known = isDoubtful(before) ? List.of() : local.needed().values();
            try {
                GatewayClient.Exported exported = source.client.export(source.note.slot(), session.id(), mark, known, store, file);
                local.collectIfWasteful(store);
                return exported;
            } catch (StoreFullException e) {
                local.collect(store, true);
                return source.client.export(source.note.slot(), session.id(), mark, known, store, file);
            }
        } catch (StoreBusyException e) {
            throw new GatewayException("store-busy", e.getMessage());
        } catch (StoreFullException e) {
            throw new GatewayException("store-full", e.getMessage());
        }
    }

    /** A capsule that was refused may have been refused for its chunks: the next one does not go on from them. */
    private static boolean isDoubtful(Optional<SessionState> before) {
        return before.flatMap(SessionState::lastResume).filter(resume -> DOUBTS.contains(resume.code())).isPresent();
    }
}
