package dev.kvcapsule.gateway;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;

/** A request's body in memory, no larger than it may be. All of it happens on the request's context. */
final class RequestBody {
    private final HttpServerRequest request;
    private final Vertx vertx;
    private final Limits limits;
    private final Promise<Buffer> whole = Promise.promise();
    private final Buffer body = Buffer.buffer();
    private long timer;

    private RequestBody(Exchange exchange, Limits limits) {
        this.request = exchange.request();
        this.vertx = exchange.context().owner();
        this.limits = limits;
    }

    /** Reads all of it. @return fails with a {@link RequestException} if it is larger than the limit, comes too slowly, or its client goes away */
    static Future<Buffer> read(Exchange exchange, Limits limits) {
        requireSmaller(exchange.request(), limits.requestBytes());
        RequestBody reading = new RequestBody(exchange, limits);
        reading.start();
        exchange.onGone(reading::gone);
        return reading.whole.future();
    }

    private void start() {
        request.handler(this::add);
        request.endHandler(v -> end());
        request.exceptionHandler(e -> gone());
        wind();
        request.resume();
    }

    /** The time without a byte begins anew. */
    private void wind() {
        vertx.cancelTimer(timer);
        timer = vertx.setTimer(limits.stall().toMillis(), t -> whole.tryFail(new RequestException(408, "timeout", "the request came too slowly")));
    }

    private void add(Buffer piece) {
        if (body.length() + piece.length() > limits.requestBytes()) {
            vertx.cancelTimer(timer);
            whole.tryFail(new RequestException(413, "too-large", "larger than " + limits.requestBytes() + " bytes"));
            return;
        }
        body.appendBuffer(piece);
        wind();
    }

    private void end() {
        vertx.cancelTimer(timer);
        whole.tryComplete(body);
    }

    private void gone() {
        vertx.cancelTimer(timer);
        whole.tryFail(new RequestException(400, "gone", "the client went away"));
    }

    /** @throws RequestException if it says that it is larger, before any of it is read */
    static void requireSmaller(HttpServerRequest request, long most) {
        String length = request.getHeader("Content-Length");
        // HTTP/1.1 messages with a length that is no number do not get here.
        if (length != null && Long.parseLong(length) > most) {
            throw new RequestException(413, "too-large", "larger than " + most + " bytes");
        }
    }
}
