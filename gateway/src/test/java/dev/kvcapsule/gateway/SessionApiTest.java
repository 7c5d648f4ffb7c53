package dev.kvcapsule.gateway;

import static dev.kvcapsule.gateway.GatewayFixture.ANN;
import static dev.kvcapsule.gateway.GatewayFixture.BOB;
import static dev.kvcapsule.gateway.GatewayFixture.EVE;
import static dev.kvcapsule.gateway.GatewayFixture.READER;
import static dev.kvcapsule.gateway.GatewayFixture.code;
import static dev.kvcapsule.gateway.GatewayFixture.json;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.sessions.row.Ulid;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Durable sessions over HTTP. */
@Timeout(60)
class SessionApiTest {
    private static final String SESSIONS = "/capsule/v1/sessions";

    @TempDir
    private Path folder;
    private GatewayFixture fixture;

    @BeforeEach
    void start() throws IOException {
        fixture = new GatewayFixture(folder, "llama-f16.ggsq", Limits.DEFAULT);
    }

    @AfterEach
    void stop() throws IOException {
        fixture.close();
    }

    private HttpResponse<byte[]> post(String token, String path, JsonObject body, String... headers) throws Exception {
        HttpRequest.Builder request = fixture.request(token, SESSIONS + path).POST(HttpRequest.BodyPublishers.ofByteArray(body.toBuffer().getBytes()));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return fixture.client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
    }

    private JsonObject ok(HttpResponse<byte[]> response) {
        assertTrue(response.statusCode() < 300, () -> response.statusCode() + " " + new String(response.body()));
        return json(response);
    }

    private JsonObject row() throws Exception {
        return ok(fixture.get(ANN, SESSIONS + "/s1"));
    }

    private static JsonObject message(String role, String content) {
        return new JsonObject().put("role", role).put("content", content);
    }

    private static JsonObject messages(JsonObject... all) {
        JsonArray list = new JsonArray();
        for (JsonObject one : all) {
            list.add(one);
        }
        return new JsonObject().put("messages", list);
    }

    private void create() throws Exception {
        ok(post(ANN, "", new JsonObject().put("session_id", "s1")));
        JsonObject call = new JsonObject().put("id", "c").put("name", "rm").put("arguments", "{}");
        ok(post(ANN, "/s1/messages", messages(message("user", "clean up"), message("assistant", "").put("tool_calls", new JsonArray().add(call)))
                .put("usage", new JsonObject().put("prompt_tokens", 90).put("completion_tokens", 10).put("model", "m"))));
    }

    private String ask() throws Exception {
        return ok(post(ANN, "/s1/question", new JsonObject().put("tool_call_id", "c").put("permission_ask", true).put("tool_name", "rm").put("tool_args", new JsonObject().put("path", "a")).put("rule_id", "r")))
                .getString("question_id");
    }

    @Test
    void anOpenQuestionIsAConflictUntilItsAnswerHasItsResult() throws Exception {
        create();
        assertEquals(100, row().getJsonObject("cost_data").getInteger("context_tokens"));
        HttpResponse<byte[]> early = post(ANN, "/s1/end-turn", new JsonObject());
        assertEquals(409, early.statusCode());
        assertEquals("tool-calls-open", code(early));
        assertEquals("c", json(early).getJsonArray("open_tool_calls").getJsonObject(0).getString("id"));
        String question = ask();
        for (HttpResponse<byte[]> refused : List.of(post(ANN, "/s1/messages", messages(message("user", "x"))),
                post(ANN, "/s1/answer", new JsonObject().put("question_id", Ulid.next()).put("values", new JsonArray().add("allow"))))) {
            assertEquals(409, refused.statusCode());
            assertEquals("question-open", code(refused));
            assertEquals(question, json(refused).getJsonObject("pending_question").getString("question_id"));
        }
        // The gateway ends, another one begins.
        fixture.stop();
        fixture.start(Limits.DEFAULT);
        JsonObject allow = new JsonObject().put("question_id", question).put("values", new JsonArray().add("allow"));
        JsonObject allowed = ok(post(ANN, "/s1/answer", allow));
        assertEquals("allowed", allowed.getString("state"));
        assertEquals("s1:" + question, allowed.getString("idempotency_key"));
        assertEquals("rm", allowed.getJsonObject("tool_call").getString("name"));
        assertEquals(0, ok(post(ANN, "/s1/answer", allow)).getInteger("attempts"));
        JsonObject begin = new JsonObject().put("question_id", question).put("attempts", 0);
        assertEquals(1, ok(post(ANN, "/s1/begin", begin)).getInteger("attempts"));
        assertEquals("running", code(post(ANN, "/s1/begin", begin)));
        JsonObject result = new JsonObject().put("question_id", question).put("content", "gone");
        ok(post(ANN, "/s1/result", result));
        long version = row().getLong("version");
        ok(post(ANN, "/s1/result", result));
        assertEquals("completed", ok(post(ANN, "/s1/answer", allow)).getString("state"));
        JsonObject after = row();
        assertEquals(version, after.getLong("version"), "what was done is done");
        assertEquals("gone", after.getJsonArray("messages").getJsonObject(2).getString("content"));
        assertFalse(after.getJsonArray("messages").getJsonObject(2).containsKey("kind"));
        ok(post(ANN, "/s1/messages", messages(message("assistant", "done"))));
        ok(post(ANN, "/s1/end-turn", new JsonObject()));
    }

    @Test
    void aRequestWithAKeyHappensOnceAndAVersionIsHeldTo() throws Exception {
        HttpResponse<byte[]> made = post(ANN, "", new JsonObject().put("session_id", "s1"));
        assertEquals(201, made.statusCode());
        String etag = made.headers().firstValue("ETag").orElseThrow();
        assertEquals("\"1\"", etag);
        assertEquals("exists", code(post(ANN, "", new JsonObject().put("session_id", "s1"))));
        JsonObject body = messages(message("user", "x"));
        HttpResponse<byte[]> first = post(ANN, "/s1/messages", body, "Idempotency-Key", "k1", "If-Match", etag);
        assertEquals("\"2\"", first.headers().firstValue("ETag").orElseThrow());
        HttpResponse<byte[]> again = post(ANN, "/s1/messages", body, "Idempotency-Key", "k1", "If-Match", etag);
        assertEquals("true", again.headers().firstValue("Idempotency-Replayed").orElseThrow());
        assertEquals(ok(first).getJsonArray("message_ids"), ok(again).getJsonArray("message_ids"));
        assertEquals(1, row().getInteger("message_count"));
        assertEquals("idempotency-key", code(post(ANN, "/s1/messages", messages(message("user", "y")), "Idempotency-Key", "k1")));
        HttpResponse<byte[]> stale = post(ANN, "/s1/messages", body, "If-Match", etag);
        assertEquals(412, stale.statusCode());
        assertEquals(2, json(stale).getInteger("version"));
        JsonObject forked = ok(post(ANN, "/s1/fork", new JsonObject(), "Idempotency-Key", "k2"));
        assertEquals(forked.getString("session_id"), ok(post(ANN, "/s1/fork", new JsonObject(), "Idempotency-Key", "k2")).getString("session_id"));
        assertEquals(2, ok(fixture.get(ANN, SESSIONS)).getJsonArray("sessions").size());
        assertEquals(412, post(ANN, "/s1/fork", new JsonObject(), "If-Match", etag).statusCode());
        assertEquals(412, post(ANN, "/s1/compact", new JsonObject(), "If-Match", etag).statusCode());
        assertEquals(0, ok(fixture.get(ANN, SESSIONS + "/s1?since=3")).getJsonArray("messages").size());
    }

    /** Whose a session is comes from the token: no body and no path says otherwise. */
    @Test
    void nobodyReachesAnothersSessions() throws Exception {
        create();
        String question = ask();
        for (String token : new String[] {BOB, EVE}) {
            assertEquals(0, ok(fixture.get(token, SESSIONS)).getJsonArray("sessions").size());
            for (String path : new String[] {"/s1", "/s1/trace", "/s1/export"}) {
                assertEquals("not-found", code(fixture.get(token, SESSIONS + path)));
            }
            assertEquals("not-found", code(post(token, "/s1/answer", new JsonObject().put("question_id", question).put("values", new JsonArray().add("allow")))));
            assertEquals("not-found", code(post(token, "/s1/fork", new JsonObject())));
            assertEquals("malformed", code(post(token, "", new JsonObject().put("org", "acme").put("user", "ann"))));
        }
        assertEquals("permission", code(fixture.get(READER, SESSIONS)));
        assertEquals(question, row().getJsonObject("pending_question").getString("question_id"));
    }

    @Test
    void sessionsAreRevertedCompactedExportedAndRemoved() throws Exception {
        ok(post(ANN, "", new JsonObject().put("session_id", "s1").put("expires_seconds", 60)));
        for (int turn = 0; turn < 6; turn++) {
            ok(post(ANN, "/s1/messages", messages(message("user", "question " + turn), message("assistant", "word ".repeat(100)))));
        }
        JsonArray all = row().getJsonArray("messages");
        ok(post(ANN, "/s1/revert", new JsonObject().put("message_id", all.getJsonObject(9).getString("id"))));
        assertEquals("boundary", code(post(ANN, "/s1/revert", new JsonObject().put("message_id", all.getJsonObject(11).getString("id")))));
        assertEquals("not_needed", ok(post(ANN, "/s1/compact", new JsonObject().put("window", 1000))).getString("reason"));
        assertEquals("completed", ok(post(ANN, "/s1/compact", new JsonObject().put("summary", "they asked").put("tail_turns", 2))).getString("event"));
        JsonArray view = row().getJsonArray("messages");
        assertEquals(5, view.size());
        assertEquals("they asked", view.getJsonObject(0).getJsonObject("marker").getString("summary"));
        String lines = new String(fixture.get(ANN, SESSIONS + "/s1/export").body());
        assertEquals(1 + 5, lines.lines().filter(line -> !line.startsWith("{\"type\":\"trace\"")).count());
        assertTrue(lines.contains("question 5"), "the history has what was reverted");
        assertEquals(0, fixture.sweep(Instant.now(), Optional.empty()));
        assertEquals(1, fixture.sweep(Instant.now().plusSeconds(61), Optional.empty()));
        assertEquals("not-found", code(fixture.get(ANN, SESSIONS + "/s1")));
        create();
        JsonObject removed = ok(fixture.client.send(fixture.request(ANN, SESSIONS + "/s1").DELETE().build(), HttpResponse.BodyHandlers.ofByteArray()));
        assertEquals("s1", removed.getString("deleted"));
        assertEquals(0, database().sessions(new SessionOwner("acme", "ann")).traces().list("s1").size());
    }

    private SessionDatabase database() {
        return fixture.sessions();
    }

    private static final String EXPORT = "/capsule/v1/slots/0/export?session=";

    /** Two capsules of s1 that are kept, one that is not, one in parts, and one of s2 that is kept. */
    private List<byte[]> capsules() throws Exception {
        fixture.complete(ANN, new JsonObject().put("prompt", "x").put("id_slot", 0));
        for (String session : List.of("s1", "s1", "s2")) {
            assertEquals(201, fixture.post(ANN, EXPORT + session + "&keep=true", new byte[0]).statusCode());
        }
        return List.of(fixture.post(ANN, EXPORT + "s1", new byte[0]).body(), fixture.post(ANN, EXPORT + "s1&incremental=true", new byte[0]).body());
    }

    private HttpResponse<byte[]> delete(String id) throws Exception {
        return fixture.client.send(fixture.request(ANN, SESSIONS + "/" + id).DELETE().build(), HttpResponse.BodyHandlers.ofByteArray());
    }

    private void requirePurged(List<byte[]> copies) throws Exception {
        for (byte[] copy : copies) {
            assertEquals("revoked", code(fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1&fork=true", copy)), "a copy that somebody has");
        }
        JsonArray kept = ok(fixture.get(ANN, "/capsule/v1/capsules")).getJsonArray("capsules");
        assertEquals(1, kept.size());
        String other = kept.getJsonObject(0).getString("capsule_id");
        assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s2&capsule=" + other, new byte[0]).statusCode(), "another session's");
        assertEquals(List.of(), database().purges().begun());
    }

    /** Defect: only kept capsules went, and no key. */
    @Test
    void aDeletedSessionTakesItsCapsulesAndTheirKeysAlong() throws Exception {
        create();
        List<byte[]> copies = capsules();
        JsonObject removed = ok(delete("s1"));
        assertEquals(2, removed.getInteger("capsules"));
        assertEquals(4, removed.getInteger("revoked"));
        requirePurged(copies);
        assertEquals("not-found", code(delete("s1")));
        // A session of that name that comes later is another one.
        create();
        byte[] later = fixture.post(ANN, EXPORT + "s1", new byte[0]).body();
        assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1", later).statusCode());
        assertEquals(0, fixture.sweep(Instant.now(), Optional.empty()));
        assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1", later).statusCode());
        assertEquals(1, ok(delete("s1")).getInteger("revoked"));
    }

    @Test
    void aSessionWhoseTimeIsOverTakesThemAlongToo() throws Exception {
        create();
        List<byte[]> copies = capsules();
        assertEquals(0, fixture.sweep(Instant.now(), Optional.of(Duration.ofDays(90))));
        assertEquals(1, fixture.sweep(Instant.now().plus(Duration.ofDays(91)), Optional.of(Duration.ofDays(90))));
        requirePurged(copies);
    }

    /** Capsules without a row: an agent's that keeps its sessions elsewhere. */
    @Test
    void capsulesOfASessionThatHasNoRowAreRevokedAsWell() throws Exception {
        List<byte[]> copies = capsules();
        assertEquals(4, ok(delete("s1")).getInteger("revoked"));
        requirePurged(copies);
    }

    /** Whatever keeps a removal from its end, the next start ends it. */
    @Test
    void aRemovalThatHasBegunIsEndedByTheNextStart() throws Exception {
        create();
        List<byte[]> copies = capsules();
        fixture.stop();
        fixture.revoker = ids -> {
            throw new IOException("killed here, as it were");
        };
        fixture.start(Limits.DEFAULT);
        assertEquals(503, delete("s1").statusCode());
        assertEquals("not-found", code(fixture.get(ANN, SESSIONS + "/s1")), "it is gone for its user");
        assertEquals(1, database().purges().begun().size());
        fixture.stop();
        fixture.revoker = fixture.keys.lifecycle()::revokeCapsules;
        fixture.start(Limits.DEFAULT);
        long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (!database().purges().begun().isEmpty() && System.nanoTime() < end) {
            Thread.sleep(20);
        }
        requirePurged(copies);
    }

    /** The model behind the gateway writes the summary in a slot of the user's, whose contents are there again; where it cannot be had, that is said. */
    @Test
    void theUpstreamWritesSummaries() throws Exception {
        for (String id : List.of("s1", "s2", "s3")) {
            ok(post(ANN, "", new JsonObject().put("session_id", id)));
            ok(post(ANN, "/" + id + "/messages", messages(message("system", "instructions"))));
            for (int turn = 0; turn < 6; turn++) {
                ok(post(ANN, "/" + id + "/messages", messages(message("user", "question " + turn), message("assistant", "word ".repeat(100)))));
            }
        }
        fixture.complete(ANN, new JsonObject().put("prompt", "x").put("id_slot", 0));
        byte[] before = fixture.server.slot(0);
        JsonObject event = ok(post(ANN, "/s1/compact", new JsonObject(), "Idempotency-Key", "once"));
        long version = row().getLong("version");
        assertEquals(event, ok(post(ANN, "/s1/compact", new JsonObject(), "Idempotency-Key", "once")), "it happens once");
        assertEquals("idempotency-key", code(post(ANN, "/s1/compact", new JsonObject().put("tail_turns", 1), "Idempotency-Key", "once")));
        assertEquals(version, row().getLong("version"));
        assertEquals(1, fixture.server.chats.size());
        assertEquals("model", event.getString("summarizer"), event::toString);
        JsonObject asked = fixture.server.chats.getLast();
        assertTrue(asked.encode().contains("question 0") && asked.getInteger("id_slot") == 0, asked::encode);
        assertArrayEquals(before, fixture.server.slot(0), "what the slot held is there again");
        assertEquals(List.of(), fixture.slotFiles());
        JsonObject boundary = event.getJsonObject("capsule_boundary");
        assertTrue(boundary.getInteger("tokens") > 0 && boundary.getInteger("prompt_tokens") < boundary.getInteger("prompt_tokens_before"), event::encode);
        assertEquals(boundary, row().getJsonObject("compaction_state").getJsonObject("capsule_boundary"));
        assertEquals(boundary.getInteger("prompt_tokens"), row().getJsonObject("cost_data").getInteger("context_tokens"), "and how long it is now");
        assertEquals("extractive", ok(post(ANN, "/s2/compact", new JsonObject().put("summarizer", "extractive"))).getString("summarizer"));
        fixture.server.dumb = true;
        JsonObject fallen = ok(post(ANN, "/s3/compact", new JsonObject()));
        assertEquals("extractive", fallen.getString("summarizer"));
        assertTrue(fallen.getJsonArray("notes").getString(0).contains("could not be asked"), fallen::encode);
        assertEquals("usage", code(post(ANN, "/s3/compact", new JsonObject().put("summarizer", "wizard"))));
    }

    @Test
    void whatIsMalformedIsNamed() throws Exception {
        create();
        assertEquals("malformed", code(post(ANN, "/s1/messages", messages(message("wizard", "x")))));
        assertEquals("malformed", code(post(ANN, "/s1/messages", messages(message("tool", "x")))));
        assertEquals("malformed", code(post(ANN, "/s1/messages", messages(message("tool", "x").put("tool_call_id", "c").put("kind", "sentinel")))));
        assertEquals("malformed", code(post(ANN, "/s1/messages", new JsonObject().put("mesages", new JsonArray()))));
        assertEquals("not-open", code(post(ANN, "/s1/question", new JsonObject().put("tool_call_id", "d").put("prompt", "?").put("allow_custom", true))));
        assertEquals("malformed", code(post(ANN, "/s1/question", new JsonObject().put("tool_call_id", "c").put("prompt", "?"))));
        assertEquals("malformed", code(post(ANN, "", new JsonObject().put("session_id", "../s1"))));
        assertEquals("usage", code(post(ANN, "/s1/end-turn", new JsonObject(), "If-Match", "1")));
        assertEquals("no-route", code(post(ANN, "/s1/dance", new JsonObject())));
        assertEquals("malformed", code(fixture.post(ANN, SESSIONS + "/s1/messages", "[".getBytes())));
    }
}
