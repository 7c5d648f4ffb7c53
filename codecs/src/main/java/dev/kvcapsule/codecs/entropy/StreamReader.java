package dev.kvcapsule.codecs.entropy;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RansContexts;
import dev.kvcapsule.engine.kernel.RansKernel;
import dev.kvcapsule.engine.kernel.RansTables;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Reads the streams of a tile payload in the order in which a {@link StreamWriter} appended them. Total: any bytes decode or are refused. */
public final class StreamReader {
    private final RansKernel rans;
    private final MemoryPlace memory;
    private MemorySegment in = MemorySegment.NULL;
    private long position;

    /** A reader for one thread. */
    public StreamReader(Kernels kernels) {
        this.rans = kernels.rans();
        this.memory = kernels.memory();
    }

    /** Starts at the beginning of a payload. */
    public StreamReader begin(MemorySegment in) {
        this.in = in;
        this.position = 0;
        return this;
    }

    /**
     * Reads the next stream, without copying it if it is stored raw.
     *
     * @param count symbols it must have
     * @param scratch native memory of at least {@code count} bytes, used if the stream is coded
     * @return memory whose first {@code count} bytes are the symbols: a slice of the payload, or {@code scratch}
     * @throws MalformedDataException if there is no such stream
     */
    public MemorySegment next(long count, MemorySegment scratch) throws MalformedDataException {
        if (in.byteSize() - position < StreamWriter.HEADER_BYTES) {
            throw malformed("stream header is cut off");
        }
        byte form = in.get(ValueLayout.JAVA_BYTE, position);
        long body = Integer.toUnsignedLong(in.get(StreamWriter.INT, position + 1));
        position += StreamWriter.HEADER_BYTES;
        if (body > in.byteSize() - position) {
            throw malformed("stream of " + body + " bytes where " + (in.byteSize() - position) + " are left");
        }
        MemorySegment bytes = in.asSlice(position, body);
        position += body;
        switch (form) {
            case StreamWriter.RAW -> {
                if (body != count) {
                    throw malformed("raw stream of " + body + " symbols where " + count + " belong");
                }
                return bytes;
            }
            case StreamWriter.CONSTANT -> {
                if (body != 1) {
                    throw malformed("constant stream of " + body + " bytes");
                }
                memory.fill(scratch.asSlice(0, count), bytes.get(ValueLayout.JAVA_BYTE, 0));
            }
            case StreamWriter.RANS -> decode(bytes, 0, RansContexts.constant(0), count, scratch);
            case StreamWriter.RANS_BY_POSITION -> throw malformed("stream has position classes where none belong");
            default -> throw malformed("unknown stream form " + form);
        }
        return scratch;
    }

    /**
     * Like {@link #next(long, MemorySegment)} for a stream that was written with position classes.
     *
     * @param period as it was written
     */
    public MemorySegment next(long count, int period, MemorySegment scratch) throws MalformedDataException {
        boolean classes = in.byteSize() - position >= StreamWriter.HEADER_BYTES && in.get(ValueLayout.JAVA_BYTE, position) == StreamWriter.RANS_BY_POSITION;
        if (!classes) {
            return next(count, scratch);
        }
        long body = Integer.toUnsignedLong(in.get(StreamWriter.INT, position + 1));
        position += StreamWriter.HEADER_BYTES;
        if (body > in.byteSize() - position || body < period) {
            throw malformed("stream of " + body + " bytes where " + (in.byteSize() - position) + " are left");
        }
        byte[] map = in.asSlice(position, period).toArray(ValueLayout.JAVA_BYTE);
        RansContexts contexts;
        try {
            contexts = RansContexts.of(map);
        } catch (IllegalArgumentException e) {
            throw malformed(e.getMessage());
        }
        decode(in.asSlice(position, body), period, contexts, count, scratch);
        position += body;
        return scratch;
    }

    private void decode(MemorySegment body, long tablesAt, RansContexts contexts, long count, MemorySegment scratch) throws MalformedDataException {
        RansTables tables = RansTables.read(body, tablesAt, body.byteSize());
        try {
            rans.decode(body.asSlice(tablesAt + tables.storedBytes()), scratch, count, tables, contexts);
        } catch (IllegalArgumentException e) {
            throw malformed(e.getMessage());
        }
    }

    /** @throws MalformedDataException if there are bytes after the last stream */
    public void end() throws MalformedDataException {
        if (position != in.byteSize()) {
            throw malformed((in.byteSize() - position) + " bytes after the last stream");
        }
    }

    private MalformedDataException malformed(String reason) {
        return new MalformedDataException("payload byte " + position + ": " + reason);
    }
}
