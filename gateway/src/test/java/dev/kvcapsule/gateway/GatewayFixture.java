package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.gateway.recorded.RecordedServer;
import dev.kvcapsule.engine.keys.GenerationFolder;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.seal.ModelIdentity;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import dev.kvcapsule.testdata.Samples;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** A gateway in front of a {@link RecordedServer}, with two users and a registry of keys. */
final class GatewayFixture implements AutoCloseable {
    static final String ANN = "ann-token-0123456789";
    static final String BOB = "bob-token-0123456789";
    static final String EVE = "eve-token-0123456789";
    static final String READER = "reader-token-0123456789";

    final Path slotDir;
    final RecordedServer server;
    final StringWriter log = new StringWriter();
    final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    final KeyFolder keys;
    private final Path folder;
    /** For the next start. */
    SummarizerOptions summarizer = SummarizerOptions.UPSTREAM;
    /** For the next start. */
    CapsuleRevoker revoker;
    /** For the next start. */
    Optional<ServerTls> tls = Optional.empty();
    private Gateway gateway;
    private SessionDatabase sessions;

    GatewayFixture(Path folder, String sample, Limits limits) throws IOException {
        this.folder = folder;
        slotDir = Files.createDirectory(folder.resolve("slots"));
        server = new RecordedServer(slotDir, 2, sample(sample));
        keys = KeyFolder.open(folder.resolve("keys"), null);
        keys.lifecycle().newSigningKey(Optional.empty(), KeyStatus.ACTIVE, Instant.now(), Optional.empty());
        keys.lifecycle().newTenantKey("acme");
        keys.lifecycle().newTenantKey("evil");
        revoker = keys.lifecycle()::revokeCapsules;
        Files.createFile(folder.resolve("tokens.yaml"), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(folder.resolve("tokens.yaml"), ANN + ": {org: acme, user: ann, permissions: [infer, export, restore, manage, sessions, metrics]}\n"
                + BOB + ": {org: acme, user: bob, permissions: [infer, export, restore, manage, sessions]}\n"
                + EVE + ": {org: evil, user: ann, permissions: [infer, export, restore, manage, sessions]}\n"
                + READER + ": {org: acme, user: reader, permissions: [metrics]}\n");
        start(limits);
    }

    static byte[] sample(String name) throws IOException {
        try (InputStream in = name.isEmpty() ? Samples.smollm2Code512() : Samples.state(name)) {
            return in.readAllBytes();
        }
    }

    void start(Limits limits) throws IOException {
        start(limits, Optional.empty());
    }

    void start(Limits limits, Optional<ModelIdentity> model) throws IOException {
        PipelineOptions pipeline = new PipelineOptions(2, Kernels.scalar(), Progress.NONE);
        GatewayOptions options = new GatewayOptions(InetSocketAddress.createUnresolved("127.0.0.1", 0), tls, URI.create("http://127.0.0.1:" + server.port()), slotDir, folder.resolve("store"),
                Credentials.read(folder.resolve("tokens.yaml")), keys, revoker, keys.defaultSigner(Instant.now()).orElseThrow().kid(), Duration.ofDays(7),
                new GenerationFolder(folder.resolve("generations")), Codecs.create("lossless"), pipeline, ModelFacts.UNKNOWN, model, summarizer, Optional.empty(), limits);
        sessions = SessionDatabase.file(folder.resolve("database/sessions"));
        gateway = Gateway.start(options, Optional.of(sessions), new PrintWriter(log, true));
    }

    void stop() throws IOException {
        gateway.close();
        sessions.close();
    }

    /** As the gateway does by itself from time to time. */
    int sweep(Instant now, Optional<Duration> age) throws IOException {
        return gateway.sweep(now, age);
    }

    SessionDatabase sessions() {
        return sessions;
    }

    int port() {
        return gateway.port();
    }

    HttpRequest.Builder request(String token, String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port() + path)).header("Authorization", "Bearer " + token);
    }

    HttpResponse<byte[]> get(String token, String path) throws Exception {
        return client.send(request(token, path).build(), HttpResponse.BodyHandlers.ofByteArray());
    }

    HttpResponse<byte[]> post(String token, String path, byte[] body) throws Exception {
        return client.send(request(token, path).POST(HttpRequest.BodyPublishers.ofByteArray(body)).build(), HttpResponse.BodyHandlers.ofByteArray());
    }

    HttpResponse<byte[]> complete(String token, JsonObject body) throws Exception {
        return post(token, "/completion", body.toBuffer().getBytes());
    }

    static JsonObject json(HttpResponse<byte[]> response) {
        return new JsonObject(new String(response.body(), StandardCharsets.UTF_8));
    }

    static String code(HttpResponse<byte[]> response) {
        return json(response).getJsonObject("error").getString("code");
    }

    /** Files in the slot folder that are states: there must be none when nothing is under way. */
    List<Path> slotFiles() throws IOException {
        try (Stream<Path> files = Files.list(slotDir)) {
            return files.filter(file -> !file.getFileName().toString().startsWith(".")).toList();
        }
    }

    @Override
    public void close() throws IOException {
        client.shutdownNow();
        gateway.close();
        sessions.close();
        server.close();
    }
}
