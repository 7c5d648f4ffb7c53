package dev.kvcapsule.gateway;

import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.PoolOptions;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLPeerUnverifiedException;

/**
 * A running gateway. Bytes that pass through are moved by event loops, which also notice when a client goes away; whatever blocks (slots, encoding, decoding) has a virtual
 * thread a request.
 */
public final class Gateway implements AutoCloseable {
    private static final String HEALTH = CapsuleApi.PREFIX + "health/";
    private static final String OPENAPI = CapsuleApi.PREFIX + "openapi.json";

    /** llama-server closes idle connections after five seconds: a request must not meet one that is being closed. */
    private static final int KEEP_ALIVE_SECONDS = 3;

    /** A request that has had its time is told so: its connection must not be closed for having been silent as long. */
    private static final Duration IDLE_BEHIND = Duration.ofSeconds(10);

    /** How long stopping waits for requests to end by themselves, and once more when they have been told to. */
    private static final int STOP_SECONDS = 3;

    private final GatewayOptions options;
    private final Vertx vertx;
    private final SlotFolder folder;
    private final CapsuleStore store;
    private final LlamaServer server;
    private final CapsuleApi api;
    private final Optional<SessionPurge> purge;
    private final Optional<SessionDatabase> sessions;
    private final Optional<SessionApi> sessionApi;
    private final Optional<SessionSweep> sweep;
    private final ServerRoutes routes;
    private final Metrics metrics = new Metrics();
    private final RequestLog log;
    private final RateLimit rates;
    private final Semaphore places;
    private final OwnerPlaces ownerPlaces;
    private final ExecutorService threads = Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("kvcapsule-request").factory());
    private final AtomicInteger connections = new AtomicInteger();
    private final Buffer openApi;
    private HttpServer http;
    private boolean closed;

    private Gateway(GatewayOptions options, Optional<SessionDatabase> sessions, PrintWriter err, SlotFolder folder, CapsuleStore store) throws IOException {
        this.options = options;
        this.folder = folder;
        this.store = store;
        this.log = new RequestLog(err);
        this.rates = new RateLimit(options.limits().perSecond(), System::nanoTime);
        this.places = new Semaphore(options.limits().requests());
        this.ownerPlaces = new OwnerPlaces(options.limits().requests());
        this.server = new LlamaServer(options.upstream(), options.limits().total());
        try (InputStream in = Gateway.class.getResourceAsStream("openapi.json")) {
            this.openApi = Buffer.buffer(in.readAllBytes());
        }
        // No cache folder for class path resources, of which there are none that need it.
        this.vertx = Vertx.vertx(new VertxOptions().setFileSystemOptions(new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false)));
        PrefillRate rate = new PrefillRate();
        Slots slots = new Slots(server, new SlotOwners(folder.owners()), options.limits().patience());
        var client = vertx.createHttpClient(new HttpClientOptions().setConnectTimeout(5000).setDecompressionSupported(false).setKeepAliveTimeout(KEEP_ALIVE_SECONDS),
                new PoolOptions().setHttp1MaxSize(options.limits().requests()));
        this.routes = new ServerRoutes(new PassThrough(client, options, rate), slots, options.limits());
        this.purge = sessions.map(database -> new SessionPurge(database, store, options.revoker()));
        SessionCompaction compaction = new SessionCompaction(options, server, slots, folder);
        this.sessions = sessions;
        this.sessionApi = sessions.map(database -> new SessionApi(database, purge.orElseThrow(), compaction, options.limits()));
        this.sweep = sessions.map(database -> new SessionSweep(database, purge.orElseThrow(), options.sessionAge(), log));
        this.api = new CapsuleApi(options, new SlotExport(options, server, slots, folder), new SlotRestore(options, server, slots, folder), store, new CapsuleLedger(sessions.map(SessionDatabase::purges)), rate);
    }

    /**
     * Starts one. The llama-server need not be there yet: until it is, readiness says so.
     *
     * @param sessions where durable sessions are, for the caller to close behind the gateway; empty for none
     * @param err where log lines go, JSON each
     * @throws IOException if the slot folder is not there, it or the store is another gateway's, or the address cannot be had
     */
    public static Gateway start(GatewayOptions options, Optional<SessionDatabase> sessions, PrintWriter err) throws IOException {
        SlotFolder folder = SlotFolder.open(options.slotDir());
        CapsuleStore store = null;
        Gateway gateway = null;
        try {
            store = CapsuleStore.open(options.store(), options.limits().storeBytes(), InstantSource.system());
            gateway = new Gateway(options, sessions, err, folder, store);
            gateway.listen();
            return gateway;
        } catch (IOException | RuntimeException e) {
            if (gateway != null) {
                gateway.close();
            } else {
                giveBack(folder, store);
            }
            throw e;
        }
    }

    private void listen() throws IOException {
        HttpServerOptions http1 = new HttpServerOptions().setHost(options.listen().getHostString()).setPort(options.listen().getPort())
                .setHttp2ClearTextEnabled(false).setMaxHeaderSize(16 << 10).setIdleTimeoutUnit(TimeUnit.MILLISECONDS)
                .setIdleTimeout((int) Math.min(Integer.MAX_VALUE, options.limits().total().plus(IDLE_BEHIND).toMillis()));
        if (options.tls().isPresent()) {
            options.tls().get().apply(http1);
        }
        http = vertx.createHttpServer(http1).connectionHandler(connection -> {
            if (connections.incrementAndGet() > options.limits().connections()) {
                connection.close();
            }
            connection.closeHandler(v -> connections.decrementAndGet());
        }).requestHandler(this::accept);
        await(http.listen());
        log.event("listening", new JsonObject().put("host", options.listen().getHostString()).put("port", port()).put("upstream", options.upstream().toString()));
    }

    private static <T> T await(Future<T> future) throws IOException {
        try {
            return future.toCompletionStage().toCompletableFuture().join();
        } catch (CompletionException e) {
            throw new IOException(e.getCause().getMessage(), e.getCause());
        }
    }

    /** The port it listens on. */
    public int port() {
        return http.actualPort();
    }

    /** What the gateway does by itself from time to time. */
    int sweep(Instant now, Optional<Duration> age) throws IOException {
        return SessionSweep.sweep(sessions.orElseThrow(), purge.orElseThrow(), age, now);
    }

    private void accept(HttpServerRequest request) {
        request.pause();
        Context context = vertx.getOrCreateContext();
        Exchange exchange = new Exchange(request, context, metrics, log, threads, options.limits().total());
        if (isOpen(request)) {
            // A gateway that is full is alive.
            exchange.guarded(() -> exchange.blocking(() -> open(exchange, request.path())));
            return;
        }
        if (!places.tryAcquire()) {
            exchange.fail(new RequestException(503, "busy", "too many requests are under way"));
            return;
        }
        exchange.onOver(places::release);
        exchange.guarded(() -> serve(exchange));
    }

    private static boolean isOpen(HttpServerRequest request) {
        String path = request.path();
        return request.method().equals(HttpMethod.GET) && path != null && (path.startsWith(HEALTH) || path.equals(OPENAPI));
    }

    private void serve(Exchange exchange) {
        HttpServerRequest request = exchange.request();
        String path = request.path();
        if (path == null) {
            throw new RequestException(400, "usage", "no path");
        }
        Optional<Principal> principal = authenticate(request);
        if (principal.isEmpty()) {
            throw new RequestException(401, "token", "a valid token is needed: Authorization: Bearer TOKEN" + (options.tls().flatMap(ServerTls::clients).isPresent() ? ", or a client's certificate" : ""));
        }
        exchange.setPrincipal(principal.get());
        rates.take(principal.get().owner());
        ownerPlaces.take(principal.get().owner());
        exchange.onOver(() -> ownerPlaces.giveBack(principal.get().owner()));
        if (sessionApi.isPresent() && SessionApi.isFor(path)) {
            sessionApi.get().serve(exchange);
        } else if (path.startsWith(CapsuleApi.PREFIX)) {
            exchange.blocking(() -> api.serve(exchange));
        } else {
            routes.serve(exchange);
        }
    }

    /** By its token if it names one, else by the certificate that its connection was made with. */
    private Optional<Principal> authenticate(HttpServerRequest request) {
        String authorization = request.getHeader("Authorization");
        if (authorization != null || !request.connection().isSsl()) {
            return options.credentials().authenticate(authorization);
        }
        try {
            return request.connection().peerCertificates().getFirst() instanceof X509Certificate certificate ? options.credentials().authenticate(certificate) : Optional.empty();
        } catch (SSLPeerUnverifiedException e) {
            return Optional.empty();
        }
    }

    /** What takes no token. */
    private void open(Exchange exchange, String path) throws InterruptedException {
        exchange.setOperation("health");
        switch (path) {
            case OPENAPI -> exchange.answer(200, "application/json", openApi);
            case HEALTH + "live" -> exchange.json(200, new JsonObject().put("status", "live"));
            case HEALTH + "ready" -> {
                boolean ready = server.isReady();
                exchange.json(ready ? 200 : 503, new JsonObject().put("status", ready ? "ready" : "the llama-server is not ready"));
            }
            default -> throw new RequestException(404, "no-route", "no such endpoint");
        }
    }

    /**
     * Stops listening, cuts what is under way, waits for it to have ended, and gives the folders back, without what requests have left in them. A second time does nothing.
     */
    @Override
    public synchronized void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        sweep.ifPresent(SessionSweep::close);
        try {
            await(vertx.close());
        } finally {
            awaitThreads();
            giveBack(folder, store);
        }
    }

    /** First those that are about to end: what the llama-server has been asked to write is there only when it has answered. Then those that wait for something. */
    private void awaitThreads() {
        threads.shutdown();
        try {
            if (!threads.awaitTermination(STOP_SECONDS, TimeUnit.SECONDS)) {
                threads.shutdownNow();
                threads.awaitTermination(STOP_SECONDS, TimeUnit.SECONDS);
            }
        } catch (InterruptedException e) {
            threads.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }

    private static void giveBack(SlotFolder folder, CapsuleStore store) throws IOException {
        try (folder) {
            if (store != null) {
                store.close();
            }
        }
    }
}
