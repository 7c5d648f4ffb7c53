package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.kernel.GemmKernel.Operand;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformScratch;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Components that a capsule brings for a group of layers besides those of the shared basis: of what that one leaves over of its cache. They come before the shared ones. Form:
 * docs/format.md, "klt".
 *
 * @param deviations of the coefficients
 * @param rows the components, nearly orthonormal
 * @param analysis f32 {@code [components][width]}: what a vector, less what the basis's leading components say, is to be multiplied by to get the coefficients that restore best
 *     what the basis leaves over of it; null for decoders
 */
record OwnComponents(float[] deviations, TransformBasis rows, MemorySegment analysis) {
    private static final int LARGEST_CODE = 127;

    /** Of the largest square of a component; and what is added where all are zero. */
    private static final double RIDGE = 1e-6;
    private static final double LEAST_RIDGE = 1e-30;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * The components of one group.
     *
     * @param bytes as a capsule carries them
     * @param transform the shared one, with them
     */
    record Written(byte[] bytes, Transform transform) {}

    int components() {
        return deviations.length;
    }

    /**
     * Rounds the first components of a spectrum for a step.
     *
     * @param shared the transform without them
     * @param arena owns what is made
     */
    static Written write(Transform shared, OwnSpectrum spectrum, int components, double step, Kernels kernels, Arena arena) {
        int width = shared.width();
        try (GrowingBuffer buffer = new GrowingBuffer()) {
            MemorySegment bytes = buffer.atLeast(4 + CarriedRows.maxBytes(components, width));
            bytes.set(INT, 0, components);
            if (components == 0) {
                return new Written(bytes.asSlice(0, 4).toArray(ValueLayout.JAVA_BYTE), shared);
            }
            double[] units = Arrays.stream(spectrum.scaled(), 0, components).map(deviation -> step / Math.sqrt(spectrum.tokens()) / deviation).toArray();
            CarriedRows carried = CarriedRows.round(spectrum.vectors(), Arrays.copyOf(spectrum.deviations(), components), units, width, LARGEST_CODE);
            long end = 4 + carried.write(width, bytes.asSlice(4));
            return new Written(bytes.asSlice(0, end).toArray(ValueLayout.JAVA_BYTE), shared.with(of(carried, width, arena).forEncoding(carried, shared, kernels, arena)));
        }
    }

    private static OwnComponents of(CarriedRows carried, int width, Arena arena) {
        return new OwnComponents(carried.deviations(), carried.basis(width, arena), null);
    }

    /** Least squares: of rounded rows V, of what the basis leaves over of a vector y, (V V^T)^-1 V (y - U^T U y). */
    private OwnComponents forEncoding(CarriedRows carried, Transform shared, Kernels kernels, Arena arena) {
        int components = components();
        int width = rows.width();
        TransformBasis others = shared.basis().range(shared.leading(), shared.components() - shared.leading());
        try (GrowingBuffer left = new GrowingBuffer(); GrowingBuffer inside = new GrowingBuffer(); GrowingBuffer inverse = new GrowingBuffer(); TransformScratch scratch = new TransformScratch()) {
            MemorySegment vectors = left.atLeast(4L * components * width);
            float[] row = new float[width];
            for (int k = 0; k < components; k++) {
                for (int w = 0; w < width; w++) {
                    row[w] = carried.codes()[k * width + w] * carried.scale(k);
                }
                MemorySegment.copy(row, 0, vectors, Transform.FLOAT, 4L * k * width, width);
            }
            MemorySegment projection = inside.atLeast(4L * components * Math.max(1, others.components()));
            kernels.transform().analyze(others, vectors, 0, width, projection, 0, others.components(), components, scratch);
            kernels.vectors().negate(projection, components, others.components(), others.components());
            kernels.transform().synthesize(others, projection, 0, others.components(), vectors, 0, width, components, scratch);
            MemorySegment gram = inverse.atLeast(4L * components * components);
            SquareMatrix.write(SquareMatrix.inverse(ridged(carried.gram(width))), gram, 0);
            MemorySegment analysis = arena.allocate(4L * components * width, 64);
            kernels.gemm().multiplyAdd(components, width, components, new Operand(gram, 0, components, false), new Operand(vectors, 0, width, false), new Operand(analysis, 0, width, false),
                    scratch);
            return new OwnComponents(deviations, rows, analysis.asReadOnly());
        }
    }

    /** So that there is an inverse, whatever rounding made of the components. */
    private static double[][] ridged(double[][] gram) {
        double largest = 0;
        for (int k = 0; k < gram.length; k++) {
            largest = Math.max(largest, gram[k][k]);
        }
        for (int k = 0; k < gram.length; k++) {
            gram[k][k] += RIDGE * largest + LEAST_RIDGE;
        }
        return gram;
    }

    /**
     * The coefficients of vectors of which the basis's leading components have been taken out.
     *
     * @param vectors f32 {@code [tokens][width]}
     * @param coefficients f32 {@code [tokens][components]}, to which they are added
     * @param stride floats from one token's coefficients to the next's
     */
    void project(Kernels kernels, MemorySegment vectors, int tokens, MemorySegment coefficients, int stride, TransformScratch scratch) {
        kernels.gemm().multiplyAdd(tokens, components(), rows.width(), new Operand(vectors, 0, rows.width(), false), new Operand(analysis, 0, rows.width(), true),
                new Operand(coefficients, 0, stride, false), scratch);
    }

    /**
     * Reads the components of all groups of a cache.
     *
     * @param most components a group may have
     * @param carried as a capsule brought them
     * @param arena owns what is made
     * @return the transforms with them
     */
    static Transforms read(CacheLayout layout, Transforms shared, int most, MemorySegment carried, Arena arena) throws MalformedDataException {
        List<Transform> transforms = new ArrayList<>();
        CarriedBytes in = new CarriedBytes(carried);
        for (Transform transform : shared.all()) {
            LayerGroup group = transform.group();
            in.begin(group);
            int width = group.width();
            int components = in.components(Math.min(most, Math.min(width, layout.subCaches().get(group.subCache()).cells())));
            transforms.add(components == 0 ? transform : transform.with(of(CarriedRows.read(in, components, width, LARGEST_CODE), width, arena)));
        }
        in.end();
        return new Transforms(transforms, shared.tables());
    }
}
