package dev.kvcapsule.sessions.gateway;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.serving.files.AtomicOutput;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.chunks.PartsSource;
import dev.kvcapsule.sessions.compaction.TemplateTokenizer;
import dev.kvcapsule.store.ChunkStore;
import dev.kvcapsule.store.StoreKey;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;

/** One gateway, and a token or certificate for it. Safe for use by many threads. */
public final class GatewayClient implements TemplateTokenizer.Server, AutoCloseable {
    private static final String CAPSULE_TYPE = "application/vnd.kvcapsule";
    private static final int BUFFER = 1 << 20;
    private static final int LONGEST_ERROR = 64 << 10;
    private static final int LONGEST_ANSWER = 256 << 20;

    private final HttpClient client;
    private final URI gateway;
    private final Optional<String> token;
    private final Duration total;

    /**
     * @param gateway {@code http://HOST:PORT} or {@code https://HOST:PORT}
     * @param token the bearer token; empty if a certificate stands for it
     * @param tls of an {@code https} gateway
     * @param total longest time of a request
     * @throws IllegalArgumentException if the address is none, the token cannot be in a header, or there is a certificate for a gateway without TLS
     * @throws IOException if a certificate cannot be read
     */
    public GatewayClient(URI gateway, Optional<String> token, ClientTls tls, Duration total) throws IOException {
        if (gateway.getHost() == null || !"http".equals(gateway.getScheme()) && !"https".equals(gateway.getScheme())) {
            throw new IllegalArgumentException("a gateway is http://HOST:PORT or https://HOST:PORT");
        }
        if (token.isPresent() && !isToken(token.get())) {
            throw new IllegalArgumentException("a token is one line of printable ASCII");
        }
        HttpClient.Builder builder = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10));
        if (!tls.equals(ClientTls.NONE)) {
            if (!"https".equals(gateway.getScheme())) {
                throw new IllegalArgumentException("certificates are for a gateway that is https://HOST:PORT");
            }
            builder.sslContext(tls.context());
        }
        this.client = builder.build();
        this.gateway = gateway;
        this.token = token;
        this.total = total;
    }

    /** Whether a text can be sent as a token. */
    public static boolean isToken(String text) {
        return text.matches("[\\x21-\\x7e]+");
    }

    /**
     * A capsule that was fetched.
     *
     * @param summary what it says of itself, every frame of it seen
     * @param id its id
     * @param expires until when it may be used
     * @param chunks that it goes on from, all of them in the store
     * @param tokens of it, with theirs
     * @param bytes of it, with theirs
     * @param receivedBytes that were sent for it
     * @param stateBytes of the state it was made of
     * @param prefillRate tokens a second that the server evaluates; empty if the gateway has not measured it
     * @param markDigest of as many of its first tokens as was asked for; empty if nothing was, or it holds fewer, or does not tell them
     * @param contextTokens that a slot takes; empty if the gateway does not say
     */
    public record Exported(CapsuleSummary summary, String id, Instant expires, List<ChunkRef> chunks, long tokens, long bytes, long receivedBytes, long stateBytes, OptionalDouble prefillRate,
            Optional<String> markDigest, OptionalLong contextTokens) {}

    /**
     * Fetches a slot as a capsule.
     *
     * @param slot of the llama-server
     * @param session that it is sealed for
     * @param mark of how many of its first tokens the digest is wanted; empty for none
     * @param file appears when all of it is there and its frames hold together
     * @throws GatewayException if the gateway does not give it, or breaks off
     */
    @SuppressWarnings("try") // the deadline works by being open
    public Exported export(int slot, String session, OptionalLong mark, Path file) throws IOException {
        HttpResponse<InputStream> response = send(request("slots/" + slot + "/export?session=" + encoded(session) + marked(mark)).POST(HttpRequest.BodyPublishers.noBody()).build());
        // The request's own time limit ends with the answer's head.
        try (InputStream body = response.body(); BodyDeadline deadline = new BodyDeadline(body, total)) {
            if (response.statusCode() != 200) {
                throw refused(response.statusCode(), body);
            }
            receive(body, file);
        }
        return checked(file, response, Files.size(file));
    }

    /**
     * Fetches a slot as a capsule that goes on from chunks, of which only those are sent that are not there. Where the cache cannot be cut, or the gateway knows of no chunks, it is a whole one.
     *
     * @param slot of the llama-server
     * @param session that it is sealed for
     * @param mark of how many of its first tokens the digest is wanted; empty for none
     * @param known chunks that may be there
     * @param store takes new ones, which are on the disk before the capsule is
     * @param file appears when all of it is there and its frames hold together
     * @throws GatewayException if the gateway does not give it, or breaks off
     * @throws dev.kvcapsule.store.StoreFullException if new chunks have no room
     */
    @SuppressWarnings("try") // the deadline works by being open
    public Exported export(int slot, String session, OptionalLong mark, Collection<ChunkRef> known, ChunkStore store, Path file) throws IOException {
        List<Object> have = new ArrayList<>();
        for (ChunkRef chunk : known) {
            if (store.contains(new StoreKey(chunk.key()))) {
                have.add(Map.of("id", chunk.id(), "address", chunk.address(), "root", chunk.root(), "tokens", chunk.tokens(), "bytes", chunk.bytes(), "expires",
                        chunk.expires().getEpochSecond()));
            }
        }
        HttpResponse<InputStream> response = send(request("slots/" + slot + "/export?incremental=true&session=" + encoded(session) + marked(mark)).header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(Json.line(Map.of("have", have)))).build());
        PartsReceiver parts = new PartsReceiver(store, file);
        try (InputStream body = response.body(); BodyDeadline deadline = new BodyDeadline(body, total)) {
            if (response.statusCode() != 200) {
                throw refused(response.statusCode(), body);
            }
            if (!Parts.MEDIA_TYPE.equals(response.headers().firstValue("Content-Type").orElse(""))) {
                receive(body, file);
                return checked(file, response, Files.size(file));
            }
            parts.read(body);
        } catch (IOException | RuntimeException e) {
            Files.deleteIfExists(file);
            throw e;
        }
        Exported exported = checked(file, response, parts.received());
        for (ChunkRef chunk : exported.chunks()) {
            if (!store.contains(new StoreKey(chunk.key()))) {
                Files.deleteIfExists(file);
                throw new GatewayException("answer", "the gateway's capsule goes on from a chunk that was neither here nor sent");
            }
        }
        return exported;
    }

    private static String marked(OptionalLong mark) {
        return mark.isPresent() ? "&mark=" + mark.getAsLong() : "";
    }

    private static Exported checked(Path file, HttpResponse<?> response, long received) throws IOException {
        try {
            return exported(file, response, received);
        } catch (IOException | RuntimeException e) {
            Files.deleteIfExists(file);
            throw e;
        }
    }

    private static void receive(InputStream body, Path file) throws IOException {
        try (AtomicOutput out = AtomicOutput.create(file)) {
            byte[] piece = new byte[BUFFER];
            for (int count = received(body, piece); count >= 0; count = received(body, piece)) {
                ByteBuffer bytes = ByteBuffer.wrap(piece, 0, count);
                while (bytes.hasRemaining()) {
                    out.channel().write(bytes);
                }
            }
            out.commit();
        }
    }

    private static int received(InputStream body, byte[] piece) throws GatewayException {
        try {
            return body.read(piece);
        } catch (IOException e) {
            throw new GatewayException("interrupted", "the gateway broke off: " + e.getMessage());
        }
    }

    /** Whether the tiles decrypt only the gateway can tell; that all of them are there, and are those that the signed trailer counts, anybody can. */
    private static Exported exported(Path file, HttpResponse<?> response, long received) throws IOException {
        try (InputFile in = InputFile.open(file); PublicOpening opening = PublicOpening.showing()) {
            CapsuleSummary summary = CapsuleSummary.read(CapsuleReader.of(in.bytes(), opening));
            List<ChunkRef> chunks = opening.claims().chunks();
            return new Exported(summary, opening.claims().id(), opening.claims().expires(), chunks, summary.manifest().layout().tokens() + opening.claims().chunkTokens(),
                    in.bytes().byteSize() + chunks.stream().mapToLong(ChunkRef::bytes).sum(), received,
                    response.headers().firstValueAsLong("Capsule-State-Bytes").orElse(summary.manifest().layout().tensorBytes()),
                    response.headers().firstValue("Capsule-Prefill-Rate").map(text -> OptionalDouble.of(Double.parseDouble(text))).orElse(OptionalDouble.empty()),
                    response.headers().firstValue("Capsule-Mark"), response.headers().firstValueAsLong("Capsule-Context-Tokens"));
        } catch (CapsuleRefusedException | MalformedDataException | NumberFormatException e) {
            throw new GatewayException("answer", "what the gateway sent is no whole capsule: " + e.getMessage());
        }
    }

    /**
     * What a restore came to.
     *
     * @param verdict {@code restored}, or {@code prefill} if the server evaluates its tokens anyway
     * @param code why
     * @param slot where it is
     * @param tokens of the capsule
     * @param tokensReused that the server did not evaluate, by its own timings; empty if that could not be measured
     * @param tokensEvaluated that it did
     * @param prefillRate tokens a second that the server evaluates; empty if the gateway has not measured it
     */
    public record Restored(String verdict, String code, int slot, long tokens, OptionalLong tokensReused, OptionalLong tokensEvaluated, OptionalDouble prefillRate) {}

    /**
     * The first tokens of a capsule.
     *
     * @param tokens how many
     * @param digest that they must have ({@link dev.kvcapsule.serving.PromptTokens#digest})
     */
    public record Prefix(long tokens, String digest) {}

    /**
     * What is wanted of a restore.
     *
     * @param slot of the llama-server; empty leaves it to the gateway
     * @param session that the capsule is sealed for
     * @param fork whether it may be taken though its session has a later one
     * @param prefix of it that is restored; empty for all of it
     */
    public record Wanted(OptionalInt slot, String session, boolean fork, Optional<Prefix> prefix) {}

    /**
     * Puts a capsule into a slot.
     *
     * @throws GatewayException if the gateway refuses it or cannot be reached
     */
    public Restored restore(Wanted wanted, Path capsule) throws IOException {
        return restore(wanted, HttpRequest.BodyPublishers.ofFile(capsule), CAPSULE_TYPE);
    }

    /** The same for a capsule that goes on from chunks. */
    public Restored restore(Wanted wanted, PartsSource parts) throws IOException {
        return restore(wanted, HttpRequest.BodyPublishers.ofByteArrays(parts.pieces()), Parts.MEDIA_TYPE);
    }

    private Restored restore(Wanted wanted, HttpRequest.BodyPublisher body, String type) throws IOException {
        String path = "slots/" + (wanted.slot.isPresent() ? wanted.slot.getAsInt() : "any") + "/restore?session=" + encoded(wanted.session) + (wanted.fork ? "&fork=true" : "")
                + wanted.prefix.map(prefix -> "&tokens=" + prefix.tokens + "&prefix=" + prefix.digest).orElse("");
        return restored(json(send(request(path).header("Content-Type", type).POST(body).build()), LONGEST_ERROR));
    }

    /** The object that is answered. @throws GatewayException if the answer is another one */
    private static Map<String, Object> json(HttpResponse<InputStream> response, int longest) throws IOException {
        try (InputStream answer = response.body()) {
            if (response.statusCode() != 200) {
                throw refused(response.statusCode(), answer);
            }
            return Json.readObject(new String(answer.readNBytes(longest), StandardCharsets.UTF_8));
        } catch (MalformedDataException e) {
            throw new GatewayException("answer", "the gateway's answer is not JSON");
        }
    }

    /** Asks the llama-server behind the gateway, by one of the paths that pass through. */
    @Override
    public Map<String, Object> post(String path, Map<String, Object> body) throws IOException {
        return json(send(authorized(HttpRequest.newBuilder(gateway.resolve(path)).timeout(total)).header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(Json.line(body))).build()), LONGEST_ANSWER);
    }

    /**
     * Has the gateway remove all that it has of a session, and revoke every capsule that it ever sealed for it.
     *
     * @return how many it revoked; 0 if it knew of none
     * @throws GatewayException if it cannot be reached, or the token does not allow it
     */
    public long purge(String session) throws IOException {
        HttpResponse<InputStream> response = send(request("sessions/" + encoded(session)).DELETE().build());
        if (response.statusCode() == 404) {
            response.body().close();
            return 0;
        }
        return count(json(response, LONGEST_ERROR).get("revoked")).orElse(0);
    }

    private static Restored restored(Map<String, Object> answer) throws GatewayException {
        if (answer.get("verdict") instanceof String verdict && answer.get("code") instanceof String code && answer.get("slot") instanceof Long slot
                && answer.get("tokens") instanceof Long tokens) {
            return new Restored(verdict, code, Math.toIntExact(slot), tokens, count(answer.get("tokens_reused")), count(answer.get("tokens_evaluated")),
                    answer.get("prefill_tokens_per_second") instanceof Number rate ? OptionalDouble.of(rate.doubleValue()) : OptionalDouble.empty());
        }
        throw new GatewayException("answer", "the gateway's answer has no verdict");
    }

    private static OptionalLong count(Object value) {
        return value instanceof Long number ? OptionalLong.of(number) : OptionalLong.empty();
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    private HttpRequest.Builder request(String path) {
        return authorized(HttpRequest.newBuilder(gateway.resolve("/capsule/v1/" + path)).timeout(total));
    }

    private HttpRequest.Builder authorized(HttpRequest.Builder builder) {
        token.ifPresent(text -> builder.header("Authorization", "Bearer " + text));
        return builder;
    }

    private HttpResponse<InputStream> send(HttpRequest request) throws IOException {
        try {
            return client.send(request, HttpResponse.BodyHandlers.ofInputStream());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new GatewayException("interrupted", "interrupted");
        } catch (IOException e) {
            throw new GatewayException("unreachable", "the gateway at " + gateway.getAuthority() + " gives no answer" + (e.getMessage() == null ? "" : ": " + e.getMessage()));
        }
    }

    private static GatewayException refused(int status, InputStream body) throws IOException {
        try {
            Map<String, Object> answer = Json.readObject(new String(body.readNBytes(LONGEST_ERROR), StandardCharsets.UTF_8));
            if (answer.get("error") instanceof Map<?, ?> error && error.get("code") instanceof String code && error.get("message") instanceof String message) {
                return new GatewayException(MalformedDataException.oneLine(code), MalformedDataException.oneLine(message));
            }
        } catch (MalformedDataException e) {
            // Not a gateway's answer: the status has to do.
        }
        return new GatewayException("status-" + status, "the gateway answers with status " + status);
    }

    @Override
    public void close() {
        client.shutdownNow();
    }
}
