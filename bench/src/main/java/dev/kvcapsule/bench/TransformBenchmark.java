package dev.kvcapsule.bench;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.openjdk.jmh.annotations.Benchmark;

/**
 * Projection of a tile's tokens, all layers together, on a basis of a quarter as many components, and the way back with all coefficients and with a tenth of
 * them. Numbers are random: time does not depend on them. What is counted is 16-bit values of the tokens.
 */
public class TransformBenchmark extends KernelBenchmark {
    private static final int PARTS = 4;
    private static final int SPARSE = 10;

    private TransformBasis basis;
    private MemorySegment rows;
    private MemorySegment dense;
    private MemorySegment sparse;
    private MemorySegment projected;
    private MemorySegment fromDense;
    private MemorySegment fromSparse;
    private MemorySegment expected;
    private TransformScratch scratch;

    /** With its parameters at their defaults. */
    public TransformBenchmark() {}

    @Override
    void prepare(Arena arena) {
        SplittableRandom random = new SplittableRandom(1);
        int width = workload().layers() * workload().width();
        int components = width / PARTS;
        MemorySegment codes = arena.allocate((long) components * width, 64);
        for (long i = 0; i < codes.byteSize(); i++) {
            codes.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt(-127, 128));
        }
        MemorySegment scales = arena.allocate(2L * components * TransformBasis.runs(width), 64);
        for (long at = 0; at < scales.byteSize(); at += Short.BYTES) {
            scales.set(ValueLayout.JAVA_SHORT, at, Float.floatToFloat16(0x1p-10f));
        }
        basis = new TransformBasis(codes, scales, components, width);
        rows = floats(arena, width, random, 1);
        dense = floats(arena, components, random, 1);
        sparse = floats(arena, components, random, SPARSE);
        projected = floats(arena, components, random, 1);
        fromDense = floats(arena, width, random, 1);
        fromSparse = floats(arena, width, random, 1);
        expected = floats(arena, width, random, 1);
        scratch = new TransformScratch();
    }

    /** A row for each token, of which one value in {@code every} is not 0. */
    private static MemorySegment floats(Arena arena, int width, SplittableRandom random, int every) {
        MemorySegment values = arena.allocate((long) Float.BYTES * Workload.TILE_TOKENS * width, 64);
        for (long at = 0; at < values.byteSize(); at += Float.BYTES) {
            values.set(ValueLayout.JAVA_FLOAT, at, random.nextInt(every) == 0 ? (float) random.nextDouble(-1, 1) : 0);
        }
        return values;
    }

    private void synthesize(Kernels kernels, MemorySegment coefficients, MemorySegment to) {
        to.fill((byte) 0);
        kernels.transform().synthesize(basis, coefficients, 0, basis.components(), to, 0, basis.width(), Workload.TILE_TOKENS, scratch);
    }

    private void analyze(Kernels kernels, MemorySegment to) {
        kernels.transform().analyze(basis, rows, 0, basis.width(), to, 0, basis.components(), Workload.TILE_TOKENS, scratch);
    }

    private long bytes() {
        return (long) Short.BYTES * Workload.TILE_TOKENS * basis.width();
    }

    /** Rows to coefficients. */
    @Benchmark
    public void analyze(Amount amount) {
        analyze(engine(), projected);
        amount.bytes += bytes();
    }

    /** Coefficients to rows. */
    @Benchmark
    public void synthesize(Amount amount) {
        synthesize(engine(), dense, fromDense);
        amount.bytes += bytes();
    }

    /** Coefficients to rows where one in ten is not 0. */
    @Benchmark
    public void synthesizeSparse(Amount amount) {
        synthesize(engine(), sparse, fromSparse);
        amount.bytes += bytes();
    }

    @Override
    void runAll(Amount amount) {
        analyze(amount);
        synthesize(amount);
        synthesizeSparse(amount);
    }

    @Override
    void verify() {
        MemorySegment coefficients = expected.asSlice(0, projected.byteSize());
        analyze(Kernels.scalar(), coefficients);
        Checks.same("the projection", coefficients, projected);
        synthesize(Kernels.scalar(), dense, expected);
        Checks.same("the sum of all components", expected, fromDense);
        synthesize(Kernels.scalar(), sparse, expected);
        Checks.same("the sum of some components", expected, fromSparse);
    }

    @Override
    public void tearDown() {
        scratch.close();
        super.tearDown();
    }
}
