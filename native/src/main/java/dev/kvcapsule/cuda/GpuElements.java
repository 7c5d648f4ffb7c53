package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.GpuCheck.Line;
import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.RopeTable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/** Kernels that work element by element: conversions, byte planes, histograms, RoPE, and the sums of errors. */
final class GpuElements {
    /** Elements that are summed up in binary32, as the pipeline does with rows of 1,024 channels. */
    private static final int PIECE = 4096;
    private static final int SYMBOLS = 256;
    private static final int MANTISSA_BITS = 23;
    private static final int INFINITY = 0xff << MANTISSA_BITS;

    private final CudaKernels cuda;
    private final Kernels host;
    private final Kernels there;
    private final DeviceMemory memory;
    private final GpuSpeed speed;
    private final int elements;
    private final int compared;
    private final int tokens;
    private final Consumer<Line> lines;

    GpuElements(CudaKernels cuda, Kernels host, GpuSpeed speed, int tokens, Consumer<Line> lines) {
        this.cuda = cuda;
        this.host = host;
        this.there = cuda.kernels(host);
        this.memory = new DeviceMemory(cuda.device());
        this.speed = speed;
        this.tokens = tokens;
        this.elements = tokens * GpuKernels.CHANNELS;
        this.compared = Math.min(GpuKernels.COMPARED, tokens) * GpuKernels.CHANNELS;
        this.lines = lines;
    }

    /** What the kernels of the processor and of the device both do. */
    private interface Work {
        void on(Kernels kernels, int count, MemorySegment from, MemorySegment to);
    }

    void run() {
        for (ElementType type : new ElementType[] {ElementType.F16, ElementType.BF16}) {
            conversions(type);
        }
        for (ElementType type : ElementType.values()) {
            finite(type);
            errors(type);
        }
        planes();
        rope();
    }

    private void conversions(ElementType type) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment words = arena.allocate(2L * elements, 64);
            MemorySegment floats = arena.allocate(4L * elements, 64);
            SplittableRandom random = new SplittableRandom(3);
            int exponent = type == ElementType.F16 ? 0x7c00 : 0x7f80;
            for (int i = 0; i < elements; i++) {
                // Every pattern, in an order that has not the same neighbours; what becomes of a NaN's payload is the machine's choice.
                int word = i * 40_503 & 0xffff;
                word = (word & 0x7fff) > exponent ? word & 0x8000 | exponent : word;
                words.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) word);
                // Half of the floats are ties between two values of the 16-bit type.
                int tie = type == ElementType.F16 ? Float.floatToRawIntBits(Float.float16ToFloat((short) word)) + (1 << 12) : word << 16 | 1 << 15;
                int bits = i % 2 == 0 ? tie : random.nextInt();
                floats.setAtIndex(ValueLayout.JAVA_INT, i, (bits & ~0x80000000) > INFINITY ? bits & 0x80000000 | INFINITY : bits);
            }
            Work widen = (kernels, count, from, to) -> kernels.convert().toF32(type, from, 0, to, 0, count);
            Work round = (kernels, count, from, to) -> kernels.convert().fromF32(type, from, 0, to, 0, count);
            compare(type + " to f32", words, 4L * elements, 6L * elements, widen, widen);
            compare("f32 to " + type, floats, 2L * elements, 6L * elements, round, round);
        }
    }

    private void planes() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment bytes = arena.allocate(2L * elements, 64);
            SplittableRandom random = new SplittableRandom(4);
            for (long i = 0; i < bytes.byteSize(); i++) {
                // Few symbols are frequent, so that threads count in the same place.
                bytes.set(ValueLayout.JAVA_BYTE, i, (byte) (random.nextInt(3) == 0 ? random.nextInt() : 7));
            }
            for (int size : new int[] {2, 4}) {
                Work split = (kernels, count, from, to) -> kernels.bytePlane().split(from, size, 2 * count / size, to);
                Work join = (kernels, count, from, to) -> kernels.bytePlane().join(from, size, 2 * count / size, to);
                compare("elements of " + size + " bytes to planes", bytes, 2L * elements, 4L * elements, split, split);
                compare("planes to elements of " + size + " bytes", bytes, 2L * elements, 4L * elements, join, join);
            }
            MemorySegment copy = copied(arena, bytes);
            for (int period : new int[] {1, 8}) {
                int[][] expected = new int[period][SYMBOLS];
                int[][] counts = new int[period][SYMBOLS];
                host.bytePlane().count(bytes, 1, compared - 1, period, expected);
                there.bytePlane().count(copy, 1, compared - 1, period, counts);
                lines.accept(new Line("histograms of " + period + " position classes", Arrays.deepEquals(expected, counts), 0, ""));
            }
        }
    }

    private void rope() {
        try (Arena arena = Arena.ofShared()) {
            RopeTable table = GpuKernels.table(arena, tokens);
            MemorySegment rows = arena.allocate(4L * elements, 64);
            GpuKernels.fill(ElementType.F32, rows);
            for (RopeKernel.Pairing pairing : RopeKernel.Pairing.values()) {
                for (boolean inverse : new boolean[] {false, true}) {
                    Work turn = (kernels, count, from, to) -> kernels.rope().rotate(table, 0, to, 0, count / GpuKernels.CHANNELS, GpuKernels.CHANNELS / GpuKernels.HEAD, GpuKernels.HEAD, pairing,
                            inverse);
                    compare("RoPE of f32, " + pairing.name().toLowerCase(Locale.ROOT) + (inverse ? ", undone" : ""), rows, 4L * elements, 8L * elements, (kernels, count, from, to) -> {
                        // It works in place.
                        memory.copy(from, 0, to, 0, 4L * count);
                        turn.on(kernels, count, from, to);
                    }, turn);
                }
            }
        }
    }

    private void finite(ElementType type) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment rows = arena.allocate((long) compared * type.bytes(), 64);
            GpuKernels.fill(type, rows);
            boolean same = there.convert().allFinite(type, copied(arena, rows), 0, compared);
            spoil(type, rows, compared - 2);
            same &= !there.convert().allFinite(type, copied(arena, rows), 0, compared);
            lines.accept(new Line("infinities, " + type, same, 0, ""));
        }
    }

    private static void spoil(ElementType type, MemorySegment rows, int at) {
        switch (type) {
            case F16 -> rows.setAtIndex(ValueLayout.JAVA_SHORT, at, (short) 0xfc00);
            case BF16 -> rows.setAtIndex(ValueLayout.JAVA_SHORT, at, (short) 0x7f80);
            case F32 -> rows.setAtIndex(ValueLayout.JAVA_FLOAT, at, Float.NaN);
        }
    }

    private void errors(ElementType type) {
        DeviceKernel reference = new HostDeviceKernel(memory, host);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment x = arena.allocate((long) elements * type.bytes(), 64);
            GpuKernels.fill(type, x);
            MemorySegment y = arena.allocate(x.byteSize(), 64).copyFrom(x);
            for (long i = 0; i < y.byteSize(); i += 3L * type.bytes()) {
                y.set(ValueLayout.JAVA_BYTE, i, (byte) (y.get(ValueLayout.JAVA_BYTE, i) ^ 5));
            }
            MemorySegment original = copied(arena, x);
            MemorySegment decoded = copied(arena, y);
            double[] expected = new double[2];
            double[] sums = new double[2];
            // The last piece is a short one.
            int count = compared - 5;
            boolean same = reference.measure(x, y, type, count, PIECE, expected) == there.device().measure(original, decoded, type, count, PIECE, sums);
            same &= expected[0] > 0 && Arrays.equals(expected, sums);
            double seconds = speed.kernelSeconds(() -> there.device().measure(original, decoded, type, elements, PIECE, sums));
            spoil(type, y, count - 1);
            same &= !there.device().measure(original, copied(arena, y), type, count, PIECE, sums) && !reference.measure(x, y, type, count, PIECE, sums);
            lines.accept(new Line("sums of errors, " + type, same, 2.0 * x.byteSize() / seconds / 1e9, ""));
        }
    }

    private MemorySegment copied(Arena arena, MemorySegment segment) {
        MemorySegment copy = memory.allocate(arena, segment.byteSize());
        memory.copy(segment, 0, copy, 0, segment.byteSize());
        return copy;
    }

    /**
     * @param values all that are measured; the first of them are compared
     * @param outputBytes of all of them
     * @param moved bytes that are read and written
     */
    private void compare(String what, MemorySegment values, long outputBytes, long moved, Work work, Work timed) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment expected = arena.allocate(outputBytes, 64);
            MemorySegment fetched = arena.allocate(outputBytes, 64);
            MemorySegment from = copied(arena, values);
            MemorySegment to = memory.allocate(arena, outputBytes);
            memory.fill(to, (byte) 0);
            work.on(host, compared, values, expected);
            work.on(there, compared, from, to);
            // With what is behind the last value, which stays as it was.
            memory.copy(to, 0, fetched, 0, outputBytes);
            double seconds = speed.kernelSeconds(() -> timed.on(there, elements, from, to));
            lines.accept(new Line(what, fetched.mismatch(expected) < 0, moved / seconds / 1e9, ""));
        }
    }
}
