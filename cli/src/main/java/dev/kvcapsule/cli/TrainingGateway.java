package dev.kvcapsule.cli;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.increment.ChunkPlan;
import dev.kvcapsule.engine.increment.IncrementalEncoder;
import dev.kvcapsule.engine.increment.KnownChunks;
import dev.kvcapsule.engine.increment.PartsOutput;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import dev.kvcapsule.engine.seal.Scope;
import dev.kvcapsule.engine.seal.SealSpec;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.PromptTokens;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.testdata.Samples;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * What checkpoints and resumes ask while they are trained on, in place of a gateway with a llama-server: every export is of the sample, in parts that are really sealed, and every restore
 * goes well.
 */
final class TrainingGateway implements AutoCloseable {
    private static final String OWNER = "train";

    private final HttpServer server;
    private final byte[] parts;
    private final int tokens;

    /**
     * Seals the sample, and listens.
     *
     * @param state the sample
     * @param keys a registry with a signing key and a tenant {@code train}
     */
    TrainingGateway(Path state, Path keys) throws IOException {
        try (InputFile in = InputFile.open(state)) {
            KvCache cache = CacheFormats.read(in.bytes(), ModelFacts.parse(Samples.SMOLLM2_FACTS));
            int[] ids = PromptTokens.of(cache).orElseThrow();
            this.tokens = ids.length;
            this.parts = seal(cache, ids, KeyFolder.open(keys, null));
        }
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", this::answer);
        server.start();
    }

    private static byte[] seal(KvCache cache, int[] ids, KeyFolder keys) throws IOException {
        Instant now = Instant.now();
        String kid = keys.defaultSigner(now).orElseThrow().kid();
        SealSpec spec = new SealSpec(OWNER, kid, OWNER, new Scope(OWNER, OWNER, Optional.empty(), Optional.empty()), now, now, Duration.ofDays(1), 0, Optional.empty(), Optional.empty(),
                Optional.of(ids), AeadAlgorithm.AES_256_GCM);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PartsOutput out = new PartsOutput(Channels.newChannel(bytes));
        Codec codec = Profile.FAST.codec(Optional.empty());
        new IncrementalEncoder(spec, keys, new PipelineOptions(1, Kernels.scalar(), Progress.NONE)).encode(cache, ChunkPlan.of(cache.layout(), codec), ids, new KnownChunks(), chunk -> true, out);
        out.end();
        return bytes.toByteArray();
    }

    /** Where it listens. */
    URI address() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    private void answer(HttpExchange exchange) throws IOException {
        exchange.getRequestBody().transferTo(OutputStream.nullOutputStream());
        boolean isExport = exchange.getRequestURI().getPath().endsWith("/export");
        byte[] body = isExport ? parts : ("{\"verdict\":\"restored\",\"code\":\"ok\",\"slot\":0,\"tokens\":" + tokens + ",\"tokens_reused\":" + tokens
                + ",\"tokens_evaluated\":1,\"prefill_tokens_per_second\":200.0}").getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", isExport ? Parts.MEDIA_TYPE : "application/json");
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
