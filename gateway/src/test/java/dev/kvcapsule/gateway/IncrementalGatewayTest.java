package dev.kvcapsule.gateway;

import static dev.kvcapsule.gateway.GatewayFixture.ANN;
import static dev.kvcapsule.gateway.GatewayFixture.BOB;
import static dev.kvcapsule.gateway.GatewayFixture.EVE;
import static dev.kvcapsule.gateway.GatewayFixture.code;
import static dev.kvcapsule.gateway.GatewayFixture.json;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.PromptTokens;
import dev.kvcapsule.serving.files.CapsuleFiles;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.http.HttpResponse;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Exports of what is new and restores in parts, through a gateway. */
@Timeout(120)
class IncrementalGatewayTest {
    private static final JsonObject PROMPT = new JsonObject().put("prompt", "hello").put("n_predict", 3).put("id_slot", 0);

    @TempDir
    private Path folder;
    private GatewayFixture fixture;

    private void start(String sample, Limits limits) throws Exception {
        fixture = new GatewayFixture(folder, sample, limits);
        assertEquals(200, fixture.complete(ANN, PROMPT).statusCode());
    }

    @AfterEach
    void stop() throws IOException {
        fixture.close();
    }

    /** What an export sent. */
    private record Sent(Map<String, byte[]> chunks, byte[] tail, List<ChunkRef> listed) {
        byte[] parts(List<ChunkRef> order) throws IOException {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Parts.Writer writer = new Parts.Writer(Channels.newChannel(out));
            writer.part(new Parts.Header(Parts.Type.TAIL, tail.length), MemorySegment.ofArray(tail));
            for (ChunkRef chunk : order) {
                byte[] bytes = chunks.get(chunk.key());
                writer.part(new Parts.Header(Parts.Type.CHUNK, bytes.length, chunk.key(), chunk.expires()), MemorySegment.ofArray(bytes));
            }
            writer.end();
            return out.toByteArray();
        }
    }

    private Sent export(List<ChunkRef> have) throws Exception {
        JsonArray list = new JsonArray();
        have.forEach(chunk -> list.add(new JsonObject().put("id", chunk.id()).put("address", chunk.address()).put("root", chunk.root()).put("tokens", chunk.tokens()).put("bytes", chunk.bytes())
                .put("expires", chunk.expires().getEpochSecond())));
        HttpResponse<byte[]> response = fixture.post(ANN, "/capsule/v1/slots/0/export?session=s1&incremental=true", new JsonObject().put("have", list).toBuffer().getBytes());
        assertEquals(200, response.statusCode(), () -> new String(response.body(), StandardCharsets.UTF_8));
        assertEquals("application/vnd.kvcapsule.parts", response.headers().firstValue("Content-Type").orElseThrow());
        Parts.Reader reader = new Parts.Reader(Channels.newChannel(new ByteArrayInputStream(response.body())));
        Map<String, byte[]> chunks = new LinkedHashMap<>();
        byte[] tail = null;
        for (Parts.Header part = reader.next(); part.type() != Parts.Type.END; part = reader.next()) {
            byte[] bytes = new byte[(int) part.bytes()];
            reader.read(MemorySegment.ofArray(bytes));
            if (part.type() == Parts.Type.CHUNK) {
                chunks.put(part.key(), bytes);
            } else {
                tail = bytes;
            }
        }
        try (PublicOpening opening = PublicOpening.showing()) {
            CapsuleReader.of(Channels.newChannel(new ByteArrayInputStream(tail)), opening);
            return new Sent(chunks, tail, opening.claims().chunks());
        }
    }

    private HttpResponse<byte[]> restore(String token, byte[] body) throws Exception {
        return fixture.post(token, "/capsule/v1/slots/1/restore?session=s1", body);
    }

    @Test
    void onlyWhatIsNewIsSentAndThePartsComeBackToTheByte() throws Exception {
        start("", Limits.DEFAULT);
        Sent first = export(List.of());
        assertEquals(4, first.listed.size(), "512 tokens");
        assertEquals(4, first.chunks.size());
        Sent second = export(first.listed);
        assertEquals(0, second.chunks.size(), "everything is there");
        assertEquals(first.listed, second.listed);
        second.chunks.putAll(first.chunks);
        HttpResponse<byte[]> restored = restore(ANN, second.parts(second.listed));
        assertEquals(200, restored.statusCode(), () -> new String(restored.body(), StandardCharsets.UTF_8));
        assertEquals("restored", json(restored).getString("verdict"));
        assertEquals(512, json(restored).getInteger("tokens"));
        assertArrayEquals(GatewayFixture.sample(""), fixture.server.slot(1));
        assertEquals("replayed", code(restore(ANN, first.parts(first.listed))), "the session has got further");
        assertEquals(200, fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1&fork=true", first.parts(first.listed)).statusCode());
        String metrics = new String(fixture.get(ANN, "/capsule/v1/metrics").body(), StandardCharsets.UTF_8);
        assertTrue(metrics.contains("kvcapsule_chunks_total{outcome=\"made\"} 4.0") && metrics.contains("kvcapsule_chunks_total{outcome=\"reused\"} 4.0"), metrics);
        assertTrue(fixture.log.toString().contains("\"chunks_reused\":4"), fixture.log.toString());
    }

    /** Whole or in parts, a capsule is cut at any token; its later chunks are not needed. What it holds must begin with the tokens that are meant. */
    @Test
    void theFirstTokensOfACapsuleAreRestored() throws Exception {
        start("", Limits.DEFAULT);
        byte[] state = GatewayFixture.sample("");
        int[] ids = PromptTokens.of(CacheFormats.read(Arena.ofAuto().allocateFrom(ValueLayout.JAVA_BYTE, state), ModelFacts.UNKNOWN)).orElseThrow();
        HttpResponse<byte[]> marked = fixture.post(ANN, "/capsule/v1/slots/0/export?session=s2&mark=129", new byte[0]);
        assertEquals(PromptTokens.digest(ids, 129), marked.headers().firstValue("Capsule-Mark").orElseThrow());
        byte[] whole = marked.body();
        assertEquals(Optional.empty(), fixture.post(ANN, "/capsule/v1/slots/0/export?session=s2&mark=513", new byte[0]).headers().firstValue("Capsule-Mark"), "it holds fewer");
        Sent sent = export(List.of());
        for (int tokens : new int[] {1, 127, 128, 129, 300, 512}) {
            String prefix = "&fork=true&tokens=" + tokens + "&prefix=" + PromptTokens.digest(ids, tokens);
            int needed = (tokens + 127) / 128;
            for (HttpResponse<byte[]> restored : List.of(fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s2" + prefix, whole),
                    fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1" + prefix, sent.parts(sent.listed.subList(0, needed))),
                    fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1" + prefix, sent.parts(sent.listed)))) {
                assertEquals(200, restored.statusCode(), () -> new String(restored.body(), StandardCharsets.UTF_8));
                assertEquals(tokens, json(restored).getInteger("tokens"));
                assertEquals(tokens, json(restored).getInteger("tokens_reused"));
                assertArrayEquals(firstTokens(state, tokens), fixture.server.slot(1), tokens + " tokens");
            }
        }
        int restores = fixture.server.restores.get();
        String other = "&fork=true&tokens=200&prefix=" + PromptTokens.digest(ids, 201);
        assertEquals("wrong-prefix", code(fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s2" + other, whole)));
        assertEquals("wrong-prefix", code(fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1" + other, sent.parts(sent.listed.subList(0, 2)))));
        assertEquals("incomplete", code(fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1&fork=true&tokens=300&prefix=" + PromptTokens.digest(ids, 300), sent.parts(sent.listed.subList(0, 2)))));
        assertEquals("cannot-cut", code(fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s2&fork=true&tokens=600&prefix=" + PromptTokens.digest(ids, 512), whole)), "it has fewer");
        for (String wrong : List.of("&tokens=1", "&prefix=" + PromptTokens.digest(ids, 1), "&tokens=0&prefix=" + PromptTokens.digest(ids, 0), "&tokens=1&prefix=x")) {
            assertEquals("usage", code(fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s2" + wrong, new byte[0])), wrong);
        }
        byte[] damaged = whole.clone();
        damaged[whole.length - 5000] ^= 1;
        assertEquals("damaged", code(fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s2&fork=true&tokens=1&prefix=" + PromptTokens.digest(ids, 1), damaged)), "also behind the cut");
        assertEquals(restores, fixture.server.restores.get(), "the server has heard of none of them");
        assertEquals(List.of(), fixture.slotFiles());
    }

    /** By another way: the first tokens of an unsealed capsule. */
    private byte[] firstTokens(byte[] state, int tokens) throws IOException {
        Path plain = folder.resolve("plain.kvc");
        Path cut = folder.resolve("cut");
        PipelineOptions pipeline = new PipelineOptions(1, Kernels.scalar(), Progress.NONE);
        CapsuleFiles.encode(Files.write(folder.resolve("state"), state), ModelFacts.UNKNOWN, Codecs.create("raw"), plain, pipeline);
        CapsuleFiles.decode(plain, Optional.empty(), OptionalInt.of(tokens), cut, pipeline);
        return Files.readAllBytes(cut);
    }

    @Test
    void aWindowThatHasMovedOnCannotBeCut() throws Exception {
        start("gemma3tiny-f16-259-wrapped.ggsq", Limits.DEFAULT);
        byte[] whole = fixture.post(ANN, "/capsule/v1/slots/0/export?session=s1", new byte[0]).body();
        assertEquals("cannot-cut", code(fixture.post(ANN, "/capsule/v1/slots/1/restore?session=s1&tokens=10&prefix=" + PromptTokens.digest(new int[10], 10), whole)));
        assertEquals(0, fixture.server.restores.get());
    }

    @Test
    void whatIsMissingMovedCutOrAnothersIsRefusedAndTheServerHearsOfNothing() throws Exception {
        start("", Limits.DEFAULT);
        Sent sent = export(List.of());
        byte[] whole = sent.parts(sent.listed);
        List<ChunkRef> moved = new ArrayList<>(sent.listed.reversed());
        Map<String, byte[]> wrong = Map.of("incomplete", sent.parts(sent.listed.subList(0, 3)), "damaged", sent.parts(moved), "truncated", Arrays.copyOf(whole, whole.length - 200));
        for (Map.Entry<String, byte[]> one : wrong.entrySet()) {
            HttpResponse<byte[]> refused = restore(ANN, one.getValue());
            assertEquals(422, refused.statusCode(), () -> new String(refused.body(), StandardCharsets.UTF_8));
            assertTrue(code(refused).equals(one.getKey()) || code(refused).equals("malformed") && one.getKey().equals("truncated"), () -> one.getKey() + ": " + code(refused));
        }
        assertEquals("incomplete", code(restore(ANN, sent.tail)), "a tail alone");
        assertEquals("not-found", code(restore(ANN, sent.chunks.get(sent.listed.getFirst().key()))), "a chunk alone");
        ChunkRef extra = sent.listed.getFirst();
        List<ChunkRef> more = new ArrayList<>(sent.listed);
        more.add(extra);
        assertEquals("malformed", code(restore(ANN, sent.parts(more))));
        assertEquals("malformed", code(restore(ANN, concat(whole, new byte[1]))));
        for (String other : List.of(BOB, EVE)) {
            assertEquals("not-found", code(restore(other, whole)));
        }
        byte[] damaged = whole.clone();
        damaged[whole.length / 2] ^= 1;
        assertEquals("damaged", code(restore(ANN, damaged)));
        assertEquals(0, fixture.server.restores.get());
        assertEquals(List.of(), fixture.slotFiles());
        assertEquals(200, restore(ANN, whole).statusCode(), "none of that has used up the capsule");
    }

    private static byte[] concat(byte[] a, byte[] b) {
        byte[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }

    @Test
    void requestsAreCheckedAndBounded() throws Exception {
        start("llama-f16.ggsq", new Limits(4096, 1 << 20, 1 << 20, 64, 64, 2, 1000, Duration.ofSeconds(10), Duration.ofSeconds(5), Duration.ofMinutes(1)));
        String path = "/capsule/v1/slots/0/export?incremental=true";
        for (String body : List.of("[]", "{\"have\": 1}", "{\"have\": [{}]}", "{\"have\": [{\"id\": \"x\", \"address\": \"y\", \"root\": \"z\", \"tokens\": 1, \"bytes\": 1, \"expires\": 1}]}", "x")) {
            assertEquals("malformed", code(fixture.post(ANN, path, body.getBytes(StandardCharsets.UTF_8))), body);
        }
        assertEquals("too-large", code(fixture.post(ANN, path, new byte[5000])));
        assertEquals("usage", code(fixture.post(ANN, path + "&keep=true", new byte[0])));
        HttpResponse<byte[]> small = fixture.post(ANN, path, new byte[0]);
        assertEquals(200, small.statusCode());
        assertEquals("application/vnd.kvcapsule.parts", small.headers().firstValue("Content-Type").orElseThrow(), "a short cache is a tail without chunks");
    }

    @Test
    void whatCannotBeCutIsSentWholeAndSaysWhy() throws Exception {
        start("gemma3tiny-f16-259-wrapped.ggsq", Limits.DEFAULT);
        HttpResponse<byte[]> response = fixture.post(ANN, "/capsule/v1/slots/0/export?session=s1&incremental=true", new byte[0]);
        assertEquals("application/vnd.kvcapsule", response.headers().firstValue("Content-Type").orElseThrow());
        assertTrue(response.headers().firstValue("Capsule-Whole").orElseThrow().contains("does not hold every token"));
        assertEquals(200, restore(ANN, response.body()).statusCode());
    }
}
