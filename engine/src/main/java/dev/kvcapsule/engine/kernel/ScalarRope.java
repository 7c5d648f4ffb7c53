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
        int pairs = table.pairs();
        float[] cos = new float[pairs];
        float[] sin = new float[pairs];
        float[] row = new float[heads * headDim];
        int step = pairing == Pairing.INTERLEAVED ? 2 : 1;
        int apart = pairing == Pairing.INTERLEAVED ? 1 : pairs;
        for (int t = 0; t < tokens; t++) {
            long angles = 4L * (firstRow + t) * pairs;
            long at = offset + 4L * t * row.length;
            MemorySegment.copy(table.cosines(), Bounds.FLOAT, angles, cos, 0, pairs);
            MemorySegment.copy(table.sines(), Bounds.FLOAT, angles, sin, 0, pairs);
            MemorySegment.copy(rows, Bounds.FLOAT, at, row, 0, row.length);
            for (int h = 0; h < heads; h++) {
                rotate(row, h * headDim, step, apart, cos, sin, inverse ? -1 : 1);
            }
            MemorySegment.copy(row, 0, rows, Bounds.FLOAT, at, row.length);
        }
    }

    private static void rotate(float[] row, int from, int step, int apart, float[] cosines, float[] sines, float direction) {
        for (int i = 0; i < cosines.length; i++) {
            int at = from + step * i;
            float cos = cosines[i];
            float sin = direction * sines[i];
            float a = row[at];
            float b = row[at + apart];
            row[at] = canonical(a * cos - b * sin);
            row[at + apart] = canonical(b * cos + a * sin);
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
