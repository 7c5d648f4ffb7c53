package dev.kvcapsule.codecs.entropy;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;

/**
 * Streams of 16-bit parameters (zero points, steps, gains): one raw stream, or an upper and a lower byte plane of which each is coded if that
 * wins.
 */
public final class WordStreams implements AutoCloseable {
    private static final int WORD_BYTES = 2;

    /** Most tables for the upper byte plane, whose size differs from channel to channel. */
    private static final int UPPER_CLASSES = 8;

    private final Kernels kernels;
    private final boolean coded;
    private final GrowingBuffer planes;

    /** @param coded whether planes are coded; a parameter of the codec, since the reader must know */
    public WordStreams(Kernels kernels, boolean coded) {
        this.kernels = kernels;
        this.coded = coded;
        this.planes = new GrowingBuffer(kernels.memory());
    }

    /** An upper bound of what {@link #write} appends for {@code count} words. */
    public static long maxBytes(long count) {
        return WORD_BYTES * StreamWriter.maxBytes(count);
    }

    /**
     * Appends {@code count} little-endian words.
     *
     * @param period words after which the same channel or head comes again
     */
    public void write(StreamWriter writer, MemorySegment words, long count, int period) {
        if (!coded) {
            writer.raw(words, WORD_BYTES * count);
            return;
        }
        MemorySegment split = planes.atLeast(WORD_BYTES * count);
        kernels.bytePlane().split(words, WORD_BYTES, count, split);
        writer.coded(split.asSlice(0, count), count);
        writer.coded(split.asSlice(count, count), count, period, UPPER_CLASSES);
    }

    /**
     * Reads what {@link #write} appended.
     *
     * @param period as it was written
     * @param scratch native memory of at least {@code 2 * count} bytes
     * @return memory that begins with the words
     */
    public MemorySegment read(StreamReader reader, long count, int period, MemorySegment scratch) throws MalformedDataException {
        if (!coded) {
            return reader.next(WORD_BYTES * count, scratch);
        }
        MemorySegment split = planes.atLeast(WORD_BYTES * count);
        for (int plane = 0; plane < WORD_BYTES; plane++) {
            MemorySegment slot = split.asSlice(plane * count, count);
            MemorySegment symbols = plane == 0 ? reader.next(count, slot) : reader.next(count, period, slot);
            if (symbols.address() != slot.address()) {
                kernels.memory().copy(symbols, 0, slot, 0, count);
            }
        }
        kernels.bytePlane().join(split, WORD_BYTES, count, scratch);
        return scratch;
    }

    @Override
    public void close() {
        planes.close();
    }
}
