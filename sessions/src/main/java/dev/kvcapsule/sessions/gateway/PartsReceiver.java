package dev.kvcapsule.sessions.gateway;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.serving.files.AtomicOutput;
import dev.kvcapsule.store.ChunkStore;
import dev.kvcapsule.store.StoreKey;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Path;

/** Takes the parts that a gateway sends: chunks into the store, and, when they are on the disk, the tail into its file. */
final class PartsReceiver {
    private static final int BUFFER = 1 << 20;

    private final ChunkStore store;
    private final Path file;
    private long received;
    private boolean tail;

    PartsReceiver(ChunkStore store, Path file) {
        this.store = store;
        this.file = file;
    }

    /** Bytes of the parts. */
    long received() {
        return received;
    }

    /**
     * Reads to the end.
     *
     * @throws GatewayException if what comes is not that, or breaks off
     */
    void read(InputStream body) throws IOException {
        try {
            Parts.Reader parts = new Parts.Reader(new Answer(Channels.newChannel(body)));
            for (Parts.Header part = parts.next(); part.type() != Parts.Type.END; part = parts.next()) {
                received += part.bytes();
                if (part.type() == Parts.Type.CHUNK) {
                    chunk(parts, part);
                } else {
                    tail(parts);
                }
            }
        } catch (MalformedDataException e) {
            throw new GatewayException(e.isTruncated() ? "interrupted" : "answer", "what the gateway sent are no whole parts: " + e.getMessage());
        }
        if (!tail) {
            throw new GatewayException("answer", "the gateway sent no capsule");
        }
    }

    private void chunk(Parts.Reader parts, Parts.Header part) throws IOException {
        if (part.bytes() > ChunkRef.MOST_BYTES) {
            throw new GatewayException("answer", "the gateway sends a chunk of " + part.bytes() + " bytes");
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(ValueLayout.JAVA_BYTE, part.bytes());
            parts.read(bytes);
            store.append(new StoreKey(part.key()), part.expires(), bytes);
        }
    }

    private void tail(Parts.Reader parts) throws IOException {
        if (tail) {
            throw new GatewayException("answer", "the gateway sends two capsules");
        }
        store.commit();
        try (AtomicOutput out = AtomicOutput.create(file)) {
            ByteBuffer piece = ByteBuffer.allocate(BUFFER);
            ReadableByteChannel content = parts.content();
            while (content.read(piece) >= 0) {
                piece.flip();
                while (piece.hasRemaining()) {
                    out.channel().write(piece);
                }
                piece.clear();
            }
            out.commit();
        }
        tail = true;
    }

    /** A connection that breaks is the gateway's fault, not this machine's. */
    private record Answer(ReadableByteChannel in) implements ReadableByteChannel {
        @Override
        public int read(ByteBuffer target) throws IOException {
            try {
                return in.read(target);
            } catch (IOException e) {
                throw new GatewayException("interrupted", "the gateway broke off: " + e.getMessage());
            }
        }

        @Override
        public boolean isOpen() {
            return in.isOpen();
        }

        @Override
        public void close() throws IOException {
            in.close();
        }
    }
}
