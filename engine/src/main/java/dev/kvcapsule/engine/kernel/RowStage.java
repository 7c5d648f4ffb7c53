package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** Moves values between a row format in native memory and a {@code float[]} scratch that stays in the first-level cache. */
final class RowStage {

    private RowStage() {}

    static void load(ElementType type, MemorySegment source, long offset, float[] target, int at, int count) {
        switch (type) {
            case F16 -> loadHalf(source, offset, target, at, count);
            case BF16 -> loadBfloat(source, offset, target, at, count);
            case F32 -> MemorySegment.copy(source, Bounds.FLOAT, offset, target, at, count);
        }
    }

    static void store(ElementType type, float[] source, int at, MemorySegment target, long offset, int count) {
        switch (type) {
            case F16 -> storeHalf(source, at, target, offset, count);
            case BF16 -> storeBfloat(source, at, target, offset, count);
            case F32 -> MemorySegment.copy(source, at, target, Bounds.FLOAT, offset, count);
        }
    }

    // One loop a method: C2 compiles each for itself, and each is a shape it vectorizes.

    static void loadHalf(MemorySegment source, long offset, float[] target, int at, int count) {
        for (int i = 0; i < count; i++) {
            target[at + i] = Float.float16ToFloat(source.get(Bounds.SHORT, offset + 2L * i));
        }
    }

    static void storeHalf(float[] source, int at, MemorySegment target, long offset, int count) {
        for (int i = 0; i < count; i++) {
            target.set(Bounds.SHORT, offset + 2L * i, Float.floatToFloat16(source[at + i]));
        }
    }

    private static void loadBfloat(MemorySegment source, long offset, float[] target, int at, int count) {
        for (int i = 0; i < count; i++) {
            target[at + i] = Float.intBitsToFloat(source.get(Bounds.SHORT, offset + 2L * i) << 16);
        }
    }

    private static void storeBfloat(float[] source, int at, MemorySegment target, long offset, int count) {
        for (int i = 0; i < count; i++) {
            target.set(Bounds.SHORT, offset + 2L * i, FloatBits.toBf16(source[at + i]));
        }
    }

}
