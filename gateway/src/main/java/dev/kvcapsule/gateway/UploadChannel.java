package dev.kvcapsule.gateway;

import io.vertx.core.Context;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.time.Duration;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * A request's body, read by a thread that blocks. The client is read from only as fast as that thread reads: at most a few pieces, of the size that arrives from the
 * network, wait here. It ends with an exception if the client goes away, sends nothing for too long, or sends more than it may.
 */
final class UploadChannel implements ReadableByteChannel {
    private static final int AHEAD = 16;

    private record Event(Buffer piece, boolean last, IOException failure) {}

    private final LinkedBlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private final HttpServerRequest request;
    private final Context context;
    private final long most;
    private final Duration stall;
    private final long deadline;
    private ByteBuffer current = ByteBuffer.allocate(0);
    private long received;
    private boolean listening;
    private boolean ended;
    private boolean open = true;

    /**
     * Takes over the body of a request that is paused. Nothing is taken from the client before the first byte is read: those who wait for their turn take no memory.
     *
     * @param most bytes that are taken
     * @param stall longest wait for a piece
     * @param total longest time for all
     */
    UploadChannel(Exchange exchange, long most, Duration stall, Duration total) {
        this.request = exchange.request();
        this.context = exchange.context();
        this.most = most;
        this.stall = stall;
        this.deadline = System.nanoTime() + total.toNanos();
        exchange.onGone(() -> events.add(new Event(null, false, new IOException("the client went away"))));
    }

    private void listen() {
        request.handler(piece -> events.add(new Event(piece, false, null)));
        request.endHandler(v -> events.add(new Event(null, true, null)));
        request.exceptionHandler(e -> events.add(new Event(null, false, new IOException("the client went away", e))));
        request.fetch(AHEAD);
    }

    /** Bytes that have been read. */
    long received() {
        return received;
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
        if (!current.hasRemaining() && !ended) {
            next();
        }
        if (!current.hasRemaining()) {
            return ended ? -1 : 0;
        }
        int count = Math.min(target.remaining(), current.remaining());
        target.put(target.position(), current, current.position(), count);
        target.position(target.position() + count);
        current.position(current.position() + count);
        return count;
    }

    private void next() throws IOException {
        if (!listening) {
            listening = true;
            context.runOnContext(v -> listen());
        }
        Event event;
        try {
            event = events.poll(Math.min(stall.toNanos(), deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
        if (event == null) {
            throw new RequestException(408, "timeout", "the upload came too slowly");
        }
        if (event.failure != null) {
            throw event.failure;
        }
        if (event.last) {
            ended = true;
            return;
        }
        received += event.piece.length();
        if (received > most) {
            throw new RequestException(413, "too-large", "larger than " + most + " bytes");
        }
        current = ByteBuffer.wrap(event.piece.getBytes());
        context.runOnContext(v -> request.fetch(1));
    }

    /** Reads what is left and forgets it, so that the client has sent everything when it is told why its capsule was refused. */
    void drain() throws IOException {
        while (!ended) {
            current = ByteBuffer.allocate(0);
            next();
        }
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
