package dev.kvcapsule.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** A made-up matrix of coefficients and what its coder is told of it. */
record CoefficientData(int rows, int components, int stride, int[] values, float[] priors, float[] scales) {
    /** Values that the priors expect, some far larger: of any size up to the largest. */
    static CoefficientData of(SplittableRandom random, int rows, int components, int more, double top, double wild) {
        float[] priors = new float[components];
        for (int k = 0; k < components; k++) {
            priors[k] = (float) Math.clamp(top / (1 + 0.3 * k), 0x1p-14, 0x1p18);
        }
        float[] scales = new float[rows];
        for (int row = 0; row < rows; row++) {
            scales[row] = Math.scalb(1f, random.nextInt(5) - 2);
        }
        int stride = components + more;
        int[] values = new int[rows * stride];
        for (int row = 0; row < rows; row++) {
            for (int k = 0; k < components; k++) {
                double magnitude = -Math.log(1 - random.nextDouble()) * priors[k] * scales[row] * 1.2;
                if (random.nextDouble() < wild) {
                    magnitude = random.nextInt(1 << random.nextInt(1, 23)) + 1;
                }
                values[row * stride + k] = (int) Math.min(magnitude, CoefficientKernel.MAX_MAGNITUDE) * (random.nextBoolean() ? 1 : -1);
            }
        }
        return new CoefficientData(rows, components, stride, values, priors, scales);
    }

    MemorySegment memory(Arena arena) {
        MemorySegment memory = arena.allocate(Math.max(4, 4L * values.length), 64);
        MemorySegment.copy(values, 0, memory, ValueLayout.JAVA_INT, 0, values.length);
        return memory;
    }

    /** Two-sided geometric distributions, roughly those of each context's class; any would do. */
    static SymbolTables tables() {
        int[] frequencies = new int[CoefficientKernel.CONTEXTS * CoefficientKernel.SYMBOLS];
        for (int context = 0; context < CoefficientKernel.CONTEXTS; context++) {
            double ratio = 0.05 + 0.9 * (context / CoefficientKernel.ENERGIES) / CoefficientKernel.SCALES;
            int left = CoefficientKernel.TOTAL;
            for (int symbol = CoefficientKernel.SYMBOLS - 1; symbol > 0; symbol--) {
                int frequency = 1 + (int) (CoefficientKernel.TOTAL * (1 - ratio) / 2.2 * Math.pow(ratio, (symbol + 1) / 2));
                frequencies[context * CoefficientKernel.SYMBOLS + symbol] = frequency;
                left -= frequency;
            }
            frequencies[context * CoefficientKernel.SYMBOLS] = left;
        }
        return new SymbolTables(frequencies);
    }
}
