package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The innermost loops of products, {@code c[r][j] += a[r][p] * b[p][j]}, with all sums in registers: {@value #VECTORS} vectors of columns are a tile. Each
 * shape is a method of its own and spelled out: C2 keeps vectors in registers only in methods that are small, and sums only in local variables.
 */
final class PanamaTile {
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    static final int LANES = FLOAT.length();
    /** Vectors of a tile's row. */
    static final int VECTORS = 12;
    /** Columns of a tile. */
    static final int COLUMNS = VECTORS * LANES;
    /** Values of a row of a that are together; as many rows of b, which fill a part of the second-level cache. */
    static final int DEPTH = 256;
    /**
     * Rows whose sums, two vectors each, stay in registers: there are 32 where vectors have 512 bits (and on Arm), else 16. With three vectors each C2 runs out
     * of registers (measured: 97 instead of 114 of 118 GFLOP/s).
     */
    static final int ROWS = VectorWidth.BITS == 512 || System.getProperty("os.arch").equals("aarch64") ? 8 : 4;
    /** Bytes of a row of b and of c. */
    static final long ROW = 4L * COLUMNS;
    /** Bytes of a row of a. */
    static final long A_ROW = 4L * DEPTH;

    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final long VECTOR = 4L * LANES;

    private PanamaTile() {}

    /**
     * Some columns of ROWS rows of sums.
     *
     * @param a       [ROWS][DEPTH]
     * @param aAt     bytes to its first value
     * @param b       [depth][COLUMNS] from its beginning
     * @param depth   products of a sum, at most DEPTH
     * @param c       [ROWS][COLUMNS]
     * @param cAt     bytes to its first sum
     * @param vectors columns to do, from the first on, in vectors; what comes after them may be done too
     */
    static void dense(MemorySegment a, long aAt, MemorySegment b, int depth, MemorySegment c, long cAt, int vectors) {
        for (int v = 0; v < vectors; v += 2) {
            if (ROWS == 8) {
                byEight(a, aAt, b, v * VECTOR, depth, c, cAt + v * VECTOR);
            } else {
                byFour(a, aAt, b, v * VECTOR, depth, c, cAt + v * VECTOR);
            }
        }
    }

    /** Makes zeros positive: -0 + 0 is 0, any other value stays as it is. */
    static void positiveZeros(MemorySegment c, long at, int vectors) {
        for (int v = 0; v < vectors; v++) {
            FloatVector.fromMemorySegment(FLOAT, c, at + v * VECTOR, LE).add(0f).intoMemorySegment(c, at + v * VECTOR, LE);
        }
    }

    /** One row of sums: {@code c += value * b[offset]} for a list of (f32 value, int32 offset) from {@code at} to {@code end}. */
    static void sparse(MemorySegment list, long at, int count, MemorySegment b, MemorySegment c, long cAt) {
        FloatVector s0 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 0 * VECTOR, LE);
        FloatVector s1 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 1 * VECTOR, LE);
        FloatVector s2 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 2 * VECTOR, LE);
        FloatVector s3 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 3 * VECTOR, LE);
        FloatVector s4 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 4 * VECTOR, LE);
        FloatVector s5 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 5 * VECTOR, LE);
        FloatVector s6 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 6 * VECTOR, LE);
        FloatVector s7 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 7 * VECTOR, LE);
        FloatVector s8 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 8 * VECTOR, LE);
        FloatVector s9 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 9 * VECTOR, LE);
        FloatVector s10 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 10 * VECTOR, LE);
        FloatVector s11 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 11 * VECTOR, LE);
        for (int i = 0; i < count; i++) {
            FloatVector value = FloatVector.broadcast(FLOAT, list.get(Bounds.FLOAT, at + 8L * i));
            long row = list.get(INT, at + 8L * i + 4) * ROW;
            s0 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 0 * VECTOR, LE), s0);
            s1 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 1 * VECTOR, LE), s1);
            s2 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 2 * VECTOR, LE), s2);
            s3 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 3 * VECTOR, LE), s3);
            s4 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 4 * VECTOR, LE), s4);
            s5 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 5 * VECTOR, LE), s5);
            s6 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 6 * VECTOR, LE), s6);
            s7 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 7 * VECTOR, LE), s7);
            s8 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 8 * VECTOR, LE), s8);
            s9 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 9 * VECTOR, LE), s9);
            s10 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 10 * VECTOR, LE), s10);
            s11 = value.fma(FloatVector.fromMemorySegment(FLOAT, b, row + 11 * VECTOR, LE), s11);
        }
        s0.intoMemorySegment(c, cAt + 0 * VECTOR, LE);
        s1.intoMemorySegment(c, cAt + 1 * VECTOR, LE);
        s2.intoMemorySegment(c, cAt + 2 * VECTOR, LE);
        s3.intoMemorySegment(c, cAt + 3 * VECTOR, LE);
        s4.intoMemorySegment(c, cAt + 4 * VECTOR, LE);
        s5.intoMemorySegment(c, cAt + 5 * VECTOR, LE);
        s6.intoMemorySegment(c, cAt + 6 * VECTOR, LE);
        s7.intoMemorySegment(c, cAt + 7 * VECTOR, LE);
        s8.intoMemorySegment(c, cAt + 8 * VECTOR, LE);
        s9.intoMemorySegment(c, cAt + 9 * VECTOR, LE);
        s10.intoMemorySegment(c, cAt + 10 * VECTOR, LE);
        s11.intoMemorySegment(c, cAt + 11 * VECTOR, LE);
    }

    private static void byEight(MemorySegment a, long aAt, MemorySegment b, long bAt, int depth, MemorySegment c, long cAt) {
        FloatVector s00 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 0 * ROW + 0 * VECTOR, LE);
        FloatVector s01 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 0 * ROW + 1 * VECTOR, LE);
        FloatVector s10 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 1 * ROW + 0 * VECTOR, LE);
        FloatVector s11 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 1 * ROW + 1 * VECTOR, LE);
        FloatVector s20 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 2 * ROW + 0 * VECTOR, LE);
        FloatVector s21 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 2 * ROW + 1 * VECTOR, LE);
        FloatVector s30 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 3 * ROW + 0 * VECTOR, LE);
        FloatVector s31 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 3 * ROW + 1 * VECTOR, LE);
        FloatVector s40 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 4 * ROW + 0 * VECTOR, LE);
        FloatVector s41 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 4 * ROW + 1 * VECTOR, LE);
        FloatVector s50 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 5 * ROW + 0 * VECTOR, LE);
        FloatVector s51 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 5 * ROW + 1 * VECTOR, LE);
        FloatVector s60 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 6 * ROW + 0 * VECTOR, LE);
        FloatVector s61 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 6 * ROW + 1 * VECTOR, LE);
        FloatVector s70 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 7 * ROW + 0 * VECTOR, LE);
        FloatVector s71 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 7 * ROW + 1 * VECTOR, LE);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = FloatVector.fromMemorySegment(FLOAT, b, bAt + p * ROW + 0 * VECTOR, LE);
            FloatVector b1 = FloatVector.fromMemorySegment(FLOAT, b, bAt + p * ROW + 1 * VECTOR, LE);
            FloatVector a0 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 0 * A_ROW + 4L * p));
            s00 = a0.fma(b0, s00);
            s01 = a0.fma(b1, s01);
            FloatVector a1 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 1 * A_ROW + 4L * p));
            s10 = a1.fma(b0, s10);
            s11 = a1.fma(b1, s11);
            FloatVector a2 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 2 * A_ROW + 4L * p));
            s20 = a2.fma(b0, s20);
            s21 = a2.fma(b1, s21);
            FloatVector a3 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 3 * A_ROW + 4L * p));
            s30 = a3.fma(b0, s30);
            s31 = a3.fma(b1, s31);
            FloatVector a4 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 4 * A_ROW + 4L * p));
            s40 = a4.fma(b0, s40);
            s41 = a4.fma(b1, s41);
            FloatVector a5 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 5 * A_ROW + 4L * p));
            s50 = a5.fma(b0, s50);
            s51 = a5.fma(b1, s51);
            FloatVector a6 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 6 * A_ROW + 4L * p));
            s60 = a6.fma(b0, s60);
            s61 = a6.fma(b1, s61);
            FloatVector a7 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 7 * A_ROW + 4L * p));
            s70 = a7.fma(b0, s70);
            s71 = a7.fma(b1, s71);
        }
        s00.intoMemorySegment(c, cAt + 0 * ROW + 0 * VECTOR, LE);
        s01.intoMemorySegment(c, cAt + 0 * ROW + 1 * VECTOR, LE);
        s10.intoMemorySegment(c, cAt + 1 * ROW + 0 * VECTOR, LE);
        s11.intoMemorySegment(c, cAt + 1 * ROW + 1 * VECTOR, LE);
        s20.intoMemorySegment(c, cAt + 2 * ROW + 0 * VECTOR, LE);
        s21.intoMemorySegment(c, cAt + 2 * ROW + 1 * VECTOR, LE);
        s30.intoMemorySegment(c, cAt + 3 * ROW + 0 * VECTOR, LE);
        s31.intoMemorySegment(c, cAt + 3 * ROW + 1 * VECTOR, LE);
        s40.intoMemorySegment(c, cAt + 4 * ROW + 0 * VECTOR, LE);
        s41.intoMemorySegment(c, cAt + 4 * ROW + 1 * VECTOR, LE);
        s50.intoMemorySegment(c, cAt + 5 * ROW + 0 * VECTOR, LE);
        s51.intoMemorySegment(c, cAt + 5 * ROW + 1 * VECTOR, LE);
        s60.intoMemorySegment(c, cAt + 6 * ROW + 0 * VECTOR, LE);
        s61.intoMemorySegment(c, cAt + 6 * ROW + 1 * VECTOR, LE);
        s70.intoMemorySegment(c, cAt + 7 * ROW + 0 * VECTOR, LE);
        s71.intoMemorySegment(c, cAt + 7 * ROW + 1 * VECTOR, LE);
    }

    private static void byFour(MemorySegment a, long aAt, MemorySegment b, long bAt, int depth, MemorySegment c, long cAt) {
        FloatVector s00 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 0 * ROW + 0 * VECTOR, LE);
        FloatVector s01 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 0 * ROW + 1 * VECTOR, LE);
        FloatVector s10 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 1 * ROW + 0 * VECTOR, LE);
        FloatVector s11 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 1 * ROW + 1 * VECTOR, LE);
        FloatVector s20 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 2 * ROW + 0 * VECTOR, LE);
        FloatVector s21 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 2 * ROW + 1 * VECTOR, LE);
        FloatVector s30 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 3 * ROW + 0 * VECTOR, LE);
        FloatVector s31 = FloatVector.fromMemorySegment(FLOAT, c, cAt + 3 * ROW + 1 * VECTOR, LE);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = FloatVector.fromMemorySegment(FLOAT, b, bAt + p * ROW + 0 * VECTOR, LE);
            FloatVector b1 = FloatVector.fromMemorySegment(FLOAT, b, bAt + p * ROW + 1 * VECTOR, LE);
            FloatVector a0 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 0 * A_ROW + 4L * p));
            s00 = a0.fma(b0, s00);
            s01 = a0.fma(b1, s01);
            FloatVector a1 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 1 * A_ROW + 4L * p));
            s10 = a1.fma(b0, s10);
            s11 = a1.fma(b1, s11);
            FloatVector a2 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 2 * A_ROW + 4L * p));
            s20 = a2.fma(b0, s20);
            s21 = a2.fma(b1, s21);
            FloatVector a3 = FloatVector.broadcast(FLOAT, a.get(Bounds.FLOAT, aAt + 3 * A_ROW + 4L * p));
            s30 = a3.fma(b0, s30);
            s31 = a3.fma(b1, s31);
        }
        s00.intoMemorySegment(c, cAt + 0 * ROW + 0 * VECTOR, LE);
        s01.intoMemorySegment(c, cAt + 0 * ROW + 1 * VECTOR, LE);
        s10.intoMemorySegment(c, cAt + 1 * ROW + 0 * VECTOR, LE);
        s11.intoMemorySegment(c, cAt + 1 * ROW + 1 * VECTOR, LE);
        s20.intoMemorySegment(c, cAt + 2 * ROW + 0 * VECTOR, LE);
        s21.intoMemorySegment(c, cAt + 2 * ROW + 1 * VECTOR, LE);
        s30.intoMemorySegment(c, cAt + 3 * ROW + 0 * VECTOR, LE);
        s31.intoMemorySegment(c, cAt + 3 * ROW + 1 * VECTOR, LE);
    }
}
