package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.linalg.Eigen;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.ProgressListener;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Principal components of fewer rows than there are channels, by way of the rows' own Gram matrix, which is then the smaller one: an eigenvector u of X X^T
 * gives the component X^T u.
 */
public final class RowComponents {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Share of the largest eigenvalue below which there is nothing but rounding. */
    private static final double LEAST_VALUE = 1e-7;

    private RowComponents() {}

    /**
     * Finds components.
     *
     * @param rows f32 {@code [count][width]}, centred
     * @param count rows, at least 1
     * @param most components wanted
     * @param arena owns the result
     * @return f32 {@code [components][width]}, unit vectors by falling deviation; as many as there are, at most {@code most}
     */
    public static MemorySegment of(MemorySegment rows, int count, int width, int most, LinearAlgebra algebra, Arena arena) {
        try (Arena temporary = Arena.ofShared()) {
            MemorySegment products = temporary.allocate(4L * count * count, 64);
            algebra.gemm(false, true, count, count, width, 1, rows, width, rows, width, 0, products, count);
            MemorySegment gram = temporary.allocate(8L * count * count, 64);
            for (long i = 0; i < (long) count * count; i++) {
                gram.set(ValueLayout.JAVA_DOUBLE, 8 * i, products.get(FLOAT, 4 * i));
            }
            try (Eigen eigen = algebra.largest(gram, count, Math.min(most, count), ProgressListener.NONE)) {
                int components = 0;
                while (components < Math.min(most, count) && eigen.value(components) > LEAST_VALUE * eigen.value(0)) {
                    components++;
                }
                MemorySegment vectors = arena.allocate(Math.max(4, 4L * components * width), 64).asSlice(0, 4L * components * width);
                algebra.gemm(false, false, components, width, count, 1, eigen.vectors(), count, rows, width, 0, vectors, width);
                for (int k = 0; k < components; k++) {
                    normalize(vectors.asSlice(4L * k * width, 4L * width));
                }
                return vectors;
            }
        }
    }

    private static void normalize(MemorySegment vector) {
        double square = 0;
        for (long at = 0; at < vector.byteSize(); at += 4) {
            square += Math.pow(vector.get(FLOAT, at), 2);
        }
        double factor = square == 0 ? 0 : 1 / Math.sqrt(square);
        for (long at = 0; at < vector.byteSize(); at += 4) {
            vector.set(FLOAT, at, (float) (vector.get(FLOAT, at) * factor));
        }
    }
}
