package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.fields.Fields;
import dev.kvcapsule.sessions.workspace.Artifact;
import dev.kvcapsule.sessions.workspace.Revision;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A checkpoint: what a session knew when it paused. Written as JSON with a schema number; a newer one than this program's is refused, not guessed at.
 *
 * @param id the session
 * @param parent the session that it was forked from
 * @param createdAt of the session
 * @param checkpointAt of this checkpoint
 * @param notes what the agent wrote down
 * @param revision of the files it works on; empty outside a repository
 * @param artifacts the files that matter, as they were
 * @param gateway where its capsule came from
 * @param capsule of its model's cache
 * @param lastResume what the last resume came to
 */
public record SessionState(String id, Optional<String> parent, Instant createdAt, Instant checkpointAt, Notes notes, Optional<Revision> revision, List<Artifact> artifacts,
        Optional<GatewayNote> gateway, Optional<CapsuleNote> capsule, Optional<ResumeNote> lastResume) {
    /** What this program writes, and the newest that it reads. */
    public static final long SCHEMA = 1;

    /** Copies the list. */
    public SessionState {
        artifacts = List.copyOf(artifacts);
    }

    /**
     * Reads what {@link #toJson} wrote.
     *
     * @throws MalformedDataException if it is damaged, or of a newer schema
     */
    public static SessionState parse(String json) throws MalformedDataException {
        return of(Json.readObject(json));
    }

    /**
     * Reads what {@link #toMap} made.
     *
     * @throws MalformedDataException if it is damaged, or of a newer schema
     */
    public static SessionState of(Map<String, Object> map) throws MalformedDataException {
        Fields fields = new Fields(map, "state");
        long schema = fields.number("schema").orElse(0);
        if (schema != SCHEMA) {
            throw new MalformedDataException("state.schema: is " + schema + ", this program reads " + SCHEMA + (schema > SCHEMA ? ": a newer one wrote it" : ""));
        }
        List<Artifact> artifacts = fields.list("artifacts", artifact -> new Artifact(artifact.required("path"), artifact.text("digest"), artifact.number("bytes")));
        Optional<Fields> revision = fields.object("revision");
        Optional<Fields> gateway = fields.object("gateway");
        Optional<Fields> capsule = fields.object("capsule");
        Optional<Fields> resume = fields.object("last_resume");
        SessionState state = new SessionState(fields.required("id"), fields.text("parent"), fields.time("created_at").orElse(Instant.EPOCH),
                fields.time("checkpoint_at").orElse(Instant.EPOCH), Notes.of(fields, artifacts.stream().map(Artifact::path).toList()),
                revision.isPresent() ? Optional.of(revision(revision.get())) : Optional.empty(), artifacts,
                gateway.isPresent() ? Optional.of(GatewayNote.read(gateway.get())) : Optional.empty(),
                capsule.isPresent() ? Optional.of(CapsuleNote.read(capsule.get())) : Optional.empty(),
                resume.isPresent() ? Optional.of(ResumeNote.read(resume.get())) : Optional.empty());
        fields.end();
        return state;
    }

    private static Revision revision(Fields fields) throws MalformedDataException {
        return new Revision(fields.required("worktree"), fields.text("repository"), fields.text("branch"), fields.text("commit"), fields.flag("dirty"), fields.required("diff_digest"));
    }

    /** JSON, over several lines. */
    public String toJson() {
        return Json.lines(toMap());
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("schema", SCHEMA);
        map.put("id", id);
        parent.ifPresent(text -> map.put("parent", text));
        map.put("created_at", createdAt.toString());
        map.put("checkpoint_at", checkpointAt.toString());
        notes.objective().ifPresent(text -> map.put("objective", text));
        revision.ifPresent(known -> map.put("revision", known.toMap()));
        map.put("plan", notes.plan().stream().map(Step::toMap).toList());
        map.put("jobs", notes.jobs().stream().map(Job::toMap).toList());
        map.put("artifacts", artifacts.stream().map(Artifact::toMap).toList());
        map.put("decisions", notes.decisions().stream().map(Decision::toMap).toList());
        map.put("issues", notes.issues().stream().map(Issue::toMap).toList());
        map.put("next_actions", notes.nextActions());
        gateway.ifPresent(known -> map.put("gateway", known.toMap()));
        capsule.ifPresent(known -> map.put("capsule", known.toMap()));
        lastResume.ifPresent(known -> map.put("last_resume", known.toMap()));
        return map;
    }

    /** The same after a resume. */
    public SessionState resumed(ResumeNote note) {
        return new SessionState(id, parent, createdAt, checkpointAt, notes, revision, artifacts, gateway, capsule, Optional.of(note));
    }

    /** The same as another session, which begins here. */
    public SessionState forked(String other, Instant now) {
        return new SessionState(other, Optional.of(id), now, checkpointAt, notes, revision, artifacts, gateway, capsule, Optional.empty());
    }
}
