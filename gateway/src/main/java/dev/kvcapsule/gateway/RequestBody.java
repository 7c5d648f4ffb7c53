package dev.kvcapsule.gateway;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import java.io.IOException;
import java.nio.ByteBuffer;

/** A request's body in memory, no larger than it may be. */
final class RequestBody {
    private RequestBody() {}

    /** Reads all of it; blocks. @throws RequestException if it is larger than the limit or comes too slowly */
    static Buffer read(Exchange exchange, Limits limits) throws IOException {
        HttpServerRequest request = exchange.request();
        requireSmaller(request, limits.requestBytes());
        UploadChannel channel = new UploadChannel(exchange, limits.requestBytes(), limits.stall(), limits.total());
        Buffer body = Buffer.buffer();
        ByteBuffer piece = ByteBuffer.allocate(16 << 10);
        while (channel.read(piece) >= 0) {
            body.appendBytes(piece.array(), 0, piece.position());
            piece.clear();
        }
        return body;
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
