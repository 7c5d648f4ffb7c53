package dev.kvcapsule.engine.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The innermost loops of products, {@code c[r][j] += a[r][p] * b[p][j]}, with all sums in registers: {@value #VECTORS} vectors of columns are a tile. Each
 * shape is a method of its own and spelled out: C2 keeps vectors in registers only in methods that are small, and sums only in local variables. All is in arrays:
 * with so many accesses to memory segments, each some ten calls deep, C1 runs out of virtual registers, and then the method never gets to C2.
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

    private PanamaTile() {}

    /**
     * Some columns of ROWS rows of sums.
     *
     * @param a       [ROWS][DEPTH]
     * @param aAt     its first value
     * @param b       [depth][COLUMNS] from its beginning
     * @param depth   products of a sum, at most DEPTH
     * @param c       [ROWS][COLUMNS]
     * @param cAt     its first sum
     * @param vectors columns to do, from the first on, in vectors; what comes after them may be done too
     */
    static void dense(float[] a, int aAt, float[] b, int depth, float[] c, int cAt, int vectors) {
        for (int v = 0; v < vectors; v += 2) {
            if (ROWS == 8) {
                byEight(a, aAt, b, v * LANES, depth, c, cAt + v * LANES);
            } else {
                byFour(a, aAt, b, v * LANES, depth, c, cAt + v * LANES);
            }
        }
    }

    /** Makes zeros positive: -0 + 0 is 0, any other value stays as it is. */
    static void positiveZeros(float[] c, int at, int count) {
        for (int i = at; i < at + count; i++) {
            c[i] += 0f;
        }
    }

    /** One row of sums: {@code c += value * b[row]} for a list of pairs, a value and where its row of b begins, as the bits of a float. */
    static void sparse(float[] list, int at, int count, float[] b, float[] c, int cAt) {
        FloatVector s0 = FloatVector.fromArray(FLOAT, c, cAt + 0 * LANES);
        FloatVector s1 = FloatVector.fromArray(FLOAT, c, cAt + 1 * LANES);
        FloatVector s2 = FloatVector.fromArray(FLOAT, c, cAt + 2 * LANES);
        FloatVector s3 = FloatVector.fromArray(FLOAT, c, cAt + 3 * LANES);
        FloatVector s4 = FloatVector.fromArray(FLOAT, c, cAt + 4 * LANES);
        FloatVector s5 = FloatVector.fromArray(FLOAT, c, cAt + 5 * LANES);
        FloatVector s6 = FloatVector.fromArray(FLOAT, c, cAt + 6 * LANES);
        FloatVector s7 = FloatVector.fromArray(FLOAT, c, cAt + 7 * LANES);
        FloatVector s8 = FloatVector.fromArray(FLOAT, c, cAt + 8 * LANES);
        FloatVector s9 = FloatVector.fromArray(FLOAT, c, cAt + 9 * LANES);
        FloatVector s10 = FloatVector.fromArray(FLOAT, c, cAt + 10 * LANES);
        FloatVector s11 = FloatVector.fromArray(FLOAT, c, cAt + 11 * LANES);
        for (int i = 0; i < count; i++) {
            FloatVector value = FloatVector.broadcast(FLOAT, list[at + 2 * i]);
            int row = Float.floatToRawIntBits(list[at + 2 * i + 1]);
            s0 = value.fma(FloatVector.fromArray(FLOAT, b, row + 0 * LANES), s0);
            s1 = value.fma(FloatVector.fromArray(FLOAT, b, row + 1 * LANES), s1);
            s2 = value.fma(FloatVector.fromArray(FLOAT, b, row + 2 * LANES), s2);
            s3 = value.fma(FloatVector.fromArray(FLOAT, b, row + 3 * LANES), s3);
            s4 = value.fma(FloatVector.fromArray(FLOAT, b, row + 4 * LANES), s4);
            s5 = value.fma(FloatVector.fromArray(FLOAT, b, row + 5 * LANES), s5);
            s6 = value.fma(FloatVector.fromArray(FLOAT, b, row + 6 * LANES), s6);
            s7 = value.fma(FloatVector.fromArray(FLOAT, b, row + 7 * LANES), s7);
            s8 = value.fma(FloatVector.fromArray(FLOAT, b, row + 8 * LANES), s8);
            s9 = value.fma(FloatVector.fromArray(FLOAT, b, row + 9 * LANES), s9);
            s10 = value.fma(FloatVector.fromArray(FLOAT, b, row + 10 * LANES), s10);
            s11 = value.fma(FloatVector.fromArray(FLOAT, b, row + 11 * LANES), s11);
        }
        s0.intoArray(c, cAt + 0 * LANES);
        s1.intoArray(c, cAt + 1 * LANES);
        s2.intoArray(c, cAt + 2 * LANES);
        s3.intoArray(c, cAt + 3 * LANES);
        s4.intoArray(c, cAt + 4 * LANES);
        s5.intoArray(c, cAt + 5 * LANES);
        s6.intoArray(c, cAt + 6 * LANES);
        s7.intoArray(c, cAt + 7 * LANES);
        s8.intoArray(c, cAt + 8 * LANES);
        s9.intoArray(c, cAt + 9 * LANES);
        s10.intoArray(c, cAt + 10 * LANES);
        s11.intoArray(c, cAt + 11 * LANES);
    }

    private static void byEight(float[] a, int aAt, float[] b, int bAt, int depth, float[] c, int cAt) {
        FloatVector s00 = FloatVector.fromArray(FLOAT, c, cAt + 0 * COLUMNS + 0 * LANES);
        FloatVector s01 = FloatVector.fromArray(FLOAT, c, cAt + 0 * COLUMNS + 1 * LANES);
        FloatVector s10 = FloatVector.fromArray(FLOAT, c, cAt + 1 * COLUMNS + 0 * LANES);
        FloatVector s11 = FloatVector.fromArray(FLOAT, c, cAt + 1 * COLUMNS + 1 * LANES);
        FloatVector s20 = FloatVector.fromArray(FLOAT, c, cAt + 2 * COLUMNS + 0 * LANES);
        FloatVector s21 = FloatVector.fromArray(FLOAT, c, cAt + 2 * COLUMNS + 1 * LANES);
        FloatVector s30 = FloatVector.fromArray(FLOAT, c, cAt + 3 * COLUMNS + 0 * LANES);
        FloatVector s31 = FloatVector.fromArray(FLOAT, c, cAt + 3 * COLUMNS + 1 * LANES);
        FloatVector s40 = FloatVector.fromArray(FLOAT, c, cAt + 4 * COLUMNS + 0 * LANES);
        FloatVector s41 = FloatVector.fromArray(FLOAT, c, cAt + 4 * COLUMNS + 1 * LANES);
        FloatVector s50 = FloatVector.fromArray(FLOAT, c, cAt + 5 * COLUMNS + 0 * LANES);
        FloatVector s51 = FloatVector.fromArray(FLOAT, c, cAt + 5 * COLUMNS + 1 * LANES);
        FloatVector s60 = FloatVector.fromArray(FLOAT, c, cAt + 6 * COLUMNS + 0 * LANES);
        FloatVector s61 = FloatVector.fromArray(FLOAT, c, cAt + 6 * COLUMNS + 1 * LANES);
        FloatVector s70 = FloatVector.fromArray(FLOAT, c, cAt + 7 * COLUMNS + 0 * LANES);
        FloatVector s71 = FloatVector.fromArray(FLOAT, c, cAt + 7 * COLUMNS + 1 * LANES);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = FloatVector.fromArray(FLOAT, b, bAt + p * COLUMNS + 0 * LANES);
            FloatVector b1 = FloatVector.fromArray(FLOAT, b, bAt + p * COLUMNS + 1 * LANES);
            FloatVector a0 = FloatVector.broadcast(FLOAT, a[aAt + 0 * DEPTH + p]);
            s00 = a0.fma(b0, s00);
            s01 = a0.fma(b1, s01);
            FloatVector a1 = FloatVector.broadcast(FLOAT, a[aAt + 1 * DEPTH + p]);
            s10 = a1.fma(b0, s10);
            s11 = a1.fma(b1, s11);
            FloatVector a2 = FloatVector.broadcast(FLOAT, a[aAt + 2 * DEPTH + p]);
            s20 = a2.fma(b0, s20);
            s21 = a2.fma(b1, s21);
            FloatVector a3 = FloatVector.broadcast(FLOAT, a[aAt + 3 * DEPTH + p]);
            s30 = a3.fma(b0, s30);
            s31 = a3.fma(b1, s31);
            FloatVector a4 = FloatVector.broadcast(FLOAT, a[aAt + 4 * DEPTH + p]);
            s40 = a4.fma(b0, s40);
            s41 = a4.fma(b1, s41);
            FloatVector a5 = FloatVector.broadcast(FLOAT, a[aAt + 5 * DEPTH + p]);
            s50 = a5.fma(b0, s50);
            s51 = a5.fma(b1, s51);
            FloatVector a6 = FloatVector.broadcast(FLOAT, a[aAt + 6 * DEPTH + p]);
            s60 = a6.fma(b0, s60);
            s61 = a6.fma(b1, s61);
            FloatVector a7 = FloatVector.broadcast(FLOAT, a[aAt + 7 * DEPTH + p]);
            s70 = a7.fma(b0, s70);
            s71 = a7.fma(b1, s71);
        }
        s00.intoArray(c, cAt + 0 * COLUMNS + 0 * LANES);
        s01.intoArray(c, cAt + 0 * COLUMNS + 1 * LANES);
        s10.intoArray(c, cAt + 1 * COLUMNS + 0 * LANES);
        s11.intoArray(c, cAt + 1 * COLUMNS + 1 * LANES);
        s20.intoArray(c, cAt + 2 * COLUMNS + 0 * LANES);
        s21.intoArray(c, cAt + 2 * COLUMNS + 1 * LANES);
        s30.intoArray(c, cAt + 3 * COLUMNS + 0 * LANES);
        s31.intoArray(c, cAt + 3 * COLUMNS + 1 * LANES);
        s40.intoArray(c, cAt + 4 * COLUMNS + 0 * LANES);
        s41.intoArray(c, cAt + 4 * COLUMNS + 1 * LANES);
        s50.intoArray(c, cAt + 5 * COLUMNS + 0 * LANES);
        s51.intoArray(c, cAt + 5 * COLUMNS + 1 * LANES);
        s60.intoArray(c, cAt + 6 * COLUMNS + 0 * LANES);
        s61.intoArray(c, cAt + 6 * COLUMNS + 1 * LANES);
        s70.intoArray(c, cAt + 7 * COLUMNS + 0 * LANES);
        s71.intoArray(c, cAt + 7 * COLUMNS + 1 * LANES);
    }

    private static void byFour(float[] a, int aAt, float[] b, int bAt, int depth, float[] c, int cAt) {
        FloatVector s00 = FloatVector.fromArray(FLOAT, c, cAt + 0 * COLUMNS + 0 * LANES);
        FloatVector s01 = FloatVector.fromArray(FLOAT, c, cAt + 0 * COLUMNS + 1 * LANES);
        FloatVector s10 = FloatVector.fromArray(FLOAT, c, cAt + 1 * COLUMNS + 0 * LANES);
        FloatVector s11 = FloatVector.fromArray(FLOAT, c, cAt + 1 * COLUMNS + 1 * LANES);
        FloatVector s20 = FloatVector.fromArray(FLOAT, c, cAt + 2 * COLUMNS + 0 * LANES);
        FloatVector s21 = FloatVector.fromArray(FLOAT, c, cAt + 2 * COLUMNS + 1 * LANES);
        FloatVector s30 = FloatVector.fromArray(FLOAT, c, cAt + 3 * COLUMNS + 0 * LANES);
        FloatVector s31 = FloatVector.fromArray(FLOAT, c, cAt + 3 * COLUMNS + 1 * LANES);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = FloatVector.fromArray(FLOAT, b, bAt + p * COLUMNS + 0 * LANES);
            FloatVector b1 = FloatVector.fromArray(FLOAT, b, bAt + p * COLUMNS + 1 * LANES);
            FloatVector a0 = FloatVector.broadcast(FLOAT, a[aAt + 0 * DEPTH + p]);
            s00 = a0.fma(b0, s00);
            s01 = a0.fma(b1, s01);
            FloatVector a1 = FloatVector.broadcast(FLOAT, a[aAt + 1 * DEPTH + p]);
            s10 = a1.fma(b0, s10);
            s11 = a1.fma(b1, s11);
            FloatVector a2 = FloatVector.broadcast(FLOAT, a[aAt + 2 * DEPTH + p]);
            s20 = a2.fma(b0, s20);
            s21 = a2.fma(b1, s21);
            FloatVector a3 = FloatVector.broadcast(FLOAT, a[aAt + 3 * DEPTH + p]);
            s30 = a3.fma(b0, s30);
            s31 = a3.fma(b1, s31);
        }
        s00.intoArray(c, cAt + 0 * COLUMNS + 0 * LANES);
        s01.intoArray(c, cAt + 0 * COLUMNS + 1 * LANES);
        s10.intoArray(c, cAt + 1 * COLUMNS + 0 * LANES);
        s11.intoArray(c, cAt + 1 * COLUMNS + 1 * LANES);
        s20.intoArray(c, cAt + 2 * COLUMNS + 0 * LANES);
        s21.intoArray(c, cAt + 2 * COLUMNS + 1 * LANES);
        s30.intoArray(c, cAt + 3 * COLUMNS + 0 * LANES);
        s31.intoArray(c, cAt + 3 * COLUMNS + 1 * LANES);
    }
}
