package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.GpuCheck.Line;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.MxBlocks;
import dev.kvcapsule.engine.kernel.QuantShape;
import dev.kvcapsule.engine.kernel.RansContexts;
import dev.kvcapsule.engine.kernel.RansKernel;
import dev.kvcapsule.engine.kernel.RansTables;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.RopeTable;
import dev.kvcapsule.engine.kernel.RotationShape;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.IntFunction;

/**
 * Each kernel on made-up rows that are hard enough (outliers, zeros, subnormal numbers): its bytes against the scalar kernels', and the speed of many on rows that are in the device's memory. Codecs are here,
 * what works element by element in {@link GpuElements}, pages in {@link GpuPages}.
 */
final class GpuKernels {
    static final int CHANNELS = 1024;
    static final int HEAD = 128;
    /** Rows that are compared: the scalar kernels take their time. */
    static final int COMPARED = 512;
    /** More rows than elsewhere: here the host waits for each kernel, which is to be small beside it. */
    private static final int TIMES = 4;
    /** Rows that are made up; on the device they follow each other as often as it takes. */
    private static final int FILLED = 4096;
    private static final int STREAMS = 264;
    private static final int STREAM_SYMBOLS = 1 << 18;

    private final CudaKernels cuda;
    private final Kernels host;
    private final DeviceKernel device;
    private final DeviceMemory memory;
    private final GpuSpeed speed;
    private final int tokens;
    private final int rounds;
    private final Consumer<Line> lines;

    /** @param lines hears each result as it comes */
    GpuKernels(CudaKernels cuda, Kernels host, GpuSpeed speed, int tokens, int rounds, Consumer<Line> lines) {
        this.cuda = cuda;
        this.host = host;
        this.device = cuda.kernels(host).device();
        this.memory = new DeviceMemory(cuda.device());
        this.speed = speed;
        this.tokens = TIMES * tokens;
        this.rounds = rounds;
        this.lines = lines;
    }

    /** The results of one run; the reference has one for each output of the device. */
    interface Case {
        void run(DeviceKernel kernel, int tokens, MemorySegment rows, MemorySegment[] outputs, MemorySegment back);
    }

    /** A case in both directions. */
    private record Pair(String name, Case encode, Case decode, long[] outputBytes) {}

    void run() {
        try (Arena arena = Arena.ofShared()) {
            for (ElementType type : ElementType.values()) {
                rows(arena, type);
            }
        }
        new GpuElements(cuda, host, speed, tokens / TIMES, lines).run();
        new GpuPages(cuda, tokens / TIMES, rounds, lines).run();
        new GpuTransforms(cuda, host, tokens / TIMES, rounds, lines).run();
        matrices();
        streams();
    }

    private void rows(Arena arena, ElementType type) {
        RopeTable table = table(arena, tokens);
        MemorySegment rows = arena.allocate((long) Math.min(tokens, FILLED) * CHANNELS * type.bytes(), 64);
        fill(type, rows);
        boolean measured = type == ElementType.F16;
        ElementType parameter = type.parameterType();
        for (int bits : measured ? new int[] {4, 2, 3, 8} : new int[] {4}) {
            for (QuantShape.Grouping grouping : QuantShape.Grouping.values()) {
                for (boolean turned : grouping == QuantShape.Grouping.TOKENS ? new boolean[] {false, true} : new boolean[] {false}) {
                    kivi(rows, type, parameter, grouping, bits, turned ? table : null, measured && bits == 4);
                }
            }
        }
        for (int bits : new int[] {4, 2}) {
            rotated(rows, type, parameter, bits, HEAD, bits == 4 ? table : null, measured);
        }
        if (measured) {
            rotated(rows, type, parameter, 4, HEAD / 2, null, true);
            rotated(rows, type, parameter, 4, HEAD, null, true);
            rotated(rows, type, parameter, 4, 2 * HEAD, null, true);
        }
        fp8(rows, type, measured);
        if (measured) {
            means(rows, type, table);
        }
    }

    /** Means of as many tokens as a tile of a large model has. */
    private void means(MemorySegment rows, ElementType type, RopeTable table) {
        int count = Math.min(COMPARED, tokens);
        RotationShape shape = new RotationShape(4, HEAD, 1, true, type, type, count, CHANNELS);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment there = memory.allocate(arena, (long) count * CHANNELS * type.bytes());
            memory.copy(rows, 0, there, 0, there.byteSize());
            MemorySegment means = memory.allocate(arena, 2L * CHANNELS);
            MemorySegment expected = arena.allocate(2L * CHANNELS, 64);
            for (RopeTable turned : new RopeTable[] {null, table}) {
                new HostDeviceKernel(memory, host).means(shape, new DeviceKernel.Rows(rows, type, turn(turned)), expected);
                double seconds = speed.kernelSeconds(() -> device.means(shape, new DeviceKernel.Rows(there, type, turn(turned)), means));
                lines.accept(new Line("channel means" + (turned == null ? "" : " before RoPE") + " of " + count + " tokens, " + type,
                        same(arena, new MemorySegment[] {expected}, new MemorySegment[] {means}), there.byteSize() / seconds / 1e9, String.format(Locale.ROOT, "%.1f us", seconds * 1e6)));
            }
        }
    }

    private static DeviceKernel.Turn turn(RopeTable table) {
        return table == null ? null : new DeviceKernel.Turn(table, RopeKernel.Pairing.HALVES, HEAD);
    }

    private void kivi(MemorySegment rows, ElementType type, ElementType parameter, QuantShape.Grouping grouping, int bits, RopeTable table, boolean measured) {
        IntFunction<QuantShape> shape = count -> new QuantShape(grouping, bits, 32, type, parameter, count, CHANNELS);
        QuantShape whole = shape.apply(tokens);
        pair(new Pair("kivi " + bits + " bits " + (grouping == QuantShape.Grouping.TOKENS ? "K" : "V") + (table == null ? "" : " before RoPE") + ", " + type,
                (kernel, count, from, outputs, back) -> kernel.quantize(shape.apply(count), new DeviceKernel.Rows(from, type, turn(table)), outputs[0], outputs[1], outputs[2]),
                (kernel, count, from, outputs, back) -> kernel.dequantize(shape.apply(count), outputs[0], outputs[1], outputs[2], new DeviceKernel.Rows(back, type, turn(table))),
                new long[] {whole.codeBytes(), 2 * whole.parameters(), 2 * whole.parameters()}), rows, type, measured);
    }

    private void rotated(MemorySegment rows, ElementType type, ElementType parameter, int bits, int head, RopeTable table, boolean measured) {
        IntFunction<RotationShape> shape = count -> new RotationShape(bits, head, 1, true, type, parameter, count, CHANNELS);
        RotationShape whole = shape.apply(tokens);
        pair(new Pair("rotated " + bits + " bits, heads of " + head + (table == null ? "" : " before RoPE") + ", " + type, (kernel, count, from, outputs, back) -> {
            DeviceKernel.Rows there = new DeviceKernel.Rows(from, type, turn(table));
            if (count <= COMPARED) {
                kernel.means(shape.apply(count), there, outputs[2]);
            }
            kernel.encode(shape.apply(count), there, outputs[2], outputs[0], outputs[1]);
        }, (kernel, count, from, outputs, back) -> kernel.decode(shape.apply(count), outputs[0], outputs[1], outputs[2], new DeviceKernel.Rows(back, type, turn(table))),
                new long[] {whole.codeBytes(), 2 * whole.gains(), 2L * CHANNELS}), rows, type, measured);
    }

    private void fp8(MemorySegment rows, ElementType type, boolean measured) {
        pair(new Pair("fp8, " + type, (kernel, count, from, outputs, back) -> kernel.toFp8(new DeviceKernel.Rows(from, type, null), count, CHANNELS, outputs[0], outputs[1]),
                (kernel, count, from, outputs, back) -> kernel.fromFp8(outputs[0], outputs[1], count, CHANNELS, new DeviceKernel.Rows(back, type, null)),
                new long[] {MxBlocks.scales(tokens, CHANNELS), (long) tokens * CHANNELS}), rows, type, measured);
    }

    private void pair(Pair pair, MemorySegment rows, ElementType type, boolean measured) {
        int compared = Math.min(COMPARED, tokens);
        long rowBytes = (long) CHANNELS * type.bytes();
        try (Arena arena = Arena.ofShared()) {
            MemorySegment[] expected = outputs(arena, pair, false);
            MemorySegment[] outputs = outputs(arena, pair, true);
            MemorySegment expectedBack = arena.allocate(compared * rowBytes, 64);
            int tokens = measured ? this.tokens : compared;
            MemorySegment back = memory.allocate(arena, tokens * rowBytes);
            HostDeviceKernel reference = new HostDeviceKernel(memory, host);
            pair.encode().run(reference, compared, rows, expected, null);
            pair.decode().run(reference, compared, rows, expected, expectedBack);
            MemorySegment there = memory.allocate(arena, tokens * rowBytes);
            for (long done = 0; done < there.byteSize(); done += rows.byteSize()) {
                memory.copy(rows, 0, there, done, Math.min(rows.byteSize(), there.byteSize() - done));
            }
            pair.encode().run(device, compared, there, outputs, back);
            boolean encoded = same(arena, expected, outputs);
            pair.decode().run(device, compared, there, outputs, back);
            MemorySegment fetched = arena.allocate(compared * rowBytes, 64);
            memory.copy(back, 0, fetched, 0, fetched.byteSize());
            boolean decoded = fetched.mismatch(expectedBack) < 0;
            double moved = tokens * rowBytes;
            for (long bytes : pair.outputBytes()) {
                moved += bytes;
            }
            double encode = measured ? moved / speed.kernelSeconds(() -> pair.encode().run(device, tokens, there, outputs, back)) / 1e9 : 0;
            double decode = measured ? moved / speed.kernelSeconds(() -> pair.decode().run(device, tokens, there, outputs, back)) / 1e9 : 0;
            lines.accept(new Line("encode " + pair.name(), encoded, encode, ""));
            lines.accept(new Line("decode " + pair.name(), decoded, decode, ""));
        }
    }

    private MemorySegment[] outputs(Arena arena, Pair pair, boolean there) {
        MemorySegment[] outputs = new MemorySegment[pair.outputBytes().length];
        for (int i = 0; i < outputs.length; i++) {
            outputs[i] = there ? memory.allocate(arena, pair.outputBytes()[i]) : arena.allocate(pair.outputBytes()[i], 64);
            memory.fill(outputs[i], (byte) 0);
        }
        return outputs;
    }

    private boolean same(Arena arena, MemorySegment[] expected, MemorySegment[] outputs) {
        boolean same = true;
        for (int i = 0; i < expected.length; i++) {
            MemorySegment fetched = arena.allocate(expected[i].byteSize(), 64);
            memory.copy(outputs[i], 0, fetched, 0, fetched.byteSize());
            same &= fetched.mismatch(expected[i]) < 0;
        }
        return same;
    }

    static RopeTable table(Arena arena, int tokens) {
        int[] positions = new int[tokens];
        double[] frequencies = new double[HEAD / 2];
        for (int t = 0; t < tokens; t++) {
            positions[t] = 3 * t + 1;
        }
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = Math.pow(10_000, -2.0 * i / HEAD);
        }
        return new RopeTable(arena, positions, frequencies);
    }

    static void fill(ElementType type, MemorySegment rows) {
        SplittableRandom random = new SplittableRandom(7);
        long elements = rows.byteSize() / type.bytes();
        for (long i = 0; i < elements; i++) {
            float value = (float) (random.nextGaussian() * Math.exp(Math.sin(i % CHANNELS)));
            if (i % 97 == 0) {
                value *= 100;
            } else if (i % 89 == 0) {
                value = 0;
            } else if (i % 83 == 0) {
                value *= 1e-7f;
            }
            switch (type) {
                case F16 -> rows.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
                case BF16 -> rows.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (Float.floatToRawIntBits(value) >>> 16));
                case F32 -> rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
            }
        }
    }

    /** The transform codec's sums, whose order is part of the format. */
    private void matrices() {
        int width = 768;
        int components = 300;
        int rows = Math.min(COMPARED, tokens);
        SplittableRandom random = new SplittableRandom(8);
        try (Arena arena = Arena.ofShared(); TransformScratch scratch = new TransformScratch()) {
            MemorySegment codes = arena.allocate((long) components * width, 64);
            MemorySegment scales = arena.allocate(2L * components * TransformBasis.runs(width), 64);
            MemorySegment x = arena.allocate(4L * rows * width, 64);
            for (long i = 0; i < codes.byteSize(); i++) {
                codes.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
            }
            for (long i = 0; i < scales.byteSize() / 2; i++) {
                scales.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(random.nextFloat() / 1000));
            }
            for (long i = 0; i < x.byteSize() / 4; i++) {
                x.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
            }
            TransformBasis basis = new TransformBasis(codes, scales, components, width);
            MemorySegment[] projected = {arena.allocate(4L * rows * components, 64), arena.allocate(4L * rows * components, 64)};
            MemorySegment[] restored = {arena.allocate(4L * rows * width, 64), arena.allocate(4L * rows * width, 64)};
            Kernels there = cuda.kernels(host);
            host.transform().analyze(basis, x, 0, width, projected[0], 0, components, rows, scratch);
            there.transform().analyze(basis, x, 0, width, projected[1], 0, components, rows, scratch);
            host.transform().synthesize(basis, projected[0], 0, components, restored[0], 0, width, rows, scratch);
            there.transform().synthesize(basis, projected[0], 0, components, restored[1], 0, width, rows, scratch);
            lines.accept(new Line("projection on a basis", projected[0].mismatch(projected[1]) < 0, 0, ""));
            lines.accept(new Line("sums of a basis's components", restored[0].mismatch(restored[1]) < 0, 0, ""));
        }
    }

    /** 4-bit codes of many tensors, each a stream: decoded by one launch. */
    private void streams() {
        int count = Math.min(STREAM_SYMBOLS, tokens * CHANNELS / 2);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment symbols = arena.allocate(count, 64);
            SplittableRandom random = new SplittableRandom(9);
            long[] histogram = new long[256];
            for (int i = 0; i < count; i++) {
                int symbol = (int) Math.clamp(8 + 2.5 * random.nextGaussian(), 0, 15) | (int) Math.clamp(8 + 2.5 * random.nextGaussian(), 0, 15) << 4;
                symbols.set(ValueLayout.JAVA_BYTE, i, (byte) symbol);
                histogram[symbol]++;
            }
            RansTables tables = RansTables.fromHistograms(histogram);
            MemorySegment[] coded = {arena.allocate(RansKernel.maxEncodedBytes(count), 64), arena.allocate(RansKernel.maxEncodedBytes(count), 64)};
            long bytes = host.rans().encode(symbols, count, tables, RansContexts.constant(0), coded[0]);
            CudaRans rans = new CudaRans(cuda.device(), memory, host.rans());
            boolean encoded = rans.encode(symbols, count, tables, RansContexts.constant(0), coded[1]) == bytes
                    && coded[0].asSlice(0, bytes).mismatch(coded[1].asSlice(0, bytes)) < 0;
            lines.accept(new Line("rANS encode", encoded, 0, ""));
            MemorySegment decoded = arena.allocate(count, 64);
            rans.decode(coded[0].asSlice(0, bytes), decoded, count, tables, RansContexts.constant(0));
            double seconds = rans.secondsOfMany(coded[0].asSlice(0, bytes), count, tables, Math.max(1, Math.min(STREAMS, tokens)), rounds);
            double rate = (double) Math.max(1, Math.min(STREAMS, tokens)) * count / seconds / 1e9;
            lines.accept(new Line("rANS decode, " + Math.min(STREAMS, tokens) + " streams a launch, GB/s of symbols", decoded.mismatch(symbols) < 0, rate,
                    String.format(Locale.ROOT, "%.0f GB/s of the f16 rows that 4-bit codes stand for", 4 * rate)));
        } catch (MalformedDataException e) {
            lines.accept(new Line("rANS decode", false, 0, e.getMessage()));
        }
    }
}
