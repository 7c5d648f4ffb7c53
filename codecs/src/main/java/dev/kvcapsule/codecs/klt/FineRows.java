package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.entropy.StreamReader;
import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Token vectors in 8 bits, with a binary16 scale for each {@value #RUN} channels: how sinks are coded, which no basis fits. For one thread. */
final class FineRows implements AutoCloseable {
    private static final int RUN = 32;
    private static final int LARGEST = 127;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final StreamWriter writer;
    private final StreamReader reader;
    private final GrowingBuffer codes = new GrowingBuffer();
    private final GrowingBuffer scales = new GrowingBuffer();

    FineRows(Kernels kernels) {
        this.writer = new StreamWriter(kernels);
        this.reader = new StreamReader(kernels);
    }

    private static long runs(int tokens, int width) {
        return (long) tokens * Math.ceilDiv(width, RUN);
    }

    static long maxBytes(int tokens, int width) {
        return StreamWriter.maxBytes((long) tokens * width) + StreamWriter.maxBytes(2 * runs(tokens, width));
    }

    /**
     * @param rows f32 {@code [tokens][width]}, finite
     * @return bytes written; or -1 if a number is out of range
     */
    long encode(MemorySegment rows, int tokens, int width, MemorySegment out) {
        MemorySegment code = codes.atLeast((long) tokens * width);
        MemorySegment scale = scales.atLeast(2 * runs(tokens, width));
        long run = 0;
        for (int t = 0; t < tokens; t++) {
            for (int first = 0; first < width; first += RUN, run++) {
                int count = Math.min(RUN, width - first);
                long at = (long) t * width + first;
                float largest = 0;
                for (int i = 0; i < count; i++) {
                    largest = Math.max(largest, Math.abs(rows.get(Transform.FLOAT, 4 * (at + i))));
                }
                short half = Float.floatToFloat16(largest / LARGEST);
                float unit = Float.float16ToFloat(half);
                if (Float.isInfinite(unit)) {
                    return -1;
                }
                scale.set(SHORT, 2 * run, half);
                for (int i = 0; i < count; i++) {
                    float value = unit == 0 ? 0 : rows.get(Transform.FLOAT, 4 * (at + i)) / unit;
                    code.set(ValueLayout.JAVA_BYTE, at + i, (byte) Math.clamp((long) Math.rint(value), -LARGEST, LARGEST));
                }
            }
        }
        writer.begin(out);
        writer.coded(code, (long) tokens * width);
        writer.coded(scale, 2 * run);
        return writer.position();
    }

    /** @param rows receives f32 {@code [tokens][width]} */
    void decode(MemorySegment in, int tokens, int width, MemorySegment rows) throws MalformedDataException {
        reader.begin(in);
        MemorySegment code = reader.next((long) tokens * width, codes.atLeast((long) tokens * width));
        MemorySegment scale = reader.next(2 * runs(tokens, width), scales.atLeast(2 * runs(tokens, width)));
        reader.end();
        long run = 0;
        for (int t = 0; t < tokens; t++) {
            for (int first = 0; first < width; first += RUN, run++) {
                float unit = Float.float16ToFloat(scale.get(SHORT, 2 * run));
                if (!Float.isFinite(unit)) {
                    throw new MalformedDataException("scale of a fine row is not finite");
                }
                long at = (long) t * width + first;
                for (int i = 0; i < Math.min(RUN, width - first); i++) {
                    rows.set(Transform.FLOAT, 4 * (at + i), code.get(ValueLayout.JAVA_BYTE, at + i) * unit);
                }
            }
        }
    }

    @Override
    public void close() {
        writer.close();
        codes.close();
        scales.close();
    }
}
