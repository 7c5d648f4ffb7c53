package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.increment.IncrementalEncoder;
import dev.kvcapsule.engine.increment.PartsOutput;
import dev.kvcapsule.engine.increment.KnownChunks;
import dev.kvcapsule.engine.pipeline.EncodeReport;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.Scope;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** What the gateway adds, under {@value #PREFIX}: slots out as capsules and back, and the capsules it keeps. openapi.json describes it for programs. */
final class CapsuleApi {
    static final String PREFIX = "/capsule/v1/";

    private static final String CAPSULE_TYPE = "application/vnd.kvcapsule";

    private static final int PIECE = 64 << 10;

    private final GatewayOptions options;
    private final SlotExport exporter;
    private final SlotRestore restorer;
    private final CapsuleStore store;
    private final CapsuleLedger ledger;
    private final PrefillRate rate;
    private final Semaphore places;

    CapsuleApi(GatewayOptions options, SlotExport exporter, SlotRestore restorer, CapsuleStore store, CapsuleLedger ledger, PrefillRate rate) {
        this.options = options;
        this.exporter = exporter;
        this.restorer = restorer;
        this.store = store;
        this.ledger = ledger;
        this.rate = rate;
        this.places = new Semaphore(options.limits().capsules(), true);
    }

    /** Serves a request; blocks until it is answered. */
    void serve(Exchange exchange) throws IOException, InterruptedException {
        String[] path = exchange.request().path().substring(PREFIX.length()).split("/", -1);
        HttpMethod method = exchange.request().method();
        if (method.equals(HttpMethod.POST) && path.length == 3 && path[0].equals("slots") && path[2].equals("export")) {
            exchange.setOperation("export");
            exchange.principal().require(Permission.EXPORT);
            int slot = slot(path[1]).orElseThrow(() -> new RequestException(400, "usage", "export takes the number of a slot"));
            if (flag(exchange, "incremental")) {
                exportParts(exchange, slot);
            } else {
                placed(() -> export(exchange, slot));
            }
        } else if (method.equals(HttpMethod.POST) && path.length == 3 && path[0].equals("slots") && path[2].equals("restore")) {
            exchange.setOperation("restore");
            exchange.principal().require(Permission.RESTORE);
            restore(exchange, slot(path[1]));
        } else if (path[0].equals("capsules") && path.length <= 3) {
            exchange.setOperation("manage");
            exchange.principal().require(Permission.MANAGE);
            manage(exchange, method, path);
        } else if (method.equals(HttpMethod.GET) && path.length == 1 && path[0].equals("metrics")) {
            exchange.setOperation("metrics");
            exchange.principal().require(Permission.METRICS);
            exchange.answer(200, Metrics.contentType(), Buffer.buffer(exchange.metrics().text()));
        } else {
            throw new RequestException(404, "no-route", "no such endpoint; " + PREFIX + "openapi.json lists them");
        }
    }

    /** Exports and restores take memory and processors: so many at a time. */
    private void placed(Exchange.Work work) throws IOException, InterruptedException {
        if (!places.tryAcquire(options.limits().patience().toMillis(), TimeUnit.MILLISECONDS)) {
            throw new RequestException(503, "busy", "other exports and restores are under way: try again");
        }
        try {
            work.run();
        } finally {
            places.release();
        }
    }

    private static OptionalInt slot(String text) {
        if (text.equals("any")) {
            return OptionalInt.empty();
        }
        if (!text.matches("[0-9]{1,6}")) {
            throw new RequestException(400, "usage", "a slot is a number, or any");
        }
        return OptionalInt.of(Integer.parseInt(text));
    }

    private static Optional<String> parameter(Exchange exchange, String name) {
        return Optional.ofNullable(exchange.request().getParam(name));
    }

    private static boolean flag(Exchange exchange, String name) {
        return parameter(exchange, name).map(value -> switch (value) {
            case "true" -> true;
            case "false" -> false;
            default -> throw new RequestException(400, "usage", name + " is true or false");
        }).orElse(false);
    }

    private static Optional<Duration> lifetime(Exchange exchange) {
        return parameter(exchange, "expires_seconds").map(text -> {
            if (!text.matches("[1-9][0-9]{0,8}")) {
                throw new RequestException(400, "usage", "expires_seconds is a whole number of at least 1");
            }
            return Duration.ofSeconds(Long.parseLong(text));
        });
    }

    private void export(Exchange exchange, int slot) throws IOException, InterruptedException {
        Optional<Duration> lifetime = lifetime(exchange);
        Scope scope = exchange.principal().scope(parameter(exchange, "session"));
        boolean keep = flag(exchange, "keep");
        try (SlotExport.Snapshot snapshot = exporter.snapshot(exchange.principal(), slot); CapsuleSeal seal = snapshot.seal(scope, lifetime)) {
            mark(exchange, snapshot);
            ledger.note(exchange.principal(), seal);
            if (keep) {
                keep(exchange, snapshot, seal);
            } else {
                stream(exchange, snapshot, seal);
            }
        }
    }

    /** Waits for the body outside of the places: whoever sends slowly takes none. */
    private void exportParts(Exchange exchange, int slot) throws IOException, InterruptedException {
        if (flag(exchange, "keep")) {
            throw new RequestException(400, "usage", "the gateway keeps whole capsules: keep and incremental exclude each other");
        }
        KnownChunks known;
        try (UploadChannel upload = new UploadChannel(exchange, options.limits().requestBytes(), options.limits().stall(), options.limits().total())) {
            known = KnownChunksBody.parse(read(upload));
        }
        placed(() -> {
            try (SlotExport.Snapshot snapshot = exporter.snapshot(exchange.principal(), slot)) {
                mark(exchange, snapshot);
                Optional<String> whole = snapshot.whyWhole();
                if (whole.isPresent()) {
                    exchange.response().putHeader("Capsule-Whole", MalformedDataException.oneLine(whole.get()));
                    try (CapsuleSeal seal = snapshot.seal(exchange.principal().scope(parameter(exchange, "session")), lifetime(exchange))) {
                        stream(exchange, snapshot, seal);
                    }
                } else {
                    streamParts(exchange, snapshot, known);
                }
            }
        });
    }

    /** So that a caller learns whether the slot holds the prompt that it thinks of, or one from before a compaction. */
    private static void mark(Exchange exchange, SlotExport.Snapshot snapshot) throws IOException {
        Optional<String> tokens = parameter(exchange, "mark");
        if (tokens.isPresent()) {
            if (!tokens.get().matches("[1-9][0-9]{0,8}")) {
                throw new RequestException(400, "usage", "mark is a whole number of at least 1");
            }
            snapshot.digest(Integer.parseInt(tokens.get())).ifPresent(digest -> exchange.response().putHeader("Capsule-Mark", digest));
        }
    }

    private static Buffer read(UploadChannel upload) throws IOException {
        Buffer body = Buffer.buffer();
        ByteBuffer piece = ByteBuffer.allocate(PIECE);
        while (upload.read(piece.clear()) >= 0) {
            body.appendBytes(piece.array(), 0, piece.position());
        }
        return body;
    }

    private void streamParts(Exchange exchange, SlotExport.Snapshot snapshot, KnownChunks known) throws IOException {
        Scope scope = exchange.principal().scope(parameter(exchange, "session"));
        Optional<Duration> lifetime = lifetime(exchange);
        HttpServerResponse response = begin(exchange, snapshot, Parts.MEDIA_TYPE);
        PartsOutput parts = new PartsOutput(new ResponseChannel(response, options.limits().stall(), options.limits().total()));
        IncrementalEncoder.Encoded encoded = snapshot.encode(scope, lifetime, known, ledger.noted(exchange.principal(), parts));
        long sent = parts.end();
        long reused = encoded.claims().chunks().size() - (long) encoded.newChunks();
        exchange.metrics().exported(snapshot.bytes(), sent, exchange.seconds());
        exchange.metrics().chunks(encoded.newChunks(), reused);
        exchange.note("capsule_id", encoded.claims().id());
        exchange.note("tokens", snapshot.tokens());
        exchange.note("capsule_bytes", sent);
        exchange.note("chunks_made", encoded.newChunks());
        exchange.note("chunks_reused", reused);
        response.end();
    }

    private HttpServerResponse begin(Exchange exchange, SlotExport.Snapshot snapshot, String type) {
        HttpServerResponse response = exchange.response();
        response.setChunked(true).putHeader("Content-Type", type).putHeader("Cache-Control", "no-store")
                .putHeader("Capsule-Tokens", Long.toString(snapshot.tokens())).putHeader("Capsule-State-Bytes", Long.toString(snapshot.bytes()));
        rate.tokensPerSecond().ifPresent(known -> response.putHeader("Capsule-Prefill-Rate", Double.toString(known)));
        snapshot.contextTokens().ifPresent(known -> response.putHeader("Capsule-Context-Tokens", Long.toString(known)));
        return response;
    }

    private void stream(Exchange exchange, SlotExport.Snapshot snapshot, CapsuleSeal seal) throws IOException {
        HttpServerResponse response = begin(exchange, snapshot, CAPSULE_TYPE);
        EncodeReport report = snapshot.encode(seal, new ResponseChannel(response, options.limits().stall(), options.limits().total()));
        exported(exchange, snapshot, seal, report.capsuleBytes());
        response.end();
    }

    private void keep(Exchange exchange, SlotExport.Snapshot snapshot, CapsuleSeal seal) throws IOException {
        CapsuleStore.Kept kept = store.add(exchange.principal().owner(), out -> {
            snapshot.encode(seal, out);
            return seal.claims().id();
        });
        exported(exchange, snapshot, seal, kept.bytes());
        exchange.json(201, ClaimsJson.of(kept).put("state_bytes", snapshot.bytes()).put("prefill_tokens_per_second", number(rate.tokensPerSecond())));
    }

    private static void exported(Exchange exchange, SlotExport.Snapshot snapshot, CapsuleSeal seal, long capsuleBytes) {
        exchange.metrics().exported(snapshot.bytes(), capsuleBytes, exchange.seconds());
        exchange.note("capsule_id", seal.claims().id());
        exchange.note("tokens", snapshot.tokens());
        exchange.note("capsule_bytes", capsuleBytes);
    }

    private static Double number(OptionalDouble value) {
        return value.isPresent() ? value.getAsDouble() : null;
    }

    private void restore(Exchange exchange, OptionalInt slot) throws IOException, InterruptedException {
        Optional<PrefixWish> prefix = PrefixWish.of(parameter(exchange, "tokens"), parameter(exchange, "prefix"));
        Optional<String> kept = parameter(exchange, "capsule");
        if (kept.isPresent()) {
            try (FileChannel file = FileChannel.open(store.file(exchange.principal().owner(), kept.get()), StandardOpenOption.READ)) {
                placed(() -> restore(exchange, slot, prefix, file, file.size()));
            }
            return;
        }
        Limits limits = options.limits();
        RequestBody.requireSmaller(exchange.request(), limits.capsuleBytes());
        try (UploadChannel upload = new UploadChannel(exchange, limits.capsuleBytes(), limits.stall(), limits.total())) {
            try {
                placed(() -> restore(exchange, slot, prefix, upload, -1));
            } catch (CapsuleRefusedException | MalformedDataException e) {
                // A client that is still sending when it is answered may see a broken connection, and not why. It holds no place meanwhile: it may take its time.
                upload.drain();
                throw e;
            }
        }
    }

    /** @param bytes of the capsule; -1 if they are counted as they come */
    private void restore(Exchange exchange, OptionalInt slot, Optional<PrefixWish> prefix, ReadableByteChannel capsule, long bytes) throws IOException, InterruptedException {
        SlotRestore.Restored restored = restorer.restore(exchange.principal(), parameter(exchange, "session"), slot, flag(exchange, "fork"), prefix, capsule, exchange::refused);
        if (prefix.isPresent() && capsule instanceof UploadChannel upload) {
            // Chunks of later tokens were not looked at.
            upload.drain();
        }
        long capsuleBytes = capsule instanceof UploadChannel upload ? upload.received() : bytes;
        exchange.metrics().restored(restored.stateBytes(), capsuleBytes, exchange.seconds());
        restored.evaluation().ifPresent(evaluation -> {
            rate.add(evaluation);
            exchange.metrics().evaluated("restore", evaluation, rate.tokensPerSecond());
        });
        JsonObject answer = new JsonObject().put("verdict", restored.isReused() ? "restored" : "prefill").put("code", restored.isReused() ? "ok" : "not-reused")
                .put("capsule_id", restored.claims().id()).put("slot", restored.slot()).put("tokens", restored.tokens())
                .put("tokens_reused", restored.evaluation().map(LlamaServer.Evaluation::reused).orElse(null))
                .put("tokens_evaluated", restored.evaluation().map(LlamaServer.Evaluation::evaluated).orElse(null))
                .put("capsule_bytes", capsuleBytes).put("state_bytes", restored.stateBytes()).put("decode_seconds", restored.decodeSeconds())
                .put("restore_seconds", restored.restoreSeconds()).put("measure_seconds", restored.measureSeconds())
                .put("prefill_tokens_per_second", number(rate.tokensPerSecond()));
        answer.fieldNames().forEach(name -> exchange.note(name, answer.getValue(name)));
        exchange.json(200, answer);
    }

    private void manage(Exchange exchange, HttpMethod method, String[] path) throws IOException {
        Principal.Owner owner = exchange.principal().owner();
        if (method.equals(HttpMethod.GET) && path.length == 1) {
            JsonArray list = new JsonArray();
            for (CapsuleStore.Kept kept : store.list(owner)) {
                list.add(ClaimsJson.of(kept));
            }
            exchange.json(200, new JsonObject().put("capsules", list));
        } else if (method.equals(HttpMethod.GET) && path.length == 2) {
            exchange.json(200, ClaimsJson.of(store.get(owner, path[1])));
        } else if (method.equals(HttpMethod.DELETE) && path.length == 2) {
            store.delete(owner, path[1]);
            exchange.json(200, new JsonObject().put("deleted", path[1]));
        } else if (method.equals(HttpMethod.GET) && path.length == 3 && path[2].equals("content")) {
            exchange.response().putHeader("Content-Type", CAPSULE_TYPE).putHeader("Cache-Control", "no-store").sendFile(store.file(owner, path[1]).toString());
        } else {
            throw new RequestException(404, "no-route", "no such endpoint; " + PREFIX + "openapi.json lists them");
        }
    }
}
