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
    /** Rows whose sums stay in registers together with two or three vectors of b: 32 registers where vectors have 512 bits (and on Arm), else 16. */
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
        int v = 0;
        // Threes, and twos for what threes leave: no vector is wasted, but the one that a tile of one vector gets besides.
        for (; vectors - v >= 3 && vectors - v != 4; v += 3) {
            if (ROWS == 8) {
                threeByEight(a, aAt, b, v * VECTOR, depth, c, cAt + v * VECTOR);
            } else {
                threeByFour(a, aAt, b, v * VECTOR, depth, c, cAt + v * VECTOR);
            }
        }
        for (; v < vectors; v += 2) {
            if (ROWS == 8) {
                twoByEight(a, aAt, b, v * VECTOR, depth, c, cAt + v * VECTOR);
            } else {
                twoByFour(a, aAt, b, v * VECTOR, depth, c, cAt + v * VECTOR);
            }
        }
    }

    private static FloatVector load(MemorySegment from, long at) {
        return FloatVector.fromMemorySegment(FLOAT, from, at, LE);
    }

    private static FloatVector broadcast(MemorySegment from, long at) {
        return FloatVector.broadcast(FLOAT, from.get(Bounds.FLOAT, at));
    }

    private static void store(FloatVector value, MemorySegment to, long at) {
        value.intoMemorySegment(to, at, LE);
    }

    /** Makes zeros positive: -0 + 0 is 0, any other value stays as it is. */
    static void positiveZeros(MemorySegment c, long at, int vectors) {
        for (int v = 0; v < vectors; v++) {
            store(load(c, at + v * VECTOR).add(0f), c, at + v * VECTOR);
        }
    }

    /** One row of sums: {@code c += value * b[offset]} for a list of (f32 value, int32 offset). */
    static void sparse(MemorySegment list, long at, int count, MemorySegment b, MemorySegment c, long cAt) {
        FloatVector s0 = load(c, cAt + 0 * VECTOR);
        FloatVector s1 = load(c, cAt + 1 * VECTOR);
        FloatVector s2 = load(c, cAt + 2 * VECTOR);
        FloatVector s3 = load(c, cAt + 3 * VECTOR);
        FloatVector s4 = load(c, cAt + 4 * VECTOR);
        FloatVector s5 = load(c, cAt + 5 * VECTOR);
        FloatVector s6 = load(c, cAt + 6 * VECTOR);
        FloatVector s7 = load(c, cAt + 7 * VECTOR);
        FloatVector s8 = load(c, cAt + 8 * VECTOR);
        FloatVector s9 = load(c, cAt + 9 * VECTOR);
        FloatVector s10 = load(c, cAt + 10 * VECTOR);
        FloatVector s11 = load(c, cAt + 11 * VECTOR);
        for (int i = 0; i < count; i++) {
            FloatVector value = broadcast(list, at + 8L * i);
            long row = list.get(INT, at + 8L * i + 4) * ROW;
            s0 = value.fma(load(b, row + 0 * VECTOR), s0);
            s1 = value.fma(load(b, row + 1 * VECTOR), s1);
            s2 = value.fma(load(b, row + 2 * VECTOR), s2);
            s3 = value.fma(load(b, row + 3 * VECTOR), s3);
            s4 = value.fma(load(b, row + 4 * VECTOR), s4);
            s5 = value.fma(load(b, row + 5 * VECTOR), s5);
            s6 = value.fma(load(b, row + 6 * VECTOR), s6);
            s7 = value.fma(load(b, row + 7 * VECTOR), s7);
            s8 = value.fma(load(b, row + 8 * VECTOR), s8);
            s9 = value.fma(load(b, row + 9 * VECTOR), s9);
            s10 = value.fma(load(b, row + 10 * VECTOR), s10);
            s11 = value.fma(load(b, row + 11 * VECTOR), s11);
        }
        store(s0, c, cAt + 0 * VECTOR);
        store(s1, c, cAt + 1 * VECTOR);
        store(s2, c, cAt + 2 * VECTOR);
        store(s3, c, cAt + 3 * VECTOR);
        store(s4, c, cAt + 4 * VECTOR);
        store(s5, c, cAt + 5 * VECTOR);
        store(s6, c, cAt + 6 * VECTOR);
        store(s7, c, cAt + 7 * VECTOR);
        store(s8, c, cAt + 8 * VECTOR);
        store(s9, c, cAt + 9 * VECTOR);
        store(s10, c, cAt + 10 * VECTOR);
        store(s11, c, cAt + 11 * VECTOR);
    }

    private static void threeByEight(MemorySegment a, long aAt, MemorySegment b, long bAt, int depth, MemorySegment c, long cAt) {
        FloatVector s00 = load(c, cAt + 0 * ROW + 0 * VECTOR);
        FloatVector s01 = load(c, cAt + 0 * ROW + 1 * VECTOR);
        FloatVector s02 = load(c, cAt + 0 * ROW + 2 * VECTOR);
        FloatVector s10 = load(c, cAt + 1 * ROW + 0 * VECTOR);
        FloatVector s11 = load(c, cAt + 1 * ROW + 1 * VECTOR);
        FloatVector s12 = load(c, cAt + 1 * ROW + 2 * VECTOR);
        FloatVector s20 = load(c, cAt + 2 * ROW + 0 * VECTOR);
        FloatVector s21 = load(c, cAt + 2 * ROW + 1 * VECTOR);
        FloatVector s22 = load(c, cAt + 2 * ROW + 2 * VECTOR);
        FloatVector s30 = load(c, cAt + 3 * ROW + 0 * VECTOR);
        FloatVector s31 = load(c, cAt + 3 * ROW + 1 * VECTOR);
        FloatVector s32 = load(c, cAt + 3 * ROW + 2 * VECTOR);
        FloatVector s40 = load(c, cAt + 4 * ROW + 0 * VECTOR);
        FloatVector s41 = load(c, cAt + 4 * ROW + 1 * VECTOR);
        FloatVector s42 = load(c, cAt + 4 * ROW + 2 * VECTOR);
        FloatVector s50 = load(c, cAt + 5 * ROW + 0 * VECTOR);
        FloatVector s51 = load(c, cAt + 5 * ROW + 1 * VECTOR);
        FloatVector s52 = load(c, cAt + 5 * ROW + 2 * VECTOR);
        FloatVector s60 = load(c, cAt + 6 * ROW + 0 * VECTOR);
        FloatVector s61 = load(c, cAt + 6 * ROW + 1 * VECTOR);
        FloatVector s62 = load(c, cAt + 6 * ROW + 2 * VECTOR);
        FloatVector s70 = load(c, cAt + 7 * ROW + 0 * VECTOR);
        FloatVector s71 = load(c, cAt + 7 * ROW + 1 * VECTOR);
        FloatVector s72 = load(c, cAt + 7 * ROW + 2 * VECTOR);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = load(b, bAt + p * ROW + 0 * VECTOR);
            FloatVector b1 = load(b, bAt + p * ROW + 1 * VECTOR);
            FloatVector b2 = load(b, bAt + p * ROW + 2 * VECTOR);
            FloatVector a0 = broadcast(a, aAt + 0 * A_ROW + 4L * p);
            s00 = a0.fma(b0, s00);
            s01 = a0.fma(b1, s01);
            s02 = a0.fma(b2, s02);
            FloatVector a1 = broadcast(a, aAt + 1 * A_ROW + 4L * p);
            s10 = a1.fma(b0, s10);
            s11 = a1.fma(b1, s11);
            s12 = a1.fma(b2, s12);
            FloatVector a2 = broadcast(a, aAt + 2 * A_ROW + 4L * p);
            s20 = a2.fma(b0, s20);
            s21 = a2.fma(b1, s21);
            s22 = a2.fma(b2, s22);
            FloatVector a3 = broadcast(a, aAt + 3 * A_ROW + 4L * p);
            s30 = a3.fma(b0, s30);
            s31 = a3.fma(b1, s31);
            s32 = a3.fma(b2, s32);
            FloatVector a4 = broadcast(a, aAt + 4 * A_ROW + 4L * p);
            s40 = a4.fma(b0, s40);
            s41 = a4.fma(b1, s41);
            s42 = a4.fma(b2, s42);
            FloatVector a5 = broadcast(a, aAt + 5 * A_ROW + 4L * p);
            s50 = a5.fma(b0, s50);
            s51 = a5.fma(b1, s51);
            s52 = a5.fma(b2, s52);
            FloatVector a6 = broadcast(a, aAt + 6 * A_ROW + 4L * p);
            s60 = a6.fma(b0, s60);
            s61 = a6.fma(b1, s61);
            s62 = a6.fma(b2, s62);
            FloatVector a7 = broadcast(a, aAt + 7 * A_ROW + 4L * p);
            s70 = a7.fma(b0, s70);
            s71 = a7.fma(b1, s71);
            s72 = a7.fma(b2, s72);
        }
        store(s00, c, cAt + 0 * ROW + 0 * VECTOR);
        store(s01, c, cAt + 0 * ROW + 1 * VECTOR);
        store(s02, c, cAt + 0 * ROW + 2 * VECTOR);
        store(s10, c, cAt + 1 * ROW + 0 * VECTOR);
        store(s11, c, cAt + 1 * ROW + 1 * VECTOR);
        store(s12, c, cAt + 1 * ROW + 2 * VECTOR);
        store(s20, c, cAt + 2 * ROW + 0 * VECTOR);
        store(s21, c, cAt + 2 * ROW + 1 * VECTOR);
        store(s22, c, cAt + 2 * ROW + 2 * VECTOR);
        store(s30, c, cAt + 3 * ROW + 0 * VECTOR);
        store(s31, c, cAt + 3 * ROW + 1 * VECTOR);
        store(s32, c, cAt + 3 * ROW + 2 * VECTOR);
        store(s40, c, cAt + 4 * ROW + 0 * VECTOR);
        store(s41, c, cAt + 4 * ROW + 1 * VECTOR);
        store(s42, c, cAt + 4 * ROW + 2 * VECTOR);
        store(s50, c, cAt + 5 * ROW + 0 * VECTOR);
        store(s51, c, cAt + 5 * ROW + 1 * VECTOR);
        store(s52, c, cAt + 5 * ROW + 2 * VECTOR);
        store(s60, c, cAt + 6 * ROW + 0 * VECTOR);
        store(s61, c, cAt + 6 * ROW + 1 * VECTOR);
        store(s62, c, cAt + 6 * ROW + 2 * VECTOR);
        store(s70, c, cAt + 7 * ROW + 0 * VECTOR);
        store(s71, c, cAt + 7 * ROW + 1 * VECTOR);
        store(s72, c, cAt + 7 * ROW + 2 * VECTOR);
    }

    private static void twoByEight(MemorySegment a, long aAt, MemorySegment b, long bAt, int depth, MemorySegment c, long cAt) {
        FloatVector s00 = load(c, cAt + 0 * ROW + 0 * VECTOR);
        FloatVector s01 = load(c, cAt + 0 * ROW + 1 * VECTOR);
        FloatVector s10 = load(c, cAt + 1 * ROW + 0 * VECTOR);
        FloatVector s11 = load(c, cAt + 1 * ROW + 1 * VECTOR);
        FloatVector s20 = load(c, cAt + 2 * ROW + 0 * VECTOR);
        FloatVector s21 = load(c, cAt + 2 * ROW + 1 * VECTOR);
        FloatVector s30 = load(c, cAt + 3 * ROW + 0 * VECTOR);
        FloatVector s31 = load(c, cAt + 3 * ROW + 1 * VECTOR);
        FloatVector s40 = load(c, cAt + 4 * ROW + 0 * VECTOR);
        FloatVector s41 = load(c, cAt + 4 * ROW + 1 * VECTOR);
        FloatVector s50 = load(c, cAt + 5 * ROW + 0 * VECTOR);
        FloatVector s51 = load(c, cAt + 5 * ROW + 1 * VECTOR);
        FloatVector s60 = load(c, cAt + 6 * ROW + 0 * VECTOR);
        FloatVector s61 = load(c, cAt + 6 * ROW + 1 * VECTOR);
        FloatVector s70 = load(c, cAt + 7 * ROW + 0 * VECTOR);
        FloatVector s71 = load(c, cAt + 7 * ROW + 1 * VECTOR);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = load(b, bAt + p * ROW + 0 * VECTOR);
            FloatVector b1 = load(b, bAt + p * ROW + 1 * VECTOR);
            FloatVector a0 = broadcast(a, aAt + 0 * A_ROW + 4L * p);
            s00 = a0.fma(b0, s00);
            s01 = a0.fma(b1, s01);
            FloatVector a1 = broadcast(a, aAt + 1 * A_ROW + 4L * p);
            s10 = a1.fma(b0, s10);
            s11 = a1.fma(b1, s11);
            FloatVector a2 = broadcast(a, aAt + 2 * A_ROW + 4L * p);
            s20 = a2.fma(b0, s20);
            s21 = a2.fma(b1, s21);
            FloatVector a3 = broadcast(a, aAt + 3 * A_ROW + 4L * p);
            s30 = a3.fma(b0, s30);
            s31 = a3.fma(b1, s31);
            FloatVector a4 = broadcast(a, aAt + 4 * A_ROW + 4L * p);
            s40 = a4.fma(b0, s40);
            s41 = a4.fma(b1, s41);
            FloatVector a5 = broadcast(a, aAt + 5 * A_ROW + 4L * p);
            s50 = a5.fma(b0, s50);
            s51 = a5.fma(b1, s51);
            FloatVector a6 = broadcast(a, aAt + 6 * A_ROW + 4L * p);
            s60 = a6.fma(b0, s60);
            s61 = a6.fma(b1, s61);
            FloatVector a7 = broadcast(a, aAt + 7 * A_ROW + 4L * p);
            s70 = a7.fma(b0, s70);
            s71 = a7.fma(b1, s71);
        }
        store(s00, c, cAt + 0 * ROW + 0 * VECTOR);
        store(s01, c, cAt + 0 * ROW + 1 * VECTOR);
        store(s10, c, cAt + 1 * ROW + 0 * VECTOR);
        store(s11, c, cAt + 1 * ROW + 1 * VECTOR);
        store(s20, c, cAt + 2 * ROW + 0 * VECTOR);
        store(s21, c, cAt + 2 * ROW + 1 * VECTOR);
        store(s30, c, cAt + 3 * ROW + 0 * VECTOR);
        store(s31, c, cAt + 3 * ROW + 1 * VECTOR);
        store(s40, c, cAt + 4 * ROW + 0 * VECTOR);
        store(s41, c, cAt + 4 * ROW + 1 * VECTOR);
        store(s50, c, cAt + 5 * ROW + 0 * VECTOR);
        store(s51, c, cAt + 5 * ROW + 1 * VECTOR);
        store(s60, c, cAt + 6 * ROW + 0 * VECTOR);
        store(s61, c, cAt + 6 * ROW + 1 * VECTOR);
        store(s70, c, cAt + 7 * ROW + 0 * VECTOR);
        store(s71, c, cAt + 7 * ROW + 1 * VECTOR);
    }

    private static void threeByFour(MemorySegment a, long aAt, MemorySegment b, long bAt, int depth, MemorySegment c, long cAt) {
        FloatVector s00 = load(c, cAt + 0 * ROW + 0 * VECTOR);
        FloatVector s01 = load(c, cAt + 0 * ROW + 1 * VECTOR);
        FloatVector s02 = load(c, cAt + 0 * ROW + 2 * VECTOR);
        FloatVector s10 = load(c, cAt + 1 * ROW + 0 * VECTOR);
        FloatVector s11 = load(c, cAt + 1 * ROW + 1 * VECTOR);
        FloatVector s12 = load(c, cAt + 1 * ROW + 2 * VECTOR);
        FloatVector s20 = load(c, cAt + 2 * ROW + 0 * VECTOR);
        FloatVector s21 = load(c, cAt + 2 * ROW + 1 * VECTOR);
        FloatVector s22 = load(c, cAt + 2 * ROW + 2 * VECTOR);
        FloatVector s30 = load(c, cAt + 3 * ROW + 0 * VECTOR);
        FloatVector s31 = load(c, cAt + 3 * ROW + 1 * VECTOR);
        FloatVector s32 = load(c, cAt + 3 * ROW + 2 * VECTOR);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = load(b, bAt + p * ROW + 0 * VECTOR);
            FloatVector b1 = load(b, bAt + p * ROW + 1 * VECTOR);
            FloatVector b2 = load(b, bAt + p * ROW + 2 * VECTOR);
            FloatVector a0 = broadcast(a, aAt + 0 * A_ROW + 4L * p);
            s00 = a0.fma(b0, s00);
            s01 = a0.fma(b1, s01);
            s02 = a0.fma(b2, s02);
            FloatVector a1 = broadcast(a, aAt + 1 * A_ROW + 4L * p);
            s10 = a1.fma(b0, s10);
            s11 = a1.fma(b1, s11);
            s12 = a1.fma(b2, s12);
            FloatVector a2 = broadcast(a, aAt + 2 * A_ROW + 4L * p);
            s20 = a2.fma(b0, s20);
            s21 = a2.fma(b1, s21);
            s22 = a2.fma(b2, s22);
            FloatVector a3 = broadcast(a, aAt + 3 * A_ROW + 4L * p);
            s30 = a3.fma(b0, s30);
            s31 = a3.fma(b1, s31);
            s32 = a3.fma(b2, s32);
        }
        store(s00, c, cAt + 0 * ROW + 0 * VECTOR);
        store(s01, c, cAt + 0 * ROW + 1 * VECTOR);
        store(s02, c, cAt + 0 * ROW + 2 * VECTOR);
        store(s10, c, cAt + 1 * ROW + 0 * VECTOR);
        store(s11, c, cAt + 1 * ROW + 1 * VECTOR);
        store(s12, c, cAt + 1 * ROW + 2 * VECTOR);
        store(s20, c, cAt + 2 * ROW + 0 * VECTOR);
        store(s21, c, cAt + 2 * ROW + 1 * VECTOR);
        store(s22, c, cAt + 2 * ROW + 2 * VECTOR);
        store(s30, c, cAt + 3 * ROW + 0 * VECTOR);
        store(s31, c, cAt + 3 * ROW + 1 * VECTOR);
        store(s32, c, cAt + 3 * ROW + 2 * VECTOR);
    }

    private static void twoByFour(MemorySegment a, long aAt, MemorySegment b, long bAt, int depth, MemorySegment c, long cAt) {
        FloatVector s00 = load(c, cAt + 0 * ROW + 0 * VECTOR);
        FloatVector s01 = load(c, cAt + 0 * ROW + 1 * VECTOR);
        FloatVector s10 = load(c, cAt + 1 * ROW + 0 * VECTOR);
        FloatVector s11 = load(c, cAt + 1 * ROW + 1 * VECTOR);
        FloatVector s20 = load(c, cAt + 2 * ROW + 0 * VECTOR);
        FloatVector s21 = load(c, cAt + 2 * ROW + 1 * VECTOR);
        FloatVector s30 = load(c, cAt + 3 * ROW + 0 * VECTOR);
        FloatVector s31 = load(c, cAt + 3 * ROW + 1 * VECTOR);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = load(b, bAt + p * ROW + 0 * VECTOR);
            FloatVector b1 = load(b, bAt + p * ROW + 1 * VECTOR);
            FloatVector a0 = broadcast(a, aAt + 0 * A_ROW + 4L * p);
            s00 = a0.fma(b0, s00);
            s01 = a0.fma(b1, s01);
            FloatVector a1 = broadcast(a, aAt + 1 * A_ROW + 4L * p);
            s10 = a1.fma(b0, s10);
            s11 = a1.fma(b1, s11);
            FloatVector a2 = broadcast(a, aAt + 2 * A_ROW + 4L * p);
            s20 = a2.fma(b0, s20);
            s21 = a2.fma(b1, s21);
            FloatVector a3 = broadcast(a, aAt + 3 * A_ROW + 4L * p);
            s30 = a3.fma(b0, s30);
            s31 = a3.fma(b1, s31);
        }
        store(s00, c, cAt + 0 * ROW + 0 * VECTOR);
        store(s01, c, cAt + 0 * ROW + 1 * VECTOR);
        store(s10, c, cAt + 1 * ROW + 0 * VECTOR);
        store(s11, c, cAt + 1 * ROW + 1 * VECTOR);
        store(s20, c, cAt + 2 * ROW + 0 * VECTOR);
        store(s21, c, cAt + 2 * ROW + 1 * VECTOR);
        store(s30, c, cAt + 3 * ROW + 0 * VECTOR);
        store(s31, c, cAt + 3 * ROW + 1 * VECTOR);
    }
}
