package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.gateway.recorded.RecordedServer;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.OpenSession;
import dev.kvcapsule.sessions.pending.AgentSession;
import dev.kvcapsule.sessions.row.CheckpointState;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.ToolCall;
import dev.kvcapsule.sessions.row.Ulid;
import dev.kvcapsule.sessions.store.SessionEdit;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.testdata.Samples;
import java.io.InputStream;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code checkpoint}, {@code resume} and {@code status} as scripts see them, in processes of their own. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class SessionCommandTest {
    private static final String TOKEN = "ann-token-0123456789";

    @TempDir
    private Path work;

    private record Ended(int exit, String out, String err) {
        Map<String, Object> json() throws MalformedDataException {
            return Json.readObject(out);
        }

        Object error() throws MalformedDataException {
            return ((Map<?, ?>) json().get("error")).get("code");
        }
    }

    private Ended run(Object... args) throws Exception {
        try (Child child = Child.capsule(work, work.resolve("home"), 64, args)) {
            return new Ended(child.await(), child.out(), child.err());
        }
    }

    @Test
    void stateWithoutAGateway() throws Exception {
        Path yaml = Files.writeString(work.resolve("notes.yaml"), "objective: first\nnext_actions: [look]\njobs: [{id: 4711, system: slurm, last_state: running}]\nartifacts: [a.bin]\n");
        Files.writeString(work.resolve("a.bin"), "one");
        assertEquals(0, run("checkpoint", "--session", "s1", "--state", yaml, "--workspace", work).exit());
        Files.writeString(work.resolve("a.bin"), "two");
        Ended resumed = run("resume", "s1", "--json");
        assertEquals(0, resumed.exit(), resumed.err());
        assertEquals("prefill", resumed.json().get("verdict"));
        assertEquals("no-capsule", resumed.json().get("code"));
        assertEquals(List.of("look"), resumed.json().get("next_actions"));
        assertTrue(resumed.err().contains("a.bin is changed"), resumed.err());
        Ended shown = run("status", "s1");
        for (String part : List.of("objective   first", "4711 on slurm: running", "a.bin: changed", "next        look", "capsule     none", "prefill (no-capsule)")) {
            assertTrue(shown.out().contains(part), shown.out());
        }
        assertTrue(run("status").out().startsWith("s1 "));

        Files.writeString(yaml, "objektive: second\n");
        Ended misspelt = run("checkpoint", "--session", "s1", "--state", yaml, "--workspace", work, "--json");
        assertEquals(3, misspelt.exit(), misspelt.err());
        assertEquals("first", run("status", "s1", "--json").json().get("objective"), "the checkpoint is what it was");
        try (OpenSession busy = LocalSessions.in(work.resolve("home")).open("s1")) {
            assertEquals("s1", busy.id());
            // In the child: a file lock is a process's.
            try (Child second = Child.capsule(work, work.resolve("home"), 64, "checkpoint", "--session", "s1", "--workspace", work)) {
                assertEquals(4, second.await());
                assertTrue(second.err().contains("busy"), second.err());
            }
        }
        try (Child piped = Child.fed(work, work.resolve("home"), 64, ProcessBuilder.Redirect.from(Files.writeString(yaml, "objective: piped\n").toFile()), "checkpoint", "--session", "s3", "--state", "-",
                "--workspace", work)) {
            assertEquals(0, piped.await(), piped.err());
        }
        assertEquals("piped", run("status", "s3", "--json").json().get("objective"));
        // As a newer program would have written it.
        LocalSessions.in(work.resolve("home")).store().edit("s3", OptionalLong.empty(),
                locked -> SessionEdit.of(locked.session().withCheckpoint(Optional.of(new CheckpointState(Map.of("schema", 2L), Optional.empty(), Optional.empty(), Instant.EPOCH, 2)))));
        assertEquals(3, run("status", "s3").exit());
        assertEquals(3, run("resume", "s3").exit());
        Ended all = run("status");
        assertEquals(0, all.exit(), "a damaged session hides no other");
        assertTrue(all.out().contains("first") && all.out().contains("damaged"), all.out());
        // As an older program wrote them.
        Path old = Files.createDirectories(work.resolve("home/sessions/s9"));
        Files.writeString(old.resolve("state.json"), "{\"schema\":1,\"id\":\"s9\",\"objective\":\"of old\"}");
        Files.writeString(Files.createDirectories(work.resolve("home/sessions/s8")).resolve("state.json"), "{");
        Ended taken = run("status", "s9", "--json");
        assertEquals("of old", taken.json().get("objective"));
        assertTrue(taken.err().contains("s8"), taken.err());
        assertFalse(Files.exists(old.resolve("state.json")));
        assertEquals(5, run("resume", "s2").exit());
        assertEquals(2, run("checkpoint", "--session", "../s1").exit());
    }

    @Test
    void sessionsAreShownAnsweredForkedRevertedCompactedExportedAndPurged() throws Exception {
        assertEquals("", run("sessions", "list", "--json").json().get("sessions").toString().replaceAll("[\\[\\]]", ""));
        assertFalse(Files.exists(work.resolve("home/database")), "looking makes no database");
        SessionStore store = LocalSessions.in(work.resolve("home")).store();
        AgentSession session = AgentSession.create(store, Session.fresh("s1"));
        for (int turn = 0; turn < 6; turn++) {
            session.append(Message.user("question " + turn), Message.assistant("answer " + turn + " word".repeat(100)));
        }
        String boundary = session.messages().getLast().id();
        session.append(Message.user("clean up"), Message.assistant("", new ToolCall("c", "rm", "{\"path\":\"a\"}")));
        QuestionState question = QuestionState.ofPermission("c", new QuestionState.PermissionAsk("rm", Map.of("path", "a"), Optional.of("rule-7")));
        session.ask(question);
        Ended shown = run("sessions", "show", "s1");
        for (String part : List.of(question.questionId(), "rule-7", "{\"path\":\"a\"}", "open call", "clean up")) {
            assertTrue(shown.out().contains(part), shown.out());
        }
        Ended other = run("sessions", "answer", "s1", "--question", Ulid.next(), "allow", "--json");
        assertEquals(4, other.exit());
        assertEquals("question-open", other.error());
        assertEquals("s2", run("sessions", "fork", "s1", "--name", "s2", "--json").json().get("session"));
        assertEquals("allowed", run("sessions", "answer", "s1", "allow", "--json").json().get("state"));
        assertEquals("completed", run("sessions", "answer", "s2", "deny", "--json").json().get("state"), "the fork has a question of its own");
        Ended cut = run("sessions", "revert", "s1", "--to", session.messages().get(13).id(), "--json");
        assertEquals(2, cut.exit());
        assertEquals("boundary", cut.error());
        assertEquals(12L, run("sessions", "revert", "s1", "--to", boundary, "--json").json().get("messages"));
        assertEquals("completed", run("sessions", "compact", "s1", "--json").json().get("event"));
        Ended listed = run("sessions", "list");
        assertTrue(listed.out().startsWith("SESSION") && listed.out().contains("fork of s1"), listed.out());
        Ended export = run("sessions", "export", "--all", "-o", work.resolve("all.jsonl"));
        assertEquals(0, export.exit(), export.err());
        List<String> types = new ArrayList<>();
        for (String line : Files.readAllLines(work.resolve("all.jsonl"))) {
            types.add((String) Json.readObject(line).get("type"));
        }
        assertEquals(2, types.stream().filter("session"::equals).count());
        assertEquals(9 + 15, types.stream().filter("message"::equals).count());
        assertEquals(0, run("sessions", "purge", "s1", "s2").exit());
        assertEquals(List.of(), store.list(10));
    }

    @Test
    void aForkTakesTheCapsuleThatItsParentHasLeftBehind() throws Exception {
        byte[] state;
        try (InputStream in = Samples.state("llama-f16.ggsq")) {
            state = in.readAllBytes();
        }
        Path tokenFile = Files.writeString(work.resolve("token"), TOKEN + "\n");
        Files.createFile(work.resolve("tokens.yaml"), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(work.resolve("tokens.yaml"), TOKEN + ": {org: acme, user: ann, permissions: [infer, export, restore]}\n");
        Object[] serve = {"--slot-dir", Files.createDirectory(work.resolve("slots")), "--tokens", work.resolve("tokens.yaml"), "--profile", "exact"};
        assertEquals(0, run("keys", "new", "--tenant", "acme").exit());
        try (RecordedServer server = new RecordedServer(work.resolve("slots"), 2, state);
                Child gateway = Child.gateway(work, work.resolve("home"), 64, "--upstream", "http://127.0.0.1:" + server.port(), serve[0], serve[1], serve[2], serve[3], serve[4], serve[5]);
                HttpClient client = HttpClient.newHttpClient()) {
            HttpRequest prompt = HttpRequest.newBuilder(gateway.address().resolve("/completion")).header("Authorization", "Bearer " + TOKEN)
                    .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\",\"id_slot\":1}")).build();
            assertEquals(200, client.send(prompt, HttpResponse.BodyHandlers.discarding()).statusCode());
            Ended made = run("checkpoint", "--session", "s1", "--workspace", work, "--gateway", gateway.address(), "--token-file", tokenFile, "--slot", 1, "--json");
            assertEquals("fetched", ((Map<?, ?>) made.json().get("capsule")).get("verdict"), made.err());
            assertEquals("lossless:classes=4", made.json().get("codec"));
            assertEquals(2L, made.json().get("layers"));
            Map<?, ?> context = (Map<?, ?>) run("status", "s1", "--json").json().get("context");
            assertEquals(made.json().get("tokens"), context.get("tokens"));
            assertEquals(4096L, context.get("window"), "what the server says");
            assertTrue(run("status", "s1").out().contains(" of 4096 tokens, "), "and in words");
            Ended dry = run("resume", "s1", "--dry-run", "--json");
            assertEquals("dry-run", dry.json().get("code"), dry::toString);
            assertEquals(0, server.restores.get());
            assertEquals("not-asked", run("resume", "s1", "--no-capsule", "--json").json().get("code"));

            Ended fork = run("resume", "--fork", "s1", "--json");
            assertEquals("s1-2", fork.json().get("session"), fork.err());
            assertEquals("s1", fork.json().get("parent"));
            assertEquals("restored", fork.json().get("verdict"));
            // The parent goes on and is restored: from now on the fork's capsule is an older one of its session.
            assertEquals(0, run("checkpoint", "--session", "s1", "--workspace", work).exit());
            assertEquals("restored", run("resume", "s1", "--json").json().get("verdict"));
            assertEquals("replayed", run("resume", "s1-2", "--json").json().get("code"));
            assertEquals("restored", run("resume", "s1-2", "--fork-as", "s1-3", "--json").json().get("verdict"));
            assertEquals(2, run("resume", "s1", "--fork-as", "s1-3").exit());

            Path capsule = work.resolve("home/sessions/s1").resolve((String) ((Map<?, ?>) run("status", "s1", "--json").json().get("capsule")).get("file"));
            byte[] bytes = Files.readAllBytes(capsule);
            bytes[bytes.length / 2] ^= 1;
            Files.write(capsule, bytes);
            int before = server.restores.get();
            assertEquals("damaged", run("resume", "s1", "--json").json().get("code"));
            assertEquals(before, server.restores.get(), "the server has heard of nothing");
            Files.delete(tokenFile);
            Ended without = run("resume", "s1", "--json");
            assertEquals(0, without.exit(), "what is missing to restore a capsule fails no resume");
            assertEquals("prefill", without.json().get("verdict"));
            for (String token : List.of("", "\u00e4\u00f6\n")) {
                Files.writeString(tokenFile, token);
                assertEquals("prefill", run("resume", "s1", "--json").json().get("verdict"), "a token that is none fails no resume");
            }
            Ended noted = run("checkpoint", "--session", "s1", "--objective", "kept", "--workspace", work);
            assertEquals(0, noted.exit(), noted.err());
            assertTrue(noted.err().contains("printable ASCII"), noted.err());
            assertEquals("kept", run("status", "s1", "--json").json().get("objective"));
            assertEquals(3, run("checkpoint", "--session", "s1", "--workspace", work, "--gateway", gateway.address(), "--token-file", tokenFile).exit(), "a token that was named must be one");
            assertFalse(LocalSessions.in(work.resolve("home")).read("s1").orElseThrow().toJson().contains(TOKEN));
        }
    }

    /** Defects: capsules of earlier checkpoints kept their keys; the removal of a gateway's user's session took this user's capsule of that name along. */
    @Test
    void aRemovedSessionsCapsulesAreOfNoUseWhereverTheirCopiesAre() throws Exception {
        byte[] state;
        try (InputStream in = Samples.state("llama-f16.ggsq")) {
            state = in.readAllBytes();
        }
        Path tokenFile = Files.writeString(work.resolve("token"), TOKEN + "\n");
        Files.createFile(work.resolve("tokens.yaml"), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(work.resolve("tokens.yaml"), TOKEN + ": {org: acme, user: ann, permissions: [infer, export, restore, sessions]}\n");
        assertEquals(0, run("keys", "new", "--tenant", "acme").exit());
        try (RecordedServer server = new RecordedServer(Files.createDirectory(work.resolve("slots")), 2, state);
                Child gateway = Child.gateway(work, work.resolve("home"), 64, "--upstream", "http://127.0.0.1:" + server.port(), "--slot-dir", work.resolve("slots"), "--tokens",
                        work.resolve("tokens.yaml"), "--profile", "exact");
                HttpClient client = HttpClient.newHttpClient()) {
            assertEquals(200, post(client, gateway, "/completion", HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\",\"id_slot\":0}")).statusCode());
            List<Path> copies = new ArrayList<>();
            for (String session : List.of("s1", "s1", "s2")) {
                assertEquals(0, run("checkpoint", "--session", session, "--full", "--workspace", work, "--gateway", gateway.address(), "--token-file", tokenFile).exit());
                Path capsule = work.resolve("home/sessions/" + session).resolve((String) ((Map<?, ?>) run("status", session, "--json").json().get("capsule")).get("file"));
                copies.add(Files.copy(capsule, work.resolve("copy" + copies.size())));
            }
            assertEquals(201, post(client, gateway, "/capsule/v1/sessions", HttpRequest.BodyPublishers.ofString("{\"session_id\":\"s2\"}")).statusCode());
            aCapsuleThatBeginsOtherwiseThanWasCountedIsRestoredWhole(server, state);

            Map<?, ?> purged = (Map<?, ?>) ((List<?>) run("sessions", "purge", "s1", "--json").json().get("purged")).getFirst();
            assertEquals(2L, purged.get("gateway"), purged::toString);
            for (Path copy : copies.subList(0, 2)) {
                HttpResponse<String> refused = post(client, gateway, "/capsule/v1/slots/1/restore?session=s1&fork=true", HttpRequest.BodyPublishers.ofFile(copy));
                assertTrue(refused.statusCode() == 422 && refused.body().contains("revoked"), refused::body);
            }
            assertEquals(200, post(client, gateway, "/capsule/v1/slots/1/restore?session=s2", HttpRequest.BodyPublishers.ofFile(copies.get(2))).statusCode());

            assertEquals(0, run("sessions", "purge", "--as", "org=acme,user=ann", "s2").exit());
            assertEquals("usable", ((Map<?, ?>) run("status", "s2", "--json").json().get("capsule")).get("verdict"), "this user's own session of that name is another one");
            HttpResponse<String> refused = post(client, gateway, "/capsule/v1/slots/1/restore?session=s2&fork=true", HttpRequest.BodyPublishers.ofFile(copies.get(2)));
            assertTrue(refused.body().contains("revoked"), refused::body);
        }
    }

    /** The recorded server's template knows nothing of the tokens in its states, as one that was not told of an agent's tools. */
    private void aCapsuleThatBeginsOtherwiseThanWasCountedIsRestoredWhole(RecordedServer server, byte[] state) throws Exception {
        AgentSession session = AgentSession.open(LocalSessions.in(work.resolve("home")).store(), "s2");
        session.append(Message.system("instructions"));
        for (int turn = 0; turn < 6; turn++) {
            session.append(Message.user("question " + turn), Message.assistant("word ".repeat(100)));
        }
        Ended compacted = run("sessions", "compact", "s2", "--json");
        assertEquals("completed", compacted.json().get("event"), compacted.err());
        assertEquals("extractive", compacted.json().get("summarizer"));
        Map<?, ?> cut = (Map<?, ?>) compacted.json().get("cut");
        assertTrue((Long) cut.get("kept_tokens") > 0, cut::toString);
        assertTrue(run("status", "s2").out().contains(cut.get("kept_tokens") + " of "), "status shows it");
        Ended resumed = run("resume", "s2", "--json");
        assertEquals("restored", resumed.json().get("verdict"), resumed.out());
        assertTrue(((String) resumed.json().get("message")).contains("as a whole"), resumed.out());
        assertEquals(null, resumed.json().get("cut"), "nothing is said to be saved that is not");
        assertArrayEquals(state, server.slot(0));
    }

    private static HttpResponse<String> post(HttpClient client, Child gateway, String path, HttpRequest.BodyPublisher body) throws Exception {
        return client.send(HttpRequest.newBuilder(gateway.address().resolve(path)).header("Authorization", "Bearer " + TOKEN).POST(body).build(), HttpResponse.BodyHandlers.ofString());
    }
}
