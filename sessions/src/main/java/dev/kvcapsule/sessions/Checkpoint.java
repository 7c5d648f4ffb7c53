package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import dev.kvcapsule.sessions.gateway.GatewayException;
import dev.kvcapsule.sessions.workspace.Artifact;
import dev.kvcapsule.sessions.workspace.Git;
import dev.kvcapsule.sessions.workspace.Revision;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Writes down what a session knows, and the capsule of its model's cache if a gateway gives one. A capsule that cannot be had leaves the one before in its place: it still
 * holds the first part of the conversation.
 *
 * @param state what is now the session's checkpoint
 * @param capsule why there is no new capsule; empty if there is one, or none was wanted
 */
public record Checkpoint(SessionState state, Optional<GatewayException> capsule) {

    /** Where a capsule comes from. @param note how to find it again */
    public record Source(GatewayClient client, GatewayNote note) {}

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
        if (source.isPresent()) {
            try {
                capsule = Optional.of(fetch(session, source.get()));
            } catch (GatewayException e) {
                failure = Optional.of(e);
            }
        }
        Notes kept = notes.objective().isPresent() ? notes : before.flatMap(state -> state.notes().objective()).map(notes::withObjective).orElse(notes);
        SessionState state = new SessionState(session.id(), before.flatMap(SessionState::parent), before.map(SessionState::createdAt).orElse(now), now, kept, revision, artifacts,
                source.map(Source::note).or(() -> before.flatMap(SessionState::gateway)), capsule, before.flatMap(SessionState::lastResume));
        session.write(state);
        return new Checkpoint(state, failure);
    }

    private static CapsuleNote fetch(OpenSession session, Source source) throws IOException {
        Path file = session.newCapsule();
        GatewayClient.Exported exported = source.client.export(source.note.slot(), session.id(), file);
        Manifest manifest = exported.summary().manifest();
        return new CapsuleNote(file.getFileName().toString(), exported.id(), session.id(), manifest.codec().toString(), manifest.layout().layers(), manifest.layout().tokens(), exported.bytes(),
                exported.stateBytes(), exported.expires(), exported.prefillRate());
    }
}
