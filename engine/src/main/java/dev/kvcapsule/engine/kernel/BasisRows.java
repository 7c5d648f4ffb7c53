package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Dequantizes parts of a basis's rows with the Vector API. */
final class BasisRows {
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Byte> BYTE = VectorWidth.BYTE_FOR_INT;
    private static final int LANES = FLOAT.length();
    /** Bytes that come from memory together. */
    private static final int LINE = 64;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

    private BasisRows() {}

    /**
     * Reads one value of every line of a part of some rows, which {@link #write} is going to read: as these reads do not wait for each other, many lines come
     * from memory at once, where rows lie too far apart for the processor to foresee them (measured: 4 times as fast).
     *
     * @return what keeps the compiler from leaving the reads out
     */
    static int touch(TransformBasis basis, int k, int rows, int first, int count) {
        int sum = 0;
        int end = Math.min(basis.width(), first + count);
        for (int r = k; r < Math.min(basis.components(), k + rows); r++) {
            long row = (long) r * basis.width();
            for (int w = first; w < end; w += LINE) {
                sum += basis.codes().get(ValueLayout.JAVA_BYTE, row + w);
            }
        }
        return sum;
    }

    /**
     * Writes {@code u[k][first]} and what follows, zeros for values beyond the row.
     *
     * @param basis the basis
     * @param k     component
     * @param first first value, a multiple of the lanes of a vector, so that each vector lies in one run
     * @param count values to write, a multiple of the lanes of a vector
     * @param to    where they go
     * @param at    index of the first
     */
    static void write(TransformBasis basis, int k, int first, int count, float[] to, int at) {
        int done = vectors(basis, k, first, Math.min(count, (basis.width() - first) / LANES * LANES), to, at);
        for (int i = done; i < count; i++) {
            to[at + i] = first + i < basis.width() ? value(basis, k, first + i) : 0;
        }
    }

    private static int vectors(TransformBasis basis, int k, int first, int count, float[] to, int at) {
        MemorySegment codes = basis.codes();
        MemorySegment scales = basis.scales();
        long code = (long) k * basis.width() + first;
        // At 128 bits a vector of bytes has more lanes than are used.
        int end = (int) Math.min(count, codes.byteSize() - BYTE.length() - code + LANES);
        long scale = 2L * k * TransformBasis.runs(basis.width());
        int i = 0;
        for (; i <= end - LANES; i += LANES) {
            float factor = Float.float16ToFloat(scales.get(Bounds.SHORT, scale + 2L * ((first + i) / TransformBasis.RUN)));
            FloatVector value = (FloatVector) ByteVector.fromMemorySegment(BYTE, codes, code + i, LE).convertShape(VectorOperators.B2F, FLOAT, 0);
            value.mul(factor).intoArray(to, at + i);
        }
        return i;
    }

    private static float value(TransformBasis basis, int k, int w) {
        return basis.scale(k, w / TransformBasis.RUN) * basis.codes().get(ValueLayout.JAVA_BYTE, (long) k * basis.width() + w);
    }
}
