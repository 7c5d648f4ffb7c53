package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientCoder;
import dev.kvcapsule.codecs.coefficients.CoefficientModel;
import dev.kvcapsule.codecs.coefficients.CoefficientTables;
import dev.kvcapsule.codecs.principal.ComponentQuantizer;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.CoefficientKernel;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformBasis;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Components that a capsule carries: rounded, and coded like coefficients. Precision costs bytes here, and is worth what it is worth for the coefficients: an error in
 * a component is repeated in all T tokens, so that its entries, multiplied by the component's deviation, are rounded with the coefficients' step over sqrt(T). Form:
 * docs/format.md, "klt".
 *
 * @param deviations standard deviation of each component's coefficients
 * @param scales of each component, binary16, positive
 * @param codes [components][width]: an entry is the code times its component's scale
 */
record CarriedRows(float[] deviations, short[] scales, int[] codes) {
    /** Integers at most: a damaged length must not claim more memory. Wide groups get fewer components. */
    static final int MAX_CODES = 1 << 26;

    /** Results are the same from any: components are little beside the tiles, and no one says here which kernels those use. */
    private static final CoefficientKernel COEFFICIENTS = Kernels.scalar().coefficients();

    /** Smallest normal number of binary16: below it scales would be coarse. */
    private static final double LEAST_SCALE = 0x1p-14;

    /** Largest scale; 128 times that is still a binary16. */
    private static final float LARGEST_SCALE = 256;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Bytes of a component besides its codes. */
    private static final long HEAD_BYTES = 4;

    /**
     * Rounds.
     *
     * @param vectors f32 {@code [deviations.length][width]}, unit vectors
     * @param deviations of the coefficients, at least 0
     * @param units what entries of each component are to be multiples of: larger where a code would exceed the largest
     * @param largestCode the largest magnitude of a code
     */
    static CarriedRows round(MemorySegment vectors, double[] deviations, double[] units, int width, int largestCode) {
        int components = deviations.length;
        float[] kept = new float[components];
        short[] scales = new short[components];
        int[] codes = new int[Math.multiplyExact(components, width)];
        for (int k = 0; k < components; k++) {
            kept[k] = Float.float16ToFloat(Float.floatToFloat16((float) Math.min(deviations[k], 65504)));
            long row = 4L * k * width;
            float largest = 0;
            for (int w = 0; w < width; w++) {
                largest = Math.max(largest, Math.abs(vectors.get(Transform.FLOAT, row + 4L * w)));
            }
            double unit = Math.max(units[k], largest * 1.001 / largestCode);
            scales[k] = Float.floatToFloat16((float) Math.clamp(unit, LEAST_SCALE, LARGEST_SCALE));
            float scale = Float.float16ToFloat(scales[k]);
            for (int w = 0; w < width; w++) {
                codes[k * width + w] = Math.clamp((long) Math.rint(vectors.get(Transform.FLOAT, row + 4L * w) / scale), -largestCode, largestCode);
            }
        }
        return new CarriedRows(kept, scales, codes);
    }

    int components() {
        return scales.length;
    }

    /** A component's scale as a number. */
    float scale(int k) {
        return Float.float16ToFloat(scales[k]);
    }

    /** The components as a basis, where codes fit a byte. @param arena owns it */
    TransformBasis basis(int width, Arena arena) {
        TransformBasis basis = ComponentQuantizer.empty(components(), width, arena);
        for (int k = 0; k < components(); k++) {
            for (int w = 0; w < width; w++) {
                basis.codes().set(ValueLayout.JAVA_BYTE, (long) k * width + w, (byte) codes[k * width + w]);
            }
            fill(basis.scales(), k, width, scales[k]);
        }
        return basis.lasting();
    }

    /** Sets all scales of a row of a basis. */
    static void fill(MemorySegment scales, int row, int width, short scale) {
        int runs = TransformBasis.runs(width);
        for (int run = 0; run < runs; run++) {
            scales.set(SHORT, 2 * ((long) row * runs + run), scale);
        }
    }

    /** Products of the components with each other, exact but for a rounding. */
    double[][] gram(int width) {
        double[][] gram = new double[scales.length][scales.length];
        for (int i = 0; i < scales.length; i++) {
            for (int j = 0; j <= i; j++) {
                long sum = 0;
                for (int w = 0; w < width; w++) {
                    sum += (long) codes[i * width + w] * codes[j * width + w];
                }
                gram[i][j] = (double) sum * scale(i) * scale(j);
                gram[j][i] = gram[i][j];
            }
        }
        return gram;
    }

    /** What {@link #write} takes at most. */
    static long maxBytes(int components, int width) {
        return HEAD_BYTES * components + 4 + CoefficientCoder.maxBytes(components, width);
    }

    /** Writes everything but the number of components. @return bytes */
    long write(int width, MemorySegment out) {
        long at = 0;
        for (int k = 0; k < scales.length; k++, at += HEAD_BYTES) {
            out.set(SHORT, at, Float.floatToFloat16(deviations[k]));
            out.set(SHORT, at + 2, scales[k]);
        }
        long coded = new CoefficientCoder(COEFFICIENTS).encode(codes, scales.length, width, width, priors(width), rowScales(scales, width), CoefficientTables.standard(), out.asSlice(at + 4), null);
        out.set(INT, at, (int) coded);
        return at + 4 + coded;
    }

    /**
     * Reads what {@link #write} wrote.
     *
     * @param components at most {@value #MAX_CODES} / width
     * @param largestCode the largest magnitude of a code
     */
    static CarriedRows read(CarriedBytes in, int components, int width, int largestCode) throws MalformedDataException {
        MemorySegment heads = in.take(HEAD_BYTES * components);
        float[] deviations = new float[components];
        short[] scales = new short[components];
        for (int k = 0; k < components; k++) {
            deviations[k] = in.finite(Float.float16ToFloat(heads.get(SHORT, HEAD_BYTES * k)));
            scales[k] = heads.get(SHORT, HEAD_BYTES * k + 2);
            float scale = in.finite(Float.float16ToFloat(scales[k]));
            if (!(scale > 0 && scale <= LARGEST_SCALE)) {
                throw in.malformed("has a component " + k + " of scale " + scale);
            }
        }
        MemorySegment coded = in.take(in.integer());
        int[] codes = new int[components * width];
        new CoefficientCoder(COEFFICIENTS).decode(coded, codes, components, width, width, priors(width), rowScales(scales, width), CoefficientTables.standard());
        for (int code : codes) {
            if (Math.abs(code) > largestCode) {
                throw in.malformed("holds code " + code);
            }
        }
        return new CarriedRows(deviations, scales, codes);
    }

    private static float[] priors(int width) {
        float[] priors = new float[width];
        Arrays.fill(priors, 1);
        return priors;
    }

    /** Entries of a unit vector of that width deviate by 1 / sqrt(width). */
    private static float[] rowScales(short[] scales, int width) {
        float[] rowScales = new float[scales.length];
        for (int k = 0; k < scales.length; k++) {
            rowScales[k] = CoefficientModel.expectedMagnitude(1 / (StrictMath.sqrt(width) * Float.float16ToFloat(scales[k])));
        }
        return rowScales;
    }
}
