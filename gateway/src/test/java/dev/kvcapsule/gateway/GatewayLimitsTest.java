package dev.kvcapsule.gateway;

import static dev.kvcapsule.gateway.GatewayFixture.ANN;
import static dev.kvcapsule.gateway.GatewayFixture.BOB;
import static dev.kvcapsule.gateway.GatewayFixture.code;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.vertx.core.json.JsonObject;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Clients that send too much, too little, too slowly, or go away: each of them is told or cut off, and others notice nothing. */
@Timeout(60)
class GatewayLimitsTest {
    private static final JsonObject PROMPT = new JsonObject().put("prompt", "hello").put("n_predict", 3).put("id_slot", 0);
    private static final Limits BRIEF = new Limits(1 << 16, 1 << 20, 1 << 20, 64, 8, 2, 1000, Duration.ofSeconds(5), Duration.ofMillis(700), Duration.ofSeconds(20));

    @TempDir
    private Path folder;
    private GatewayFixture fixture;

    private void start(String sample, Limits limits) throws IOException {
        fixture = new GatewayFixture(folder, sample, limits);
    }

    @AfterEach
    void stop() throws IOException {
        fixture.close();
    }

    private byte[] capsule() throws Exception {
        assertEquals(200, fixture.complete(ANN, PROMPT).statusCode());
        return fixture.post(ANN, "/capsule/v1/slots/0/export", new byte[0]).body();
    }

    private static void eventually(BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < end, "did not come to be in 20 seconds");
            Thread.sleep(20);
        }
    }

    private void nothingIsLeft() throws Exception {
        eventually(() -> {
            try {
                return fixture.slotFiles().isEmpty();
            } catch (IOException e) {
                return false;
            }
        });
        assertEquals(200, fixture.complete(BOB, new JsonObject().put("prompt", "x").put("id_slot", 1)).statusCode());
    }

    /** A connection of its own, whose client does as it likes. */
    private Socket open(String request) throws IOException {
        Socket socket = new Socket("127.0.0.1", fixture.port());
        socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
        socket.getOutputStream().flush();
        return socket;
    }

    private static String head(String method, String path, String token, String more) {
        return method + " " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n" + more + "\r\n";
    }

    @Test
    void whatIsTooLargeIsNotTaken() throws Exception {
        start("llama-f16.ggsq", BRIEF);
        byte[] large = new byte[(1 << 20) + 1];
        HttpResponse<byte[]> said = fixture.post(ANN, "/capsule/v1/slots/0/restore", large);
        assertEquals(413, said.statusCode());
        assertEquals("too-large", code(said));
        assertEquals(413, fixture.post(ANN, "/completion", new byte[(1 << 16) + 1]).statusCode());
        // Without a length it shows only on the way; a capsule's beginning is needed to get that far.
        byte[] capsule = capsule();
        byte[] padded = Arrays.copyOf(capsule, (1 << 20) + (1 << 19));
        HttpRequest chunked = fixture.request(ANN, "/capsule/v1/slots/0/restore").POST(HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(padded))).build();
        try {
            assertTrue(List.of(413, 422).contains(fixture.client.send(chunked, HttpResponse.BodyHandlers.ofByteArray()).statusCode()));
        } catch (IOException e) {
            // The connection was cut while it still sent.
        }
        assertEquals(0, fixture.server.restores.get());
        nothingIsLeft();
    }

    @Test
    void damagedCapsulesNeverReachTheServer() throws Exception {
        start("llama-f16.ggsq", Limits.DEFAULT);
        byte[] capsule = capsule();
        Random random = new Random(7);
        for (int round = 0; round < 60; round++) {
            byte[] damaged = capsule.clone();
            switch (round % 3) {
                case 0 -> damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
                case 1 -> damaged = Arrays.copyOf(damaged, random.nextInt(damaged.length));
                default -> {
                    damaged = new byte[random.nextInt(5000)];
                    random.nextBytes(damaged);
                }
            }
            HttpResponse<byte[]> response = fixture.post(ANN, "/capsule/v1/slots/0/restore", damaged);
            assertTrue(List.of(404, 422).contains(response.statusCode()), () -> new String(response.body(), StandardCharsets.UTF_8));
            assertFalse(code(response).isEmpty());
        }
        assertEquals(0, fixture.server.restores.get());
        nothingIsLeft();
    }

    @Test
    void malformedRequestsAreRefusedHere() throws Exception {
        start("llama-f16.ggsq", Limits.DEFAULT);
        for (String body : List.of("", "[]", "{", "nonsense", "{\"id_slot\":0,\"id_slot\":1}", "{\"id_slot\":\"0\"}", "{\"id_slot\":0.0}", "{\"n\":2}", "{\"n_cmpl\":3}", "{} {}")) {
            assertEquals(400, fixture.post(ANN, "/completion", body.getBytes(StandardCharsets.UTF_8)).statusCode(), body);
        }
        for (String path : List.of("slots/x/export", "slots/-1/restore", "slots/any/export", "slots/0/export?keep=maybe", "slots/0/export?expires_seconds=0")) {
            assertEquals(400, fixture.post(ANN, "/capsule/v1/" + path, new byte[0]).statusCode(), path);
        }
        assertEquals(404, fixture.post(ANN, "/capsule/v1/slots/9/export", new byte[0]).statusCode());
        assertTrue(fixture.server.completions.isEmpty());
    }

    @Test
    void oneUserCannotAskWithoutEnd() throws Exception {
        start("llama-f16.ggsq", new Limits(1 << 16, 1 << 20, 1 << 20, 64, 8, 2, 1, Duration.ofSeconds(5), Duration.ofSeconds(5), Duration.ofSeconds(20)));
        int refused = 0;
        for (int i = 0; i < 6; i++) {
            HttpResponse<byte[]> response = fixture.get(ANN, "/capsule/v1/capsules");
            if (response.statusCode() == 429) {
                refused++;
                assertEquals("1", response.headers().firstValue("Retry-After").orElseThrow());
            }
        }
        assertTrue(refused >= 3, refused + " refused");
        assertEquals(200, fixture.get(BOB, "/capsule/v1/capsules").statusCode(), "another user is not concerned");
    }

    @Test
    void requestsAboveTheLimitAreToldToComeBack() throws Exception {
        start("llama-f16.ggsq", new Limits(1 << 16, 1 << 20, 1 << 20, 64, 1, 2, 1000, Duration.ofSeconds(5), Duration.ofSeconds(5), Duration.ofSeconds(20)));
        String body = PROMPT.copy().put("silent", true).encode();
        try (Socket silent = open(head("POST", "/completion", ANN, "Content-Length: " + body.length() + "\r\n") + body)) {
            eventually(() -> !fixture.server.completions.isEmpty());
            assertEquals("busy", code(fixture.get(BOB, "/capsule/v1/capsules")));
            assertTrue(silent.isConnected());
        }
        eventually(() -> status(BOB) == 200);
    }

    private int status(String token) {
        try {
            return fixture.get(token, "/capsule/v1/capsules").statusCode();
        } catch (Exception e) {
            return -1;
        }
    }

    @Test
    void aClientThatGoesAwayEndsTheEvaluationEvenBeforeTheFirstWord() throws Exception {
        start("llama-f16.ggsq", Limits.DEFAULT);
        String body = PROMPT.copy().put("silent", true).encode();
        try (Socket silent = open(head("POST", "/completion", ANN, "Content-Length: " + body.length() + "\r\n") + body)) {
            eventually(() -> !fixture.server.completions.isEmpty());
            assertTrue(silent.isConnected());
        }
        eventually(() -> fixture.server.cancelled.get() == 1);
        eventually(() -> fixture.log.toString().contains("\"end\":\"closed\""));
        assertEquals(200, fixture.complete(BOB, PROMPT).statusCode(), "its slot is free again");
    }

    @Test
    void aSlowReaderHoldsTheServerBackAndNobodyElse() throws Exception {
        start("llama-f16.ggsq", Limits.DEFAULT);
        String body = PROMPT.copy().put("stream", true).put("n_predict", 4000).put("piece", 64 << 10).encode();
        try (Socket slow = open(head("POST", "/completion", ANN, "Content-Length: " + body.length() + "\r\n") + body)) {
            int before = -1;
            while (fixture.server.pieces.get() != before) {
                before = fixture.server.pieces.get();
                assertEquals(200, fixture.complete(BOB, new JsonObject().put("prompt", "x").put("id_slot", 1)).statusCode());
                Thread.sleep(1000);
            }
            // What the sockets of both sides hold is all that was taken; 4,000 pieces would be 250 MiB.
            assertTrue(before > 0 && before < 1000, before + " pieces");
            byte[] buffer = new byte[1 << 20];
            long read = 0;
            while (read < 100L << 20) {
                read += slow.getInputStream().read(buffer);
            }
        }
        eventually(() -> fixture.server.cancelled.get() == 1);
    }

    @Test
    void anUploadThatStallsOrBreaksOffLeavesNothing() throws Exception {
        start("llama-f16.ggsq", BRIEF);
        byte[] capsule = capsule();
        String head = head("POST", "/capsule/v1/slots/1/restore", ANN, "Content-Length: " + capsule.length + "\r\n");
        try (Socket stalled = open(head)) {
            stalled.getOutputStream().write(capsule, 0, capsule.length / 2);
            stalled.getOutputStream().flush();
            String answer = new String(stalled.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertTrue(answer.startsWith("HTTP/1.1 408"), answer);
        }
        try (Socket broken = open(head)) {
            broken.getOutputStream().write(capsule, 0, capsule.length - 1);
        }
        nothingIsLeft();
        assertEquals(0, fixture.server.restores.get());
        assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/0/restore", capsule).statusCode());
    }

    @Test
    void anExportThatNobodyReadsIsCutAndGivesItsPlaceBack() throws Exception {
        start("", new Limits(1 << 16, 64 << 20, 1 << 20, 64, 1, 1, 1000, Duration.ofSeconds(30), Duration.ofMillis(700), Duration.ofSeconds(20)));
        assertEquals(200, fixture.complete(ANN, PROMPT).statusCode());
        byte[] whole;
        try (Socket unread = open(head("POST", "/capsule/v1/slots/0/export", ANN, "Content-Length: 0\r\n"))) {
            eventually(() -> fixture.log.toString().contains("\"end\":\"cut\""));
            whole = fixture.post(ANN, "/capsule/v1/slots/0/export", new byte[0]).body();
            byte[] part = unread.getInputStream().readAllBytes();
            assertTrue(part.length < whole.length, part.length + " of " + whole.length);
            assertFalse(new String(part, part.length - 5, 5, StandardCharsets.ISO_8859_1).equals("0\r\n\r\n"), "it must not look whole");
        }
        assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/1/restore", whole).statusCode());
        nothingIsLeft();
    }

    /** Sends a byte now and then, never late enough to stall, until it is cut off. @return what it was told */
    private String drip(Socket socket) throws Exception {
        long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        try {
            while (socket.getInputStream().available() == 0) {
                assertTrue(System.nanoTime() < end, "was let on for 20 seconds");
                socket.getOutputStream().write(' ');
                Thread.sleep(200);
            }
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            return "";
        }
    }

    @Test
    void aByteNowAndThenDoesNotHoldAPlaceForEver() throws Exception {
        start("llama-f16.ggsq", new Limits(1 << 16, 1 << 20, 1 << 20, 64, 8, 2, 1000, Duration.ofSeconds(5), Duration.ofMillis(700), Duration.ofSeconds(3)));
        for (String path : List.of("/completion", "/capsule/v1/slots/1/restore")) {
            try (Socket dripping = open(head("POST", path, ANN, "Content-Length: 10000\r\n"))) {
                String told = drip(dripping);
                assertTrue(told.isEmpty() || told.startsWith("HTTP/1.1 408") || told.startsWith("HTTP/1.1 422"), told);
            }
        }
        assertTrue(fixture.log.toString().contains("\"timeout\""), fixture.log::toString);
        nothingIsLeft();
    }

    @Test
    void anAnswerThatTakesTooLongIsCutAndEndsTheEvaluation() throws Exception {
        start("llama-f16.ggsq", new Limits(1 << 16, 1 << 20, 1 << 20, 64, 8, 2, 1000, Duration.ofSeconds(5), Duration.ofMillis(700), Duration.ofSeconds(2)));
        String endless = PROMPT.copy().put("stream", true).put("n_predict", 1_000_000).encode();
        try (Socket reader = open(head("POST", "/completion", ANN, "Content-Length: " + endless.length() + "\r\n") + endless)) {
            byte[] part = reader.getInputStream().readAllBytes();
            assertTrue(part.length > 0);
            assertFalse(new String(part, part.length - 5, 5, StandardCharsets.ISO_8859_1).equals("0\r\n\r\n"), "it must not look whole");
        }
        eventually(() -> fixture.server.cancelled.get() == 1);
        String silent = PROMPT.copy().put("silent", true).encode();
        HttpResponse<byte[]> told = fixture.post(ANN, "/completion", silent.getBytes(StandardCharsets.UTF_8));
        assertEquals(408, told.statusCode());
        assertEquals("timeout", code(told));
        eventually(() -> fixture.server.cancelled.get() == 2);
        assertEquals(200, fixture.complete(BOB, PROMPT).statusCode(), "its slot is free again");
    }

    @Test
    void aFullGatewayIsAliveAndOneUserLeavesPlacesToOthers() throws Exception {
        start("llama-f16.ggsq", new Limits(1 << 16, 1 << 20, 1 << 20, 64, 4, 2, 1000, Duration.ofSeconds(30), Duration.ofSeconds(5), Duration.ofSeconds(40)));
        String body = PROMPT.copy().put("silent", true).encode();
        List<Socket> silent = new ArrayList<>();
        try {
            for (int i = 0; i < 3; i++) {
                silent.add(open(head("POST", "/completion", ANN, "Content-Length: " + body.length() + "\r\n") + body));
                int under = i + 1;
                eventually(() -> fixture.server.completions.size() == under);
            }
            assertEquals("busy", code(fixture.get(ANN, "/capsule/v1/capsules")));
            assertEquals(200, status(BOB));
            // That request's own place is given back a moment after its answer.
            Thread.sleep(200);
            String bobs = new JsonObject().put("prompt", "x").put("id_slot", 1).put("silent", true).encode();
            silent.add(open(head("POST", "/completion", BOB, "Content-Length: " + bobs.length() + "\r\n") + bobs));
            eventually(() -> fixture.server.completions.size() == 4);
            assertEquals(503, status(BOB));
            assertEquals(200, fixture.get(BOB, "/capsule/v1/health/live").statusCode());
        } finally {
            for (Socket socket : silent) {
                socket.close();
            }
        }
        eventually(() -> status(ANN) == 200);
    }

    @Test
    void aRefusedUploadThatIsHeardOutHoldsNoPlace() throws Exception {
        start("llama-f16.ggsq", new Limits(1 << 16, 1 << 20, 1 << 20, 64, 8, 1, 1000, Duration.ofSeconds(3), Duration.ofSeconds(20), Duration.ofSeconds(40)));
        byte[] capsule = capsule();
        try (Socket refused = open(head("POST", "/capsule/v1/slots/1/restore", ANN, "Content-Length: 100000\r\n"))) {
            refused.getOutputStream().write(new byte[50_000]);
            refused.getOutputStream().flush();
            Thread.sleep(500);
            assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/1/restore", capsule).statusCode());
            assertEquals(0, refused.getInputStream().available(), "it has not been answered: it is still heard out");
        }
    }

    @Test
    void keptCapsulesHaveAnEnd() throws Exception {
        byte[] state = GatewayFixture.sample("llama-f16.ggsq");
        start("llama-f16.ggsq", new Limits(1 << 16, 1 << 20, state.length, 64, 8, 2, 1000, Duration.ofSeconds(5), Duration.ofSeconds(5), Duration.ofSeconds(20)));
        fixture.complete(ANN, PROMPT);
        int kept = 0;
        HttpResponse<byte[]> response = fixture.post(ANN, "/capsule/v1/slots/0/export?keep=true", new byte[0]);
        while (response.statusCode() == 201) {
            kept++;
            response = fixture.post(ANN, "/capsule/v1/slots/0/export?keep=true", new byte[0]);
        }
        assertEquals(507, response.statusCode());
        assertEquals(kept, GatewayFixture.json(fixture.get(ANN, "/capsule/v1/capsules")).getJsonArray("capsules").size());
        assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/0/export", new byte[0]).statusCode(), "what is not kept needs no room");
    }
}
