package dev.kvcapsule.gateway;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import java.util.Optional;
import java.util.Set;

/**
 * What of the llama-server callers reach. Only what is listed: endpoints that show or change what belongs to all users (slots, their files, properties, adapters) are not,
 * and those of a newer server are not until somebody has looked at them.
 */
final class ServerRoutes {
    /** Requests that use the slot they name. Not among them: /v1/messages, which llama-server (build 10068) puts into whichever slot it likes, and embeddings. */
    private static final Set<String> GENERATING = Set.of("/completion", "/completions", "/v1/completions", "/chat/completions", "/v1/chat/completions", "/infill", "/v1/responses");

    /** Requests that hold nothing of a sequence once they are answered. */
    private static final Set<String> POSTED = Set.of("/tokenize", "/detokenize", "/apply-template");

    private static final Set<String> READ = Set.of("/health", "/v1/health", "/models", "/v1/models");

    /** Larger bodies are parsed by a thread of their own: event loops have others to serve. */
    private static final int INLINE_BYTES = 128 << 10;

    private final PassThrough passThrough;
    private final Slots slots;
    private final Limits limits;

    ServerRoutes(PassThrough passThrough, Slots slots, Limits limits) {
        this.passThrough = passThrough;
        this.slots = slots;
        this.limits = limits;
    }

    /** Serves a request; on its context, and without waiting for anything. */
    void serve(Exchange exchange) {
        HttpMethod method = exchange.request().method();
        String path = exchange.request().path();
        exchange.principal().require(Permission.INFER);
        if (method.equals(HttpMethod.POST) && GENERATING.contains(path)) {
            exchange.setOperation("generate");
            RequestBody.read(exchange, limits).onSuccess(body -> exchange.guarded(() -> generate(exchange, body))).onFailure(exchange::fail);
        } else if (method.equals(HttpMethod.POST) && POSTED.contains(path)) {
            exchange.setOperation("pass");
            RequestBody.read(exchange, limits).onSuccess(body -> passThrough.forward(exchange, body, () -> { })).onFailure(exchange::fail);
        } else if (method.equals(HttpMethod.GET) && READ.contains(path)) {
            exchange.setOperation("pass");
            passThrough.forward(exchange, Buffer.buffer(), () -> { });
        } else {
            throw new RequestException(404, "no-route", "the gateway lets through what generates, tokenizes and lists models; slots are under /capsule/v1");
        }
    }

    /** Mostly the user's own slot is free: then the request is on its way at once. Whatever takes waiting has a thread. */
    private void generate(Exchange exchange, Buffer raw) {
        if (raw.length() <= INLINE_BYTES) {
            GenerationBody body = GenerationBody.of(raw);
            Optional<SlotLease> free = slots.acquireNow(exchange.principal(), body.slot());
            if (free.isPresent()) {
                send(exchange, body, free.get());
                return;
            }
        }
        exchange.blocking(() -> {
            GenerationBody body = GenerationBody.of(raw);
            send(exchange, body, slots.acquire(exchange.principal(), body.slot(), SlotTable.Use.GENERATE));
        });
    }

    private void send(Exchange exchange, GenerationBody body, SlotLease lease) {
        exchange.note("slot", lease.slot());
        passThrough.forward(exchange, body.in(lease.slot()), lease::close);
    }
}
