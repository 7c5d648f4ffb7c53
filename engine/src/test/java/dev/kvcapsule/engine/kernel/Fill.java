package dev.kvcapsule.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.random.RandomGenerator;

/** Kinds of rows, from ordinary to hostile. */
enum Fill {
    NORMAL,
    OUTLIERS,
    EXTREMES_OF_F16,
    SUBNORMAL,
    SIGNED_ZEROS,
    EQUAL,
    RANDOM_BITS,
    TINY_SPREAD,
    HUGE,
    RARELY_NOT_FINITE;

    private static final float[] EXTREMES = {65504, -65504, 0f, -0f, 65503, 1e-8f, -1e-8f, 6e-8f, 65000};
    private static final float[] NOT_FINITE = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY};

    /** Value {@code i} of the rows. */
    float value(RandomGenerator random, long i) {
        return switch (this) {
            case NORMAL -> (float) random.nextGaussian();
            case OUTLIERS -> (float) (random.nextGaussian() * (i % 17 == 0 ? 300 : 1));
            case EXTREMES_OF_F16 -> EXTREMES[random.nextInt(EXTREMES.length)];
            case SUBNORMAL -> (float) (random.nextGaussian() * 3e-6);
            case SIGNED_ZEROS -> random.nextBoolean() ? -0f : 0f;
            case EQUAL -> -1.375f;
            case RANDOM_BITS -> Float.intBitsToFloat(random.nextInt());
            case TINY_SPREAD -> 1 + random.nextInt(3) * 0x1p-10f;
            case HUGE -> (float) (random.nextGaussian() * 1e38);
            case RARELY_NOT_FINITE -> random.nextInt(500) == 0
                    ? NOT_FINITE[random.nextInt(NOT_FINITE.length)]
                    : random.nextInt(3) == 0 ? -0f : (float) random.nextGaussian() * 1e-30f;
        };
    }

    /** A segment that begins with {@code skew} other bytes and ends with the last of {@code count} values. */
    MemorySegment rows(Arena arena, ElementType type, long count, int skew, RandomGenerator random) {
        MemorySegment rows = arena.allocate(skew + count * type.bytes(), 64);
        for (long i = 0; i < count; i++) {
            if (type == ElementType.F32) {
                rows.set(Bounds.FLOAT, skew + 4 * i, value(random, i));
            } else if (this == RANDOM_BITS) {
                rows.set(Bounds.SHORT, skew + 2 * i, (short) random.nextInt());
            } else {
                rows.set(Bounds.SHORT, skew + 2 * i, to16(type, value(random, i)));
            }
        }
        return rows;
    }

    private static short to16(ElementType type, float value) {
        return type == ElementType.F16 ? Float.floatToFloat16(value) : FloatBits.toBf16(value);
    }

    /** Value {@code i} of rows that begin at {@code offset}. */
    static float get(ElementType type, MemorySegment rows, long offset, long i) {
        return switch (type) {
            case F32 -> rows.get(Bounds.FLOAT, offset + 4 * i);
            case F16 -> Float.float16ToFloat(rows.get(Bounds.SHORT, offset + 2 * i));
            case BF16 -> Float.intBitsToFloat(rows.get(Bounds.SHORT, offset + 2 * i) << 16);
        };
    }

    /** Half the distance of neighbouring values of the format about {@code value}: what rounding may cost. */
    static double rounding(ElementType type, double value) {
        return switch (type) {
            case F16 -> Math.max(Math.abs(value) * 0x1p-11, 0x1p-25);
            case BF16 -> Math.max(Math.abs(value) * 0x1p-8, Float.MIN_VALUE * 0x1p15);
            case F32 -> Math.max(Math.abs(value) * 0x1p-24, Float.MIN_VALUE);
        };
    }
}
