package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.GpuCheck.Line;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.CoefficientKernel;
import dev.kvcapsule.engine.kernel.CoefficientScratch;
import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.DeviceKernel.Columns;
import dev.kvcapsule.engine.kernel.DeviceKernel.Rows;
import dev.kvcapsule.engine.kernel.DeviceKernel.Turn;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.RopeTable;
import dev.kvcapsule.engine.kernel.SymbolTables;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformScratch;
import dev.kvcapsule.engine.kernel.VectorKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/** What transform codecs do to a tile: token vectors, products with a basis that stays on the device, coefficients. Compared on few rows, measured on a tile of 512 tokens of 10,240 channels. */
final class GpuTransforms {
    /** K and V of five layers. */
    private static final int TENSORS = 10;
    private static final int TILE_TOKENS = 512;
    private static final int LARGEST = 127 + 50 << 23;
    private static final int MOST_COMPONENTS = 3072;
    /** A cache of 4,096 tokens has so many tiles; then as many as a device has room for. */
    private static final int[] MATRICES = {1, 8, 132};

    private final CudaKernels cuda;
    private final Kernels host;
    private final Kernels there;
    private final DeviceMemory memory;
    private final CudaCoefficients coefficients;
    private final CudaStream stream;
    private final int compared;
    private final int tokens;
    private final int components;
    private final int rounds;
    private final Consumer<Line> lines;
    private final SplittableRandom random = new SplittableRandom(11);

    /** @param tokens that all is measured on at most */
    GpuTransforms(CudaKernels cuda, Kernels host, int tokens, int rounds, Consumer<Line> lines) {
        this.cuda = cuda;
        this.host = host;
        this.there = cuda.kernels(host);
        this.memory = new DeviceMemory(cuda.device());
        this.coefficients = new CudaCoefficients(cuda.device(), memory, host.coefficients());
        this.stream = cuda.device().lane().stream();
        this.tokens = Math.min(tokens, TILE_TOKENS);
        this.compared = Math.min(this.tokens, 40);
        this.components = Math.min(MOST_COMPONENTS, 6 * tokens);
        this.rounds = rounds;
        this.lines = lines;
    }

    void run() {
        try (Arena arena = Arena.ofShared(); TransformScratch scratch = new TransformScratch()) {
            joined(arena);
            vectors(arena, scratch);
            products(arena, scratch);
            coded(arena);
        } catch (MalformedDataException e) {
            lines.accept(new Line("coefficients decode", false, 0, e.getMessage()));
        } finally {
            // Memory for 132 matrices.
            cuda.device().lane().shrink();
        }
    }

    private MemorySegment onDevice(Arena arena, MemorySegment from) {
        MemorySegment to = memory.allocate(arena, from.byteSize());
        memory.copy(from, 0, to, 0, from.byteSize());
        return to;
    }

    private boolean same(MemorySegment expected, MemorySegment actual, long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            return HostOperands.fetched(memory, arena, actual, bytes).asSlice(0, bytes).mismatch(expected.asSlice(0, bytes)) < 0;
        }
    }

    private void measured(String what, boolean same, long bytes, GpuSpeed.Work work) {
        lines.accept(new Line(what, same, bytes / GpuSpeed.seconds(stream, rounds, work) / 1e9, ""));
    }

    private void joined(Arena arena) {
        RopeTable table = GpuKernels.table(arena, tokens);
        long rowBytes = 2L * GpuKernels.CHANNELS;
        MemorySegment rows = arena.allocate(tokens * rowBytes, 64);
        GpuKernels.fill(ElementType.F16, rows);
        MemorySegment tensor = onDevice(arena, rows);
        MemorySegment back = memory.allocate(arena, tokens * rowBytes);
        Columns[] columns = new Columns[TENSORS];
        Columns[] returned = new Columns[TENSORS];
        for (int i = 0; i < TENSORS; i++) {
            Turn turn = i % 2 == 0 ? new Turn(table, RopeKernel.Pairing.HALVES, GpuKernels.HEAD) : null;
            columns[i] = new Columns(new Rows(tensor, ElementType.F16, turn), GpuKernels.CHANNELS);
            returned[i] = new Columns(new Rows(back, ElementType.F16, turn), GpuKernels.CHANNELS);
        }
        long vectorBytes = 4L * TENSORS * GpuKernels.CHANNELS;
        DeviceKernel device = there.device();
        HostDeviceKernel reference = new HostDeviceKernel(memory, host);
        MemorySegment vectors = memory.allocate(arena, tokens * vectorBytes);
        MemorySegment expected = arena.allocate(compared * vectorBytes, 64);
        reference.join(List.of(columns), compared, LARGEST, expected);
        device.join(List.of(columns), compared, LARGEST, vectors);
        boolean join = same(expected, vectors, expected.byteSize());
        long moved = tokens * (TENSORS * rowBytes + vectorBytes);
        measured("rows of " + TENSORS + " tensors to vectors, K before RoPE, F16", join, moved, () -> device.join(List.of(columns), tokens, LARGEST, vectors));
        measured("vectors to rows of " + TENSORS + " tensors", splits(arena, reference, device, expected, columns), moved, () -> device.split(vectors, tokens, List.of(returned)));
    }

    /** Each tensor to memory of its own. */
    private boolean splits(Arena arena, DeviceKernel reference, DeviceKernel device, MemorySegment vectors, Columns[] columns) {
        MemorySegment[] expected = new MemorySegment[TENSORS];
        MemorySegment[] actual = new MemorySegment[TENSORS];
        Columns[][] targets = new Columns[2][TENSORS];
        long bytes = 2L * compared * GpuKernels.CHANNELS;
        for (int i = 0; i < TENSORS; i++) {
            expected[i] = arena.allocate(bytes, 64);
            actual[i] = memory.allocate(arena, bytes);
            targets[0][i] = new Columns(new Rows(expected[i], ElementType.F16, columns[i].rows().turn()), GpuKernels.CHANNELS);
            targets[1][i] = new Columns(new Rows(actual[i], ElementType.F16, columns[i].rows().turn()), GpuKernels.CHANNELS);
        }
        reference.split(vectors, compared, List.of(targets[0]));
        device.split(vectors, compared, List.of(targets[1]));
        boolean same = true;
        for (int i = 0; i < TENSORS; i++) {
            same &= same(expected[i], actual[i], bytes);
        }
        return same;
    }

    private MemorySegment floats(Arena arena, long count) {
        MemorySegment floats = arena.allocate(4 * count, 64);
        for (long i = 0; i < count; i++) {
            floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
        }
        return floats;
    }

    private void vectors(Arena arena, TransformScratch scratch) {
        int width = TENSORS * GpuKernels.CHANNELS;
        long bytes = 4L * tokens * width;
        long comparedBytes = 4L * compared * width;
        VectorKernel scalar = host.vectors();
        VectorKernel device = there.vectors();
        MemorySegment rows = floats(arena, (long) tokens * width);
        MemorySegment on = onDevice(arena, rows);
        MemorySegment out = arena.allocate(bytes, 64);
        MemorySegment outOn = memory.allocate(arena, bytes);
        float[] operand = floats(arena, width).toArray(ValueLayout.JAVA_FLOAT);
        boolean steps = true;
        for (VectorKernel.Step step : VectorKernel.Step.values()) {
            scalar.combine(step, rows, compared, operand, out);
            device.combine(step, on, compared, operand, outOn);
            steps &= same(out, outOn, comparedBytes);
        }
        measured("a row added to, subtracted from, multiplied with vectors", steps, 2 * bytes, () -> device.combine(VectorKernel.Step.SUBTRACT, on, tokens, operand, outOn));
        boolean squares = Double.doubleToRawLongBits(scalar.squares(rows, compared, width)) == Double.doubleToRawLongBits(device.squares(on, compared, width));
        measured("squares of vectors, each time fetched", squares, bytes, () -> device.squares(on, tokens, width));
        int[] heads = new int[width / GpuKernels.HEAD];
        Arrays.fill(heads, GpuKernels.HEAD);
        float[][] sums = {new float[tokens * heads.length], new float[tokens * heads.length]};
        scalar.headSquares(rows, tokens, heads, sums[0]);
        device.headSquares(on, tokens, heads, sums[1]);
        measured("squares of heads, each time fetched", Arrays.equals(sums[0], sums[1]), bytes, () -> device.headSquares(on, tokens, heads, sums[1]));
        MemorySegment blocks = floats(arena, (long) heads.length * GpuKernels.HEAD * GpuKernels.HEAD).asReadOnly();
        host.gemm().multiplyBlocks(compared, heads, rows, blocks, out, scratch);
        there.gemm().multiplyBlocks(compared, heads, on, blocks, outOn, scratch);
        measured("heads times matrices of their own", same(out, outOn, comparedBytes), 2 * bytes, () -> there.gemm().multiplyBlocks(tokens, heads, on, blocks, outOn, scratch));
        int[] columns = {0, 5, 6, width - 1};
        long taken = 4L * compared * columns.length;
        scalar.takeColumns(rows, compared, width, columns, columns.length, out);
        device.takeColumns(on, compared, width, columns, columns.length, outOn);
        boolean picked = same(out, outOn, taken);
        MemorySegment addends = onDevice(arena, out.asSlice(0, taken));
        MemorySegment sum = arena.allocate(comparedBytes, 64).copyFrom(rows.asSlice(0, comparedBytes));
        MemorySegment sumOn = onDevice(arena, rows.asSlice(0, comparedBytes));
        scalar.addToColumns(out, compared, width, columns, columns.length, sum);
        device.addToColumns(addends, compared, width, columns, columns.length, sumOn);
        lines.accept(new Line("columns of vectors taken and added to", picked && same(sum, sumOn, comparedBytes), 0, ""));
        float[] step = new float[tokens];
        Arrays.fill(step, 0.3f);
        boolean codes = scalar.quantize(rows, compared, width, step, out) == device.quantize(on, compared, width, step, outOn) && same(out, outOn, comparedBytes);
        MemorySegment values = memory.allocate(arena, bytes);
        measured("quantizer of coefficients", codes, 2 * bytes, () -> device.quantize(on, tokens, width, step, outOn));
        device.quantize(on, compared, width, step, outOn);
        device.restore(outOn, compared, width, step, values);
        MemorySegment expected = arena.allocate(comparedBytes, 64);
        scalar.restore(out, compared, width, step, expected);
        measured("coefficients out of codes", same(expected, values, comparedBytes), 2 * bytes, () -> device.restore(outOn, tokens, width, step, values));
    }

    private void products(Arena arena, TransformScratch scratch) {
        int width = TENSORS * GpuKernels.CHANNELS;
        MemorySegment codes = arena.allocate((long) components * width, 64);
        MemorySegment scales = arena.allocate(2L * components * TransformBasis.runs(width), 64);
        for (long i = 0; i < codes.byteSize(); i++) {
            codes.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
        }
        for (long i = 0; i < scales.byteSize() / 2; i++) {
            scales.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(random.nextFloat() / 1000));
        }
        TransformBasis basis = new TransformBasis(codes, scales, components, width).lasting();
        MemorySegment rows = floats(arena, (long) tokens * width);
        MemorySegment on = onDevice(arena, rows);
        MemorySegment projected = memory.allocate(arena, 4L * tokens * components);
        int few = Math.min(compared, 3);
        MemorySegment expected = arena.allocate(4L * few * components, 64);
        host.transform().analyze(basis, rows, 0, width, expected, 0, components, few, scratch);
        there.transform().analyze(basis, on, 0, width, projected, 0, components, few, scratch);
        product("projection on a basis that stays", same(expected, projected, expected.byteSize()), width, () -> there.transform().analyze(basis, on, 0, width, projected, 0, components, tokens, scratch));
        product("sums of the components of a basis that stays", true, width, () -> there.transform().synthesize(basis, projected, 0, components, on, 0, width, tokens, scratch));
    }

    private void product(String what, boolean same, int width, GpuSpeed.Work work) {
        double seconds = GpuSpeed.seconds(stream, rounds, work);
        lines.accept(new Line(what, same, 0, String.format(Locale.ROOT, "%d x %d x %d: %.3f ms, %.1f TFLOP/s", tokens, components, width, 1e3 * seconds, 2.0 * tokens * components * width / seconds / 1e12)));
    }

    private SymbolTables tables() {
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

    /** A tile's coefficients: few large ones, of which some are escaped or have low bits, and many near 0. */
    private void coded(Arena arena) throws MalformedDataException {
        float[] priors = new float[components];
        float[] scales = new float[tokens];
        MemorySegment values = arena.allocate(4L * tokens * components, 64);
        for (int k = 0; k < components; k++) {
            priors[k] = (float) Math.max(0.02, 40 / (1 + 0.5 * k));
        }
        for (int t = 0; t < tokens; t++) {
            scales[t] = Math.scalb(1f, t % 3 - 1);
            for (int k = 0; k < components; k++) {
                double magnitude = -Math.log(1 - random.nextDouble()) * priors[k] * scales[t] * (random.nextInt(5000) == 0 ? 200 : 1.2);
                values.setAtIndex(ValueLayout.JAVA_INT, (long) t * components + k, (int) (random.nextBoolean() ? magnitude : -magnitude));
            }
        }
        SymbolTables tables = tables();
        CoefficientScratch scratch = new CoefficientScratch();
        long most = CoefficientKernel.maxEncodedBytes(tokens, components);
        MemorySegment[] coded = {arena.allocate(most, 64), arena.allocate(most, 64)};
        long bytes = host.coefficients().encode(values, tokens, components, components, priors, scales, tables, coded[0], null, scratch);
        boolean encoded = coefficients.encode(values, tokens, components, components, priors, scales, tables, coded[1], null, scratch) == bytes
                && coded[0].asSlice(0, bytes).mismatch(coded[1].asSlice(0, bytes)) < 0;
        MemorySegment decoded = arena.allocate(values.byteSize(), 64);
        MemorySegment in = coded[0].asSlice(0, bytes);
        coefficients.decode(in, decoded, tokens, components, components, priors, scales, tables, scratch);
        boolean back = decoded.mismatch(values) < 0;
        for (int matrices : MATRICES) {
            if (matrices > tokens) {
                break;
            }
            line("encode", encoded, matrices, coefficients.secondsOfEncoding(values, tokens, components, priors, scales, tables, matrices, rounds));
            line("decode", back, matrices, coefficients.secondsOfDecoding(in, tokens, components, priors, scales, tables, matrices, rounds));
        }
    }

    private void line(String what, boolean same, int matrices, double seconds) {
        lines.accept(new Line("coefficients " + what + ", " + matrices + " matrices a launch", same, 0,
                String.format(Locale.ROOT, "%d x %d: %.3f ms, %.2f us a row, %.2f G coefficients/s", tokens, components, 1e3 * seconds, 1e6 * seconds / tokens,
                        (double) matrices * tokens * components / seconds / 1e9)));
    }
}
