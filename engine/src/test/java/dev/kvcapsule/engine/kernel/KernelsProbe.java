package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Runs in a JVM of its own: uses every kernel of the best provider once, then prints which that was and its vector width. */
final class KernelsProbe {
    private static final int TOKENS = 4;
    private static final int CHANNELS = 64;

    private KernelsProbe() {}

    public static void main(String[] args) throws MalformedDataException {
        Kernels kernels = Kernels.best();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = arena.allocate(4L * TOKENS * CHANNELS);
            QuantShape quant = new QuantShape(QuantShape.Grouping.TOKENS, 4, 32, ElementType.F32, ElementType.BF16, TOKENS, CHANNELS);
            RotationShape rotation = new RotationShape(4, CHANNELS, 1, false, ElementType.F32, ElementType.BF16, TOKENS, CHANNELS);
            MemorySegment codes = arena.allocate(quant.codeBytes());
            MemorySegment first = arena.allocate(2 * quant.parameters());
            MemorySegment second = arena.allocate(2 * quant.parameters());
            kernels.convert().fromF32(ElementType.F16, rows, 0, first, 0, CHANNELS);
            kernels.quant().quantize(quant, rows, 0, codes, 0, first, 0, second, 0);
            kernels.hadamard().encode(rotation, rows, 0, MemorySegment.NULL, 0, codes, 0, first, 0);
            kernels.rope().rotate(new RopeTable(arena, new int[TOKENS], new double[1]), 0, rows, 0, TOKENS, 1, CHANNELS, RopeKernel.Pairing.HALVES, false);
            kernels.bytePlane().split(rows, 4, CHANNELS, arena.allocate(4L * CHANNELS));
            RansTables tables = RansTables.fromHistograms(new long[RansTables.SYMBOLS]);
            MemorySegment symbols = arena.allocate(100).fill((byte) 1);
            MemorySegment stream = arena.allocate(RansKernel.maxEncodedBytes(100));
            long length = kernels.rans().encode(symbols, 100, tables, RansContexts.constant(0), stream);
            kernels.rans().decode(stream.asSlice(0, length), symbols, 100, tables, RansContexts.constant(0));
            int[] frequencies = new int[CoefficientKernel.CONTEXTS * CoefficientKernel.SYMBOLS];
            java.util.Arrays.fill(frequencies, CoefficientKernel.TOTAL / CoefficientKernel.SYMBOLS);
            float[] ones = new float[CHANNELS];
            java.util.Arrays.fill(ones, 1);
            MemorySegment coded = arena.allocate(CoefficientKernel.maxEncodedBytes(TOKENS, CHANNELS));
            kernels.vectors().quantize(rows, TOKENS, CHANNELS, ones, rows);
            kernels.coefficients().encode(rows, TOKENS, CHANNELS, CHANNELS, ones, ones, new SymbolTables(frequencies), coded, null, new CoefficientScratch());
        }
        System.out.println(kernels.name() + " " + Kernels.vectorBits() + " " + Kernels.whyNotPanama());
    }
}
