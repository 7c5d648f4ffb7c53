package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/** {@link RopeKernel} with the Vector API. */
public final class PanamaRope implements RopeKernel {
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final int LANES = FLOAT.length();
    private static final VectorShuffle<Float> TWICE = VectorShuffle.fromOp(FLOAT, i -> i / 2);
    private static final VectorShuffle<Float> SWAPPED = VectorShuffle.fromOp(FLOAT, i -> i ^ 1);
    private static final float[] ALTERNATING = alternating();

    /** Creates the kernel; it has no state. */
    public PanamaRope() {}

    private static float[] alternating() {
        float[] signs = new float[LANES];
        for (int i = 0; i < LANES; i++) {
            signs[i] = i % 2 == 0 ? -1 : 1;
        }
        return signs;
    }

    @Override
    public void rotate(RopeTable table, int firstRow, MemorySegment rows, long offset, int tokens, int heads, int headDim,
            Pairing pairing, boolean inverse) {
        RopeBounds.check(table, firstRow, rows, offset, tokens, heads, headDim);
        for (int t = 0; t < tokens; t++) {
            long angles = 4L * (firstRow + t) * table.pairs();
            for (int h = 0; h < heads; h++) {
                long at = offset + 4L * ((long) t * heads + h) * headDim;
                int done = pairing == Pairing.INTERLEAVED
                        ? interleaved(table.cosines(), table.sines(), angles, table.pairs(), rows, at, inverse)
                        : halves(table.cosines(), table.sines(), angles, table.pairs(), rows, at, inverse);
                ScalarRope.head(table, angles, rows, at, done, pairing, inverse);
            }
        }
    }

    private static int halves(MemorySegment cosines, MemorySegment sines, long angles, int pairs, MemorySegment rows, long at,
            boolean inverse) {
        float direction = inverse ? -1 : 1;
        int i = 0;
        for (; i <= pairs - LANES; i += LANES) {
            FloatVector cos = FloatVector.fromMemorySegment(FLOAT, cosines, angles + 4L * i, LE);
            FloatVector sin = FloatVector.fromMemorySegment(FLOAT, sines, angles + 4L * i, LE).mul(direction);
            FloatVector a = FloatVector.fromMemorySegment(FLOAT, rows, at + 4L * i, LE);
            FloatVector b = FloatVector.fromMemorySegment(FLOAT, rows, at + 4L * (i + pairs), LE);
            FloatVector first = a.mul(cos).sub(b.mul(sin));
            FloatVector second = b.mul(cos).add(a.mul(sin));
            first.blend(Float.NaN, unordered(first)).intoMemorySegment(rows, at + 4L * i, LE);
            second.blend(Float.NaN, unordered(second)).intoMemorySegment(rows, at + 4L * (i + pairs), LE);
        }
        return i;
    }

    private static int interleaved(MemorySegment cosines, MemorySegment sines, long angles, int pairs, MemorySegment rows, long at,
            boolean inverse) {
        // a cos - b sin is a cos + b (-sin), bit for bit, so one product with a sign-alternating sine serves both lanes of a pair.
        FloatVector direction = FloatVector.fromArray(FLOAT, ALTERNATING, 0).mul(inverse ? -1 : 1);
        int i = 0;
        for (; i <= pairs - LANES / 2; i += LANES / 2) {
            FloatVector cos = FloatVector.fromMemorySegment(FLOAT, cosines, angles + 4L * i, LE).rearrange(TWICE);
            FloatVector sin = FloatVector.fromMemorySegment(FLOAT, sines, angles + 4L * i, LE).rearrange(TWICE).mul(direction);
            FloatVector pair = FloatVector.fromMemorySegment(FLOAT, rows, at + 8L * i, LE);
            FloatVector turned = pair.mul(cos).add(pair.rearrange(SWAPPED).mul(sin));
            turned.blend(Float.NaN, unordered(turned)).intoMemorySegment(rows, at + 8L * i, LE);
        }
        return i;
    }

    private static VectorMask<Float> unordered(FloatVector value) {
        return value.compare(VectorOperators.NE, value);
    }
}
