package dev.kvcapsule.sessions;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.gateway.ClientTls;
import dev.kvcapsule.sessions.workspace.Artifact;
import dev.kvcapsule.sessions.workspace.Revision;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class SessionStateTest {
    private static final String YAML = """
            objective: Find why the loss diverges
            plan:
              - {step: Plot the loss, status: done, evidence: plots/loss.png}
              - step: Halve the rate
            jobs:
              - {id: 4711, system: slurm, command: sbatch train.sh, submitted_at: 2026-11-22T10:00:00Z, last_state: running, log: logs/4711.log}
            artifacts: [out/model.gguf]
            decisions:
              - {choice: AdamW, reason: it converged before, rejected: [SGD, Lion]}
            issues:
              - {issue: "The loader skips a shard: \\"#7\\"", severity: high}
            next_actions: [Look at the logs, Restart from step 2000]
            """;

    private static Notes notes(String yaml) throws IOException {
        return Notes.parse(yaml);
    }

    @Test
    void namesThatLookLikeNumbersStayAsTheyAre() throws IOException {
        assertEquals("0042", notes("jobs: [{id: 0042}]").jobs().getFirst().id());
        assertEquals(List.of("true", "1e3"), notes("next_actions: [true, 1e3]").nextActions());
        assertEquals(Notes.NONE, notes("objective:\nplan:\n"));
        assertEquals(Notes.NONE, notes(""));
    }

    @Test
    void everythingThatIsWrittenIsRead() throws IOException {
        Instant now = Instant.parse("2026-11-22T12:00:00Z");
        Notes notes = notes(YAML);
        assertEquals("4711", notes.jobs().getFirst().id());
        SessionState state = new SessionState("s1", Optional.of("s0"), now, now, notes, Optional.of(new Revision("/w", Optional.of("https://host/r"), Optional.of("main"),
                Optional.of("abc"), true, "00ff")), List.of(new Artifact("out/model.gguf", Optional.of("aa"), OptionalLong.of(7))),
                Optional.of(new GatewayNote("https://h:1", Optional.empty(), new ClientTls(Optional.of(Path.of("/ca")), Optional.of(new ClientTls.Identity(Path.of("/c"), Path.of("/k")))), 3)), Optional.of(new CapsuleNote("capsule-00ff.kvc", "id", "s0", "lossless", 30, 4096, 10, 100, now, OptionalDouble.of(64.5))),
                Optional.of(new ResumeNote(now, ResumeNote.RESTORED, "ok", "m", OptionalLong.of(4095), OptionalLong.of(1), 2.5, OptionalDouble.of(63.5), Optional.of(new CapsuleCut(507, 241, 406)))));
        assertEquals(state, SessionState.parse(state.toJson()));
        assertEquals(61.0, state.lastResume().orElseThrow().prefillSecondsSaved().orElseThrow());
        SessionState bare = new SessionState("s1", Optional.empty(), now, now, Notes.NONE, Optional.empty(), List.of(), Optional.empty(), Optional.empty(), Optional.empty());
        assertEquals(bare, SessionState.parse(bare.toJson()));
    }

    @Test
    void aNewerSchemaIsRefusedAndSoIsWhatIsDamaged() throws IOException {
        Instant now = Instant.EPOCH;
        String json = new SessionState("s1", Optional.empty(), now, now, Notes.NONE, Optional.empty(), List.of(), Optional.empty(), Optional.empty(), Optional.empty()).toJson();
        String newer = json.replace("\"schema\" : 1", "\"schema\" : 2");
        assertTrue(assertThrows(MalformedDataException.class, () -> SessionState.parse(newer)).getMessage().contains("a newer one wrote it"));
        for (int cut = 0; cut < json.length() - 3; cut++) {
            String part = json.substring(0, cut);
            assertThrows(MalformedDataException.class, () -> SessionState.parse(part));
        }
        for (String wrong : List.of("[]", "{}", "null", json + "x", json.replace("\"plan\" : [ ]", "\"plan\" : 7"), json.replace("\"plan\"", "\"plam\""),
                json.replace("\"id\" : \"s1\"", "\"id\" : {}"), json.replace("1970-01-01T00:00:00Z", "yesterday"))) {
            assertThrows(MalformedDataException.class, () -> SessionState.parse(wrong), wrong);
        }
    }

    @Test
    void aCapsuleIsAFileOfTheSessionsFolderOnly() {
        Instant now = Instant.EPOCH;
        String json = new SessionState("s1", Optional.empty(), now, now, Notes.NONE, Optional.empty(), List.of(), Optional.empty(),
                Optional.of(new CapsuleNote("capsule-00.kvc", "id", "s1", "raw", 2, 1, 1, 1, now, OptionalDouble.empty())), Optional.empty()).toJson();
        assertThrows(MalformedDataException.class, () -> SessionState.parse(json.replace("capsule-00.kvc", "../../keys/private")));
    }

    @Test
    void aMistakeInTheNotesIsNamed() {
        assertTrue(assertThrows(MalformedDataException.class, () -> notes("plans: []")).getMessage().contains("'plans'"));
        assertTrue(assertThrows(MalformedDataException.class, () -> notes("jobs: [{system: slurm}]")).getMessage().contains("state.jobs[0].id"));
        assertTrue(assertThrows(MalformedDataException.class, () -> notes("jobs: [{id: 1, submitted_at: noon}]")).getMessage().contains("submitted_at"));
        assertThrows(MalformedDataException.class, () -> notes("{"));
        assertThrows(MalformedDataException.class, () -> notes("- a list"));
        assertThrows(MalformedDataException.class, () -> notes("objective: !!javax.script.ScriptEngineManager []"));
    }
}
