package dev.kvcapsule.gateway;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A response's body, written by a thread that blocks. Each piece is in the socket before the next one is taken: the writer is as fast as its client, and nothing piles up.
 */
final class ResponseChannel implements WritableByteChannel {
    private static final int PIECE = 256 << 10;

    private final HttpServerResponse response;
    private final Duration stall;
    private final long deadline;
    private long written;
    private boolean open = true;

    /**
     * @param response its status and headers are set
     * @param stall longest time for a piece
     * @param total longest time for all
     */
    ResponseChannel(HttpServerResponse response, Duration stall, Duration total) {
        this.response = response;
        this.stall = stall;
        this.deadline = System.nanoTime() + total.toNanos();
    }

    /** Bytes that the socket has taken. */
    long written() {
        return written;
    }

    @Override
    public int write(ByteBuffer source) throws IOException {
        int count = Math.min(PIECE, source.remaining());
        byte[] piece = new byte[count];
        source.get(piece);
        try {
            response.write(Buffer.buffer(piece)).toCompletionStage().toCompletableFuture().get(Math.min(stall.toNanos(), deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            throw new IOException("the client went away", e.getCause());
        } catch (TimeoutException e) {
            throw new IOException("the client reads too slowly", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
        written += count;
        return count;
    }

    @Override
    public boolean isOpen() {
        return open;
    }

    @Override
    public void close() {
        open = false;
    }
}
