package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** {@link RopeKernel} in plain loops: the specification. */
public final class ScalarRope implements RopeKernel {
    /** Creates the kernel; it has no state. */
    public ScalarRope() {}

    @Override
    public void rotate(RopeTable table, int firstRow, MemorySegment rows, long offset, int tokens, int heads, int headDim,
            Pairing pairing, boolean inverse) {
        RopeBounds.check(table, firstRow, rows, offset, tokens, heads, headDim);
        for (int t = 0; t < tokens; t++) {
            long angles = 4L * (firstRow + t) * table.pairs();
            for (int h = 0; h < heads; h++) {
                head(table, angles, rows, offset + 4L * ((long) t * heads + h) * headDim, 0, pairing, inverse);
            }
        }
    }

    /** Rotates one head from pair {@code first} on. */
    static void head(RopeTable table, long angles, MemorySegment rows, long at, int first, Pairing pairing, boolean inverse) {
        MemorySegment cosines = table.cosines();
        MemorySegment sines = table.sines();
        long step = pairing == Pairing.INTERLEAVED ? 8 : 4;
        long apart = pairing == Pairing.INTERLEAVED ? 4 : 4L * table.pairs();
        float direction = inverse ? -1 : 1;
        for (int i = first; i < table.pairs(); i++) {
            float cos = cosines.get(Bounds.FLOAT, angles + 4L * i);
            float sin = direction * sines.get(Bounds.FLOAT, angles + 4L * i);
            float a = rows.get(Bounds.FLOAT, at + step * i);
            float b = rows.get(Bounds.FLOAT, at + step * i + apart);
            rows.set(Bounds.FLOAT, at + step * i, canonical(a * cos - b * sin));
            rows.set(Bounds.FLOAT, at + step * i + apart, canonical(b * cos + a * sin));
        }
    }

    /** One NaN for all: which operand's payload survives is the machine's and the compiler's choice. */
    private static float canonical(float value) {
        return value != value ? Float.NaN : value;
    }
}
