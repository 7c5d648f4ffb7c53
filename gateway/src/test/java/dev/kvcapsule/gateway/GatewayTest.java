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
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.seal.ModelIdentity;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Endpoints, tokens and scopes, against a server that answers as a recorded one. */
@Timeout(60)
class GatewayTest {
    private static final JsonObject PROMPT = new JsonObject().put("prompt", "hello").put("n_predict", 3);

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

    private byte[] export(String token, int slot, String query) throws Exception {
        HttpResponse<byte[]> response = fixture.post(token, "/capsule/v1/slots/" + slot + "/export" + query, new byte[0]);
        assertEquals(200, response.statusCode(), () -> new String(response.body()));
        return response.body();
    }

    @Test
    void aSlotComesBackToTheByteAndWhatTheServerReusesIsReported() throws Exception {
        assertEquals(200, fixture.complete(ANN, PROMPT.copy().put("id_slot", 0)).statusCode());
        byte[] capsule = export(ANN, 0, "?session=s1");
        assertEquals(List.of(), fixture.slotFiles());
        HttpResponse<byte[]> restored = fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1", capsule);
        assertEquals(200, restored.statusCode(), () -> new String(restored.body()));
        JsonObject verdict = json(restored);
        assertEquals("restored", verdict.getString("verdict"));
        assertEquals(1, verdict.getInteger("slot"));
        assertEquals(1, verdict.getInteger("tokens_evaluated"));
        assertEquals(verdict.getInteger("tokens"), verdict.getInteger("tokens_reused"));
        assertArrayEquals(GatewayFixture.sample("llama-f16.ggsq"), fixture.server.slot(1));
        assertEquals(2, fixture.server.restores.get(), "what measuring changed is put back");
        assertEquals(List.of(), fixture.slotFiles());
    }

    @Test
    void aServerThatEvaluatesEverythingAnewIsFoundOut() throws Exception {
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        byte[] capsule = export(ANN, 0, "");
        fixture.server.forgetful = true;
        JsonObject verdict = json(fixture.post(ANN, "/capsule/v1/slots/any/restore", capsule));
        assertEquals("prefill", verdict.getString("verdict"));
        assertEquals("not-reused", verdict.getString("code"));
        assertEquals(0, verdict.getInteger("tokens_reused"));
    }

    @Test
    void withoutAValidTokenNothingButHealthIsAnswered() throws Exception {
        for (String path : List.of("/v1/models", "/completion", "/capsule/v1/capsules", "/capsule/v1/metrics", "/slots", "/nothing")) {
            HttpResponse<byte[]> response = fixture.get("not-a-token-0123456789", path);
            assertEquals(401, response.statusCode(), path);
            assertEquals("token", code(response));
        }
        HttpRequest bare = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + fixture.port() + "/v1/models")).build();
        assertEquals(401, fixture.client.send(bare, HttpResponse.BodyHandlers.discarding()).statusCode());
        for (String path : List.of("/capsule/v1/health/live", "/capsule/v1/health/ready", "/capsule/v1/openapi.json")) {
            HttpRequest open = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + fixture.port() + path)).build();
            assertEquals(200, fixture.client.send(open, HttpResponse.BodyHandlers.discarding()).statusCode(), path);
        }
    }

    @Test
    void aTokenAllowsWhatItsPermissionsSay() throws Exception {
        assertEquals(200, fixture.get(READER, "/capsule/v1/metrics").statusCode());
        assertEquals("permission", code(fixture.get(BOB, "/capsule/v1/metrics")));
        assertEquals("permission", code(fixture.complete(READER, PROMPT)));
        assertEquals("permission", code(fixture.post(READER, "/capsule/v1/slots/0/export", new byte[0])));
        assertEquals("permission", code(fixture.post(READER, "/capsule/v1/slots/0/restore", new byte[0])));
        assertEquals("permission", code(fixture.get(READER, "/capsule/v1/capsules")));
        assertTrue(fixture.server.completions.isEmpty());
    }

    @Test
    void whatBelongsToAllUsersIsNotReached() throws Exception {
        for (String path : List.of("/slots", "/props", "/metrics", "/lora-adapters", "/v1/../slots", "/%73lots")) {
            assertEquals(404, fixture.get(ANN, path).statusCode(), path);
        }
        for (String path : List.of("/slots/0?action=save", "/slots/0?action=restore", "/props", "/v1/messages", "/embedding", "//slots/0?action=erase")) {
            HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + fixture.port() + path)).header("Authorization", "Bearer " + ANN)
                    .POST(HttpRequest.BodyPublishers.ofString("{\"filename\":\"x\"}")).build();
            assertEquals(404, fixture.client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode(), path);
        }
        assertTrue(fixture.server.erased.isEmpty());
        assertEquals(List.of(), fixture.slotFiles());
    }

    @Test
    void theTokenStaysAtTheGatewayAndIsInNoLog() throws Exception {
        fixture.complete(ANN, PROMPT);
        assertNull(fixture.server.lastAuthorization);
        fixture.complete("stolen-token-0123456789", PROMPT);
        fixture.post(ANN, "/capsule/v1/slots/0/export?session=secret-session", new byte[0]);
        fixture.get(ANN, "/capsule/v1/capsules?session=" + BOB);
        String log = fixture.log.toString();
        assertTrue(log.contains("\"user\":\"ann\""), log);
        for (String secret : List.of(ANN, BOB, "stolen", "hello", "secret-session")) {
            assertFalse(log.contains(secret), secret);
        }
        try (Stream<Path> keys = Files.list(folder.resolve("keys/private"))) {
            for (Path key : keys.toList()) {
                assertFalse(log.contains(Files.readString(key).replaceAll("(?s).*\"[kd]\": \"([^\"]+)\".*", "$1")));
            }
        }
        log.lines().forEach(JsonObject::new);
    }

    @Test
    void anothersSlotIsNotExportedAndIsErasedBeforeItIsTaken() throws Exception {
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        for (String token : List.of(BOB, EVE)) {
            HttpResponse<byte[]> response = fixture.post(token, "/capsule/v1/slots/0/export", new byte[0]);
            assertEquals(404, response.statusCode());
            assertEquals("not-found", code(response));
        }
        assertEquals(404, fixture.post(ANN, "/capsule/v1/slots/1/export", new byte[0]).statusCode(), "nobody's");
        assertEquals("no-slot", code(fixture.complete(BOB, PROMPT.copy().put("id_slot", 2))), "llama-server would take it for slot 0");
        fixture.server.erased.clear();
        assertEquals(200, fixture.complete(BOB, PROMPT.copy().put("id_slot", 0)).statusCode());
        assertEquals(List.of(0), fixture.server.erased);
        assertEquals(404, fixture.post(ANN, "/capsule/v1/slots/0/export", new byte[0]).statusCode());
    }

    @Test
    void aRequestWithoutASlotGetsOnesOwn() throws Exception {
        fixture.complete(ANN, PROMPT);
        fixture.complete(BOB, PROMPT);
        fixture.complete(ANN, PROMPT);
        fixture.complete(BOB, PROMPT);
        List<Integer> used = fixture.server.completions.stream().map(body -> body.getInteger("id_slot")).toList();
        assertEquals(List.of(0, 1, 0, 1), used);
    }

    @Test
    void ownersOutliveTheGateway() throws Exception {
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        fixture.stop();
        Files.write(fixture.slotDir.resolve("kvcapsule-0123.slot"), new byte[10]);
        fixture.start(Limits.DEFAULT);
        assertEquals(List.of(), fixture.slotFiles(), "what a killed gateway left behind is removed");
        assertEquals(404, fixture.post(BOB, "/capsule/v1/slots/0/export", new byte[0]).statusCode());
        export(ANN, 0, "");
        Files.writeString(fixture.slotDir.resolve(".kvcapsule-owners"), "[{\"org\":1}]");
        fixture.stop();
        fixture.start(Limits.DEFAULT);
        assertEquals(404, fixture.post(ANN, "/capsule/v1/slots/0/export", new byte[0]).statusCode(), "a damaged file gives nobody anything");
    }

    /** Bob takes Ann's slot 0 and Eve her slot 1; the first cannot be erased, or not yet, and the gateway ends. */
    private void takeovers(boolean refused) throws Exception {
        for (int slot = 0; slot < 2; slot++) {
            assertEquals(200, fixture.complete(ANN, PROMPT.copy().put("id_slot", slot)).statusCode());
        }
        if (refused) {
            fixture.server.refused = "erase 0";
        } else {
            fixture.server.unanswered = "erase 0";
        }
        byte[] body = PROMPT.copy().put("id_slot", 0).toBuffer().getBytes();
        CompletableFuture<HttpResponse<byte[]>> bobs = fixture.client.sendAsync(fixture.request(BOB, "/completion").POST(HttpRequest.BodyPublishers.ofByteArray(body)).build(),
                HttpResponse.BodyHandlers.ofByteArray());
        if (refused) {
            assertEquals(502, bobs.join().statusCode());
        }
        while (!refused && !fixture.server.asked.contains("erase 0")) {
            Thread.sleep(5);
        }
        assertEquals(200, fixture.complete(EVE, PROMPT.copy().put("id_slot", 1)).statusCode());
        Principal.Owner eve = new Principal.Owner("evil", "ann");
        List<Optional<Principal.Owner>> written = new SlotOwners(fixture.slotDir.resolve(".kvcapsule-owners")).read(2);
        assertEquals(List.of(Optional.empty(), Optional.of(eve)), written, "what a gateway that is killed now leaves");
        fixture.stop();
        fixture.server.refused = "";
        fixture.server.unanswered = "";
        assertTrue(fixture.server.slot(0).length > 0, "Ann's tokens are still there");
        fixture.start(Limits.DEFAULT);
        assertEquals(404, fixture.post(BOB, "/capsule/v1/slots/0/export", new byte[0]).statusCode());
        assertEquals(404, fixture.post(ANN, "/capsule/v1/slots/0/export", new byte[0]).statusCode());
        export(EVE, 1, "");
    }

    @Test
    void aSlotThatIsBeingErasedIsNobodysAfterARestart() throws Exception {
        takeovers(false);
    }

    @Test
    void aSlotThatCouldNotBeErasedIsNobodysAfterARestart() throws Exception {
        takeovers(true);
    }

    @Test
    void aStopLeavesNoStateInTheSlotFolder() throws Exception {
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        fixture.server.unanswered = "save 0";
        fixture.client.sendAsync(fixture.request(ANN, "/capsule/v1/slots/0/export").POST(HttpRequest.BodyPublishers.noBody()).build(), HttpResponse.BodyHandlers.discarding());
        while (fixture.slotFiles().isEmpty()) {
            Thread.sleep(5);
        }
        fixture.stop();
        assertEquals(List.of(), fixture.slotFiles());
        fixture.stop();
        fixture.start(Limits.DEFAULT);
    }

    @Test
    void aSlotFolderIsSweptAndGivenBackOnce() throws IOException {
        Path mine = Files.createDirectory(folder.resolve("mine"));
        SlotFolder first = SlotFolder.open(mine);
        first.create(first.newName()).close();
        first.close();
        assertEquals(0, leftIn(mine));
        try (SlotFolder second = SlotFolder.open(mine)) {
            second.create(second.newName()).close();
            first.close();
            assertEquals(1, leftIn(mine), "it is not the first one's any more");
            assertThrows(IOException.class, () -> SlotFolder.open(mine));
        }
        SlotFolder.open(mine).close();
    }

    private static long leftIn(Path slots) throws IOException {
        try (Stream<Path> files = Files.list(slots)) {
            return files.filter(file -> file.toString().endsWith(".slot")).count();
        }
    }

    @Test
    void halfOfAPromptThatIsEvaluatedAgainIsNoRestoredOne() throws Exception {
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        byte[] capsule = export(ANN, 0, "");
        fixture.server.forgotten = 1;
        JsonObject verdict = json(fixture.post(ANN, "/capsule/v1/slots/1/restore", capsule));
        assertEquals("prefill", verdict.getString("verdict"));
        assertEquals("not-reused", verdict.getString("code"));
        assertEquals(2, verdict.getInteger("tokens_evaluated"));
        assertEquals(1, fixture.server.restores.get(), "the evaluated prompt stays");
        assertTrue(new LlamaServer.Evaluation(1, 999, 1).isReuse());
        assertFalse(new LlamaServer.Evaluation(2, 998, 1).isReuse());
        assertFalse(new LlamaServer.Evaluation(1000, 0, 1).isReuse());
    }

    @Test
    void aCapsuleOfAModelIsRefusedWhereNoneIsKnownAndTheMetricsSayWhy() throws Exception {
        fixture.stop();
        fixture.start(Limits.DEFAULT, Optional.of(new ModelIdentity("smollm2", Optional.of("0".repeat(64)), Optional.empty())));
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        byte[] capsule = export(ANN, 0, "");
        fixture.stop();
        fixture.start(Limits.DEFAULT);
        assertEquals("wrong-model", code(fixture.post(ANN, "/capsule/v1/slots/0/restore", capsule)));
        String metrics = new String(fixture.get(ANN, "/capsule/v1/metrics").body());
        assertTrue(metrics.contains("kvcapsule_refusals_total{code=\"wrong-model\"} 1.0"), metrics);
    }

    @Test
    void aSlotFolderBelongsToOneGateway() {
        IOException refused = assertThrows(IOException.class, () -> fixture.start(Limits.DEFAULT));
        assertTrue(refused.getMessage().contains("another gateway"), refused.getMessage());
    }

    @Test
    void capsulesAreTheirOwnersOnly() throws Exception {
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        byte[] capsule = export(ANN, 0, "?session=s1");
        for (String token : List.of(BOB, EVE)) {
            HttpResponse<byte[]> response = fixture.post(token, "/capsule/v1/slots/1/restore?session=s1", capsule);
            assertEquals(404, response.statusCode());
            assertEquals("no such capsule for this caller", json(response).getJsonObject("error").getString("message"));
        }
        assertEquals(404, fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s2", capsule).statusCode(), "another session");
        assertEquals(404, fixture.post(ANN, "/capsule/v1/slots/1/restore", capsule).statusCode(), "no session");
        assertEquals(0, fixture.server.restores.get());
        assertEquals(0, fixture.server.slot(1).length);
    }

    @Test
    void keptCapsulesAreListedInspectedFetchedRestoredAndDeleted() throws Exception {
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        HttpResponse<byte[]> made = fixture.post(ANN, "/capsule/v1/slots/0/export?session=s1&keep=true", new byte[0]);
        assertEquals(201, made.statusCode());
        String id = json(made).getString("capsule_id");
        JsonArray list = json(fixture.get(ANN, "/capsule/v1/capsules")).getJsonArray("capsules");
        assertEquals(1, list.size());
        assertEquals(id, list.getJsonObject(0).getString("capsule_id"));
        assertEquals(list.getJsonObject(0), json(fixture.get(ANN, "/capsule/v1/capsules/" + id)));
        byte[] content = fixture.get(ANN, "/capsule/v1/capsules/" + id + "/content").body();
        assertEquals(json(made).getLong("capsule_bytes"), content.length);
        assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1&capsule=" + id, new byte[0]).statusCode());
        for (String token : List.of(BOB, EVE)) {
            assertEquals(0, json(fixture.get(token, "/capsule/v1/capsules")).getJsonArray("capsules").size());
            for (String path : List.of("/capsule/v1/capsules/" + id, "/capsule/v1/capsules/" + id + "/content", "/capsule/v1/capsules/..%2f..%2fkeys")) {
                assertEquals(404, fixture.get(token, path).statusCode());
            }
            assertEquals(404, fixture.post(token, "/capsule/v1/slots/1/restore?session=s1&capsule=" + id, new byte[0]).statusCode());
        }
        try (Stream<Path> folders = Files.list(folder.resolve("store"))) {
            Files.writeString(folders.filter(Files::isDirectory).findFirst().orElseThrow().resolve("0".repeat(32) + ".kvc"), "no capsule");
        }
        assertEquals(list, json(fixture.get(ANN, "/capsule/v1/capsules")).getJsonArray("capsules"), "a damaged one hides none of the others");
        HttpRequest delete = fixture.request(ANN, "/capsule/v1/capsules/" + id).DELETE().build();
        assertEquals(200, fixture.client.send(delete, HttpResponse.BodyHandlers.discarding()).statusCode());
        assertEquals(404, fixture.get(ANN, "/capsule/v1/capsules/" + id).statusCode());
    }

    @Test
    void anExpiredCapsuleIsRefusedAndAReplayedOneOnlyForked() throws Exception {
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        byte[] brief = export(ANN, 0, "?expires_seconds=1");
        byte[] first = export(ANN, 0, "?session=s1");
        byte[] second = export(ANN, 0, "?session=s1");
        assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/0/restore?session=s1", second).statusCode());
        assertEquals("replayed", code(fixture.post(ANN, "/capsule/v1/slots/0/restore?session=s1", first)));
        assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/0/restore?session=s1&fork=true", first).statusCode());
        Thread.sleep(2000);
        HttpResponse<byte[]> expired = fixture.post(ANN, "/capsule/v1/slots/0/restore", brief);
        assertEquals(422, expired.statusCode());
        assertEquals("expired", code(expired));
    }

    @Test
    void anEmptySlotGivesNoCapsule() throws Exception {
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        // As if the server had been started anew: its slots are empty, and their owners are still written down.
        HttpRequest erase = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + fixture.server.port() + "/slots/0?action=erase"))
                .POST(HttpRequest.BodyPublishers.ofString("{}")).build();
        fixture.client.send(erase, HttpResponse.BodyHandlers.discarding());
        assertEquals("empty-slot", code(fixture.post(ANN, "/capsule/v1/slots/0/export", new byte[0])));
        assertEquals(List.of(), fixture.slotFiles());
    }

    @Test
    void aConnectionServesOneRequestAfterAnother() throws Exception {
        try (Socket socket = new Socket("127.0.0.1", fixture.port())) {
            for (String request : List.of("GET /capsule/v1/health/live", "GET /capsule/v1/capsules", "DELETE /capsule/v1/capsules/1", "POST /capsule/v1/slots/0/export", "GET /nothing")) {
                for (String body : List.of("", "12345")) {
                    socket.getOutputStream().write((request + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + ANN + "\r\nContent-Length: " + body.length() + "\r\n\r\n" + body)
                            .getBytes(StandardCharsets.US_ASCII));
                    String head = "";
                    while (!head.endsWith("\r\n\r\n")) {
                        int next = socket.getInputStream().read();
                        assertTrue(next >= 0, "closed after: " + head);
                        head += (char) next;
                    }
                    int length = Integer.parseInt(head.replaceAll("(?is).*content-length: (\\d+).*", "$1"));
                    socket.getInputStream().readNBytes(length);
                }
                Thread.sleep(1200);
            }
        }
    }

    @Test
    void theOpenApiDocumentNamesWhatIsServed() throws Exception {
        JsonObject document = json(fixture.get(ANN, "/capsule/v1/openapi.json"));
        assertEquals("3.1.0", document.getString("openapi"));
        JsonObject paths = document.getJsonObject("paths");
        assertEquals(24, paths.size());
        for (String path : paths.fieldNames()) {
            for (String method : paths.getJsonObject(path).fieldNames()) {
                String target = path.replace("{slot}", "0").replace("{id}", "0".repeat(32));
                HttpRequest request = fixture.request(ANN, target).method(method.toUpperCase(Locale.ROOT), HttpRequest.BodyPublishers.noBody()).build();
                HttpResponse<byte[]> response = fixture.client.send(request, HttpResponse.BodyHandlers.ofByteArray());
                JsonObject responses = paths.getJsonObject(path).getJsonObject(method).getJsonObject("responses");
                assertTrue(responses.containsKey(Integer.toString(response.statusCode())), path + " answers " + response.statusCode());
                if (response.statusCode() >= 400) {
                    assertNotEquals("no-route", code(response), path);
                }
            }
        }
        references(document, document);
    }

    /** Every reference leads somewhere. */
    private static void references(JsonObject document, Object part) {
        switch (part) {
            case JsonObject object -> {
                if (object.getString("$ref") instanceof String target) {
                    assertTrue(document.getJsonObject("components").getJsonObject("schemas").containsKey(target.substring("#/components/schemas/".length())), target);
                }
                object.forEach(field -> references(document, field.getValue()));
            }
            case JsonArray array -> array.forEach(element -> references(document, element));
            default -> { }
        }
    }

    @Test
    void answersHaveTheFieldsOfTheOpenApiDocument() throws Exception {
        JsonObject schemas = json(fixture.get(ANN, "/capsule/v1/openapi.json")).getJsonObject("components").getJsonObject("schemas");
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        JsonObject kept = json(fixture.post(ANN, "/capsule/v1/slots/0/export?session=s1&keep=true", new byte[0]));
        JsonObject restored = json(fixture.post(ANN, "/capsule/v1/slots/0/restore?session=s1&capsule=" + kept.getString("capsule_id"), new byte[0]));
        conforms(schemas.getJsonObject("Capsule"), kept);
        conforms(schemas.getJsonObject("Restored"), restored);
        conforms(schemas.getJsonObject("Error"), json(fixture.get(ANN, "/nothing")));
    }

    private static void conforms(JsonObject schema, JsonObject answer) {
        schema.getJsonArray("required").forEach(name -> assertTrue(answer.containsKey((String) name), name + " is missing in " + answer));
        answer.fieldNames().forEach(name -> assertTrue(schema.getJsonObject("properties").containsKey(name), name + " is not documented"));
    }

    @Test
    void metricsCountRealBytesTokensAndTrueReasons() throws Exception {
        fixture.complete(ANN, PROMPT.copy().put("id_slot", 0));
        byte[] capsule = export(ANN, 0, "?session=s1");
        JsonObject restored = json(fixture.post(ANN, "/capsule/v1/slots/0/restore?session=s1", capsule));
        fixture.post(BOB, "/capsule/v1/slots/0/restore?session=s1", capsule);
        String metrics = new String(fixture.get(ANN, "/capsule/v1/metrics").body());
        assertTrue(metrics.contains("kvcapsule_capsule_bytes_total{operation=\"export\"} " + (double) capsule.length), metrics);
        assertTrue(metrics.contains("kvcapsule_state_bytes_total{operation=\"restore\"} " + (double) GatewayFixture.sample("llama-f16.ggsq").length), metrics);
        assertTrue(metrics.contains("kvcapsule_prompt_tokens_reused_total{operation=\"restore\"} " + restored.getDouble("tokens_reused")), metrics);
        assertTrue(metrics.contains("kvcapsule_prompt_tokens_evaluated_total{operation=\"infer\"} 100.0"), metrics);
        assertTrue(metrics.contains("kvcapsule_refusals_total{code=\"wrong-user\"} 1.0"), metrics);
        assertFalse(metrics.contains("ann"), "whose requests they are stays out of metrics");
    }
}
