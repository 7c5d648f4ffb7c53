package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.random.RandomGenerator;

/** Packed codes, read one at a time as the format describes them, and noise in their place. */
final class Codes {
    private static final int UNIT = 64;

    private Codes() {}

    /** Code {@code channel} of the row that begins at {@code offset}; channels past the last one are padding. */
    static int get(int bits, MemorySegment codes, long offset, int channel) {
        int perByte = bits == 8 ? 1 : bits == 2 ? 4 : 2;
        int width = UNIT / perByte;
        int inUnit = channel % UNIT;
        int packed = codes.get(ValueLayout.JAVA_BYTE, offset + (long) (channel / UNIT) * width + inUnit % width) & 0xff;
        return packed >> inUnit / width * bits & (1 << bits) - 1;
    }

    /** Bytes of a row of codes. */
    static long rowBytes(int bits, int channels) {
        int perByte = bits == 8 ? 1 : bits == 2 ? 4 : 2;
        return (channels + UNIT - 1L) / UNIT * (UNIT / perByte);
    }

    /** Any bytes. */
    static void randomBytes(MemorySegment segment, RandomGenerator random) {
        for (long i = 0; i < segment.byteSize(); i++) {
            segment.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
        }
    }

    /** Any finite 16-bit values. */
    static void randomFinite(ElementType type, MemorySegment segment, RandomGenerator random) {
        int exponent = type == ElementType.F16 ? 0x7c00 : 0x7f80;
        for (long i = 0; i < segment.byteSize() / 2; i++) {
            short bits = (short) random.nextInt();
            segment.set(Bounds.SHORT, 2 * i, (bits & exponent) == exponent ? 0 : bits);
        }
    }
}
