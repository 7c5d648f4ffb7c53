package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.seal.ChunkRef;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ReadableByteChannel;
import java.util.Optional;

/**
 * A capsule that arrives: whole, or as parts, the tail first, then its chunks in the order of their tokens. A chunk is in memory as a whole while it is decoded.
 */
public final class PartsInput implements ChunkSource {
    private final ReadableByteChannel capsule;
    private final Parts.Reader parts;
    private final long most;

    private PartsInput(ReadableByteChannel capsule, Parts.Reader parts, long most) {
        this.capsule = capsule;
        this.parts = parts;
        this.most = most;
    }

    /** Looks at what begins to arrive, however much that will be. @throws MalformedDataException if these are parts, and the tail is not the first of them */
    public static PartsInput begin(ReadableByteChannel upload) throws IOException {
        return begin(upload, Long.MAX_VALUE);
    }

    /**
     * Looks at what begins to arrive.
     *
     * @param most no more bytes than these can arrive: no memory is taken for a chunk that says it is larger
     * @throws MalformedDataException if these are parts, and the tail is not the first of them
     */
    public static PartsInput begin(ReadableByteChannel upload, long most) throws IOException {
        ByteBuffer first = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        while (first.hasRemaining() && upload.read(first) >= 0) {
            // Read until there is enough, or nothing more.
        }
        ReadableByteChannel again = new Again(first.flip(), upload);
        if (first.remaining() < Long.BYTES || first.getLong(0) != Parts.MAGIC) {
            return new PartsInput(again, null, most);
        }
        Parts.Reader parts = new Parts.Reader(again);
        if (parts.next().type() != Parts.Type.TAIL) {
            throw new MalformedDataException("parts of a capsule begin with its tail: what it says decides whether the rest is looked at");
        }
        return new PartsInput(parts.content(), parts, most);
    }

    /** The capsule, or the tail. */
    public ReadableByteChannel capsule() {
        return capsule;
    }

    @Override
    public Optional<MemorySegment> find(ChunkRef chunk, SegmentAllocator memory) throws IOException {
        if (parts == null) {
            return Optional.empty();
        }
        Parts.Header header = parts.next();
        if (header.type() != Parts.Type.CHUNK) {
            return Optional.empty();
        }
        if (!header.key().equals(chunk.key()) || header.bytes() != chunk.bytes()) {
            throw new CapsuleRefusedException(RefusalCode.DAMAGED, "another chunk arrives than the capsule goes on from");
        }
        if (header.bytes() > most) {
            throw new MalformedDataException("a chunk of " + header.bytes() + " bytes, of at most " + most + " in all");
        }
        MemorySegment bytes = memory.allocate(ValueLayout.JAVA_BYTE, header.bytes());
        parts.read(bytes);
        return Optional.of(bytes);
    }

    @Override
    public void end() throws IOException {
        if (parts != null && parts.next().type() != Parts.Type.END) {
            throw new MalformedDataException("more parts than the capsule goes on from");
        }
    }

    /** A channel of which the first bytes have been looked at. */
    private record Again(ByteBuffer first, ReadableByteChannel rest) implements ReadableByteChannel {
        @Override
        public int read(ByteBuffer target) throws IOException {
            if (!first.hasRemaining()) {
                return rest.read(target);
            }
            int count = Math.min(first.remaining(), target.remaining());
            target.put(first.slice().limit(count));
            first.position(first.position() + count);
            return count;
        }

        @Override
        public boolean isOpen() {
            return rest.isOpen();
        }

        @Override
        public void close() throws IOException {
            rest.close();
        }
    }
}
