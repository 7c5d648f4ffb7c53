package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/**
 * Moves rows between native memory and heap scratch: one bulk copy, then a plain loop from array to array. Such loops are fast from the first
 * second on (the interpreter and C1 access arrays well, segments badly), and C2 vectorizes them, conversions to and from f16 included.
 */
final class HeapRows {
    private final ElementType type;
    private final short[] halves;

    /** @param elements most elements moved at once */
    HeapRows(ElementType type, int elements) {
        this.type = type;
        this.halves = new short[type == ElementType.F32 ? 0 : elements];
    }

    void load(MemorySegment source, long offset, float[] target, int count) {
        if (type == ElementType.F32) {
            MemorySegment.copy(source, Bounds.FLOAT, offset, target, 0, count);
            return;
        }
        MemorySegment.copy(source, Bounds.SHORT, offset, halves, 0, count);
        if (type == ElementType.F16) {
            fromHalves(halves, target, count);
        } else {
            fromBfloats(halves, target, count);
        }
    }

    void store(float[] source, MemorySegment target, long offset, int count) {
        if (type == ElementType.F32) {
            MemorySegment.copy(source, 0, target, Bounds.FLOAT, offset, count);
            return;
        }
        if (type == ElementType.F16) {
            toHalves(source, halves, count);
        } else {
            toBfloats(source, halves, count);
        }
        MemorySegment.copy(halves, 0, target, Bounds.SHORT, offset, count);
    }

    private static void fromHalves(short[] source, float[] target, int count) {
        for (int i = 0; i < count; i++) {
            target[i] = Float.float16ToFloat(source[i]);
        }
    }

    private static void toHalves(float[] source, short[] target, int count) {
        for (int i = 0; i < count; i++) {
            target[i] = Float.floatToFloat16(source[i]);
        }
    }

    private static void fromBfloats(short[] source, float[] target, int count) {
        for (int i = 0; i < count; i++) {
            target[i] = Float.intBitsToFloat(source[i] << 16);
        }
    }

    private static void toBfloats(float[] source, short[] target, int count) {
        for (int i = 0; i < count; i++) {
            target[i] = FloatBits.toBf16(source[i]);
        }
    }
}
