package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.DeviceKernel.Rows;
import dev.kvcapsule.engine.kernel.DeviceKernel.Turn;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.MxBlocks;
import dev.kvcapsule.engine.kernel.QuantShape;
import dev.kvcapsule.engine.kernel.RopeKernel.Pairing;
import dev.kvcapsule.engine.kernel.RopeTable;
import dev.kvcapsule.engine.kernel.RotationShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumSet;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The fused kernels, those for runs of channels and those for any rows, against the scalar ones: bytes, and what they refuse. */
class DeviceKernelTest {
    private static CudaKernels cuda;
    private static DeviceMemory memory;
    private static DeviceKernel device;
    private static DeviceKernel host;

    @BeforeAll
    static void open() {
        cuda = StandIn.open();
        memory = new DeviceMemory(cuda.device());
        device = cuda.kernels(Kernels.scalar()).device();
        host = new HostDeviceKernel(memory, Kernels.scalar());
    }

    @AfterAll
    static void close() {
        if (cuda != null) {
            cuda.close();
            assertEquals(0, StandIn.alive());
        }
    }

    /** How hard rows are. */
    enum Content {
        ORDINARY, CONSTANT, TINY, HUGE, INFINITE
    }

    private static void fill(ElementType type, MemorySegment rows, Content content) {
        SplittableRandom random = new SplittableRandom(content.ordinal() + 11);
        for (long i = 0; i < rows.byteSize() / type.bytes(); i++) {
            float value = (float) random.nextGaussian() * (i % 61 == 0 ? 30 : 1);
            value = switch (content) {
                case ORDINARY -> i % 17 == 0 ? -0f : value;
                case CONSTANT -> i / 64 % 3 == 0 ? 0 : 2.5f;
                case TINY -> value * (type == ElementType.F16 ? 1e-7f : 1e-39f);
                case HUGE -> value * (type == ElementType.F16 ? 2e4f : 1e38f);
                case INFINITE -> i % 997 == 5 ? Float.POSITIVE_INFINITY : i % 1499 == 3 ? Float.NaN : value;
            };
            switch (type) {
                case F16 -> rows.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(content == Content.HUGE ? Math.clamp(value, -65504f, 65504f) : value));
                case BF16 -> rows.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (Float.floatToRawIntBits(value) >>> 16));
                case F32 -> rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
            }
        }
    }

    private static RopeTable table(Arena arena, int tokens, int pairs) {
        int[] positions = new int[tokens];
        double[] frequencies = new double[pairs];
        for (int t = 0; t < tokens; t++) {
            positions[t] = 5 * t + 2;
        }
        for (int i = 0; i < pairs; i++) {
            frequencies[i] = Math.pow(10_000, -1.0 * i / pairs);
        }
        return new RopeTable(arena, positions, frequencies);
    }

    /** No turn, whole heads either way, and a part of a head. */
    private static Turn[] turns(Arena arena, int tokens, int head) {
        return new Turn[] {null, new Turn(table(arena, tokens, head / 2), Pairing.HALVES, head), new Turn(table(arena, tokens, head / 2), Pairing.INTERLEAVED, head),
            new Turn(table(arena, tokens, head / 4), Pairing.HALVES, head), new Turn(table(arena, tokens, head / 8), Pairing.INTERLEAVED, head)};
    }

    private static MemorySegment there(Arena arena, MemorySegment segment, long from) {
        MemorySegment copy = memory.allocate(arena, segment.byteSize() + from).asSlice(from);
        memory.copy(segment, 0, copy, 0, segment.byteSize());
        return copy;
    }

    private static byte[] bytes(MemorySegment segment) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment fetched = arena.allocate(Math.max(1, segment.byteSize()));
            memory.copy(segment, 0, fetched, 0, segment.byteSize());
            return fetched.asSlice(0, segment.byteSize()).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private interface Encoding {
        Object run(DeviceKernel kernel, MemorySegment rows, MemorySegment[] outputs);
    }

    private interface Decoding {
        Object run(DeviceKernel kernel, MemorySegment[] outputs, MemorySegment back);
    }

    /** @param from where on the device rows and codes begin, behind an aligned address */
    private static void compare(String what, MemorySegment rows, long from, long[] sizes, Encoding encoding, Decoding decoding) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment[] expected = new MemorySegment[sizes.length];
            MemorySegment[] outputs = new MemorySegment[sizes.length];
            for (int i = 0; i < sizes.length; i++) {
                expected[i] = arena.allocate(Math.max(1, sizes[i]), 64).asSlice(0, sizes[i]);
                outputs[i] = there(arena, expected[i], from);
            }
            MemorySegment source = there(arena, rows, from);
            Object result = encoding.run(host, rows, expected);
            assertEquals(result, encoding.run(device, source, outputs), what + ": refused");
            if (Boolean.FALSE.equals(result)) {
                return;
            }
            for (int i = 0; i < sizes.length; i++) {
                assertArrayEquals(expected[i].toArray(ValueLayout.JAVA_BYTE), bytes(outputs[i]), what + ": output " + i);
            }
            MemorySegment expectedBack = arena.allocate(rows.byteSize(), 64);
            MemorySegment back = there(arena, expectedBack, from);
            assertEquals(decoding.run(host, expected, expectedBack), decoding.run(device, outputs, back), what);
            assertArrayEquals(expectedBack.toArray(ValueLayout.JAVA_BYTE), bytes(back), what + ": back");
        }
    }

    @ParameterizedTest
    @EnumSource(Content.class)
    void kivi(Content content) {
        cuda.device().functions().takeLaunched();
        for (ElementType type : new ElementType[] {ElementType.F16, ElementType.BF16}) {
            for (int bits : new int[] {2, 3, 4, 8}) {
                for (int group : new int[] {32, 64, 128}) {
                    // Of channels that are whole units and not, of tokens that are whole groups and not.
                    kivi(content, type, bits, group, 192, 64, 101, 0);
                    if (bits == 4) {
                        kivi(content, type, bits, group, 256, 128, 64, 0);
                        kivi(content, type, bits, group, 160, 32, 37, 0);
                        kivi(content, type, bits, group, 128, 64, 33, 2);
                    }
                }
            }
        }
        requireLaunched(EnumSet.range(Kernel.KIVI_QUANTIZE_KEYS, Kernel.KIVI_DEQUANTIZE_RUNS));
    }

    private static void kivi(Content content, ElementType type, int bits, int group, int channels, int head, int tokens, long from) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment rows = arena.allocate((long) tokens * channels * type.bytes(), 64);
            fill(type, rows, content);
            for (QuantShape.Grouping grouping : QuantShape.Grouping.values()) {
                QuantShape shape = new QuantShape(grouping, bits, group, type, type, tokens, channels);
                for (Turn turn : grouping == QuantShape.Grouping.TOKENS ? turns(arena, tokens, head) : new Turn[] {null}) {
                    compare(shape + " " + content + " " + (turn == null ? "" : turn.pairing() + " " + turn.table().pairs()), rows, from, new long[] {shape.codeBytes(), 2 * shape.parameters(), 2 * shape.parameters()},
                            (kernel, source, outputs) -> kernel.quantize(shape, new Rows(source, type, turn), outputs[0], outputs[1], outputs[2]), (kernel, outputs, back) -> {
                                kernel.dequantize(shape, outputs[0], outputs[1], outputs[2], new Rows(back, type, turn));
                                return true;
                            });
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {64, 128, 256, 96})
    void rotated(int head) {
        cuda.device().functions().takeLaunched();
        for (Content content : Content.values()) {
            for (ElementType type : new ElementType[] {ElementType.F16, ElementType.BF16}) {
                for (int bits : new int[] {2, 3, 4}) {
                    rotated(content, type, bits, head, bits == 4 ? 70 : 9);
                }
            }
        }
        requireLaunched(head == 64 ? EnumSet.of(Kernel.ROTATED_ENCODE_64, Kernel.ROTATED_DECODE_64) : head == 128 ? EnumSet.of(Kernel.ROTATED_ENCODE_128, Kernel.ROTATED_DECODE_128)
                : head == 256 ? EnumSet.of(Kernel.ROTATED_ENCODE_256, Kernel.ROTATED_DECODE_256) : EnumSet.of(Kernel.ROTATED_ENCODE, Kernel.ROTATED_DECODE));
    }

    /** What rotated_runs.cu takes for granted: codes are looked up by a coefficient's upper byte. */
    @Test
    void noTwoThresholdsShareAnUpperByte() {
        for (int head : new int[] {64, 128, 256}) {
            for (int bits : new int[] {2, 3, 4}) {
                short[] thresholds = new RotationShape(bits, head, 5, false, ElementType.F16, ElementType.F16, 1, head).constants().thresholds();
                for (int k = 1; k < thresholds.length; k++) {
                    assertTrue(thresholds[k] - thresholds[k - 1] > 256, bits + " bits, heads of " + head);
                }
            }
        }
    }

    private static void rotated(Content content, ElementType type, int bits, int head, int tokens) {
        int channels = 2 * head;
        try (Arena arena = Arena.ofShared()) {
            MemorySegment rows = arena.allocate((long) tokens * channels * type.bytes(), 64);
            fill(type, rows, content);
            for (boolean centered : new boolean[] {false, true}) {
                RotationShape shape = new RotationShape(bits, head, 5, centered, type, type, tokens, channels);
                for (Turn turn : turns(arena, tokens, head)) {
                    // What is no number has no mean; heads of that are refused.
                    compare(shape + " " + content + " " + (turn == null ? "" : turn.pairing() + " " + turn.table().pairs()), rows, 0, new long[] {shape.codeBytes(), 2 * shape.gains(), 2L * channels},
                            (kernel, source, outputs) -> {
                                Rows from = new Rows(source, type, turn);
                                kernel.means(shape, from, outputs[2]);
                                return kernel.encode(shape, from, outputs[2], outputs[0], outputs[1]);
                            }, (kernel, outputs, back) -> {
                                kernel.decode(shape, outputs[0], outputs[1], outputs[2], new Rows(back, type, turn));
                                return true;
                            });
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Content.class)
    void fp8(Content content) {
        cuda.device().functions().takeLaunched();
        for (ElementType type : ElementType.values()) {
            for (int channels : new int[] {192, 96, 80, 8}) {
                int tokens = 41;
                try (Arena arena = Arena.ofShared()) {
                    MemorySegment rows = arena.allocate((long) tokens * channels * type.bytes(), 64);
                    fill(type, rows, content);
                    compare("fp8 " + type + " " + channels + " " + content, rows, 0, new long[] {MxBlocks.scales(tokens, channels), (long) tokens * channels},
                            (kernel, source, outputs) -> kernel.toFp8(new Rows(source, type, null), tokens, channels, outputs[0], outputs[1]),
                            (kernel, outputs, back) -> kernel.fromFp8(outputs[0], outputs[1], tokens, channels, new Rows(back, type, null)));
                }
            }
        }
        // What is refused is not restored.
        requireLaunched(content == Content.INFINITE ? EnumSet.of(Kernel.FP8_QUANTIZE, Kernel.FP8_QUANTIZE_RUNS) : EnumSet.range(Kernel.FP8_QUANTIZE, Kernel.FP8_DEQUANTIZE_RUNS));
    }

    /** Every scale and every element, and those that are none. */
    @Test
    void fp8OfAnyBytes() {
        int tokens = 256;
        int channels = 256;
        try (Arena arena = Arena.ofShared()) {
            MemorySegment scales = arena.allocate(MxBlocks.scales(tokens, channels));
            MemorySegment elements = arena.allocate((long) tokens * channels);
            for (int t = 0; t < tokens; t++) {
                for (int c = 0; c < channels; c++) {
                    elements.set(ValueLayout.JAVA_BYTE, (long) t * channels + c, (byte) ((c & 0x7f) == 0x7f ? 0 : c));
                }
                for (int b = 0; b < channels / 32; b++) {
                    scales.set(ValueLayout.JAVA_BYTE, t * (channels / 32L) + b, (byte) (t == 255 ? 0 : t));
                }
            }
            for (ElementType type : ElementType.values()) {
                MemorySegment expected = arena.allocate((long) tokens * channels * type.bytes(), 64);
                MemorySegment back = there(arena, expected, 0);
                assertEquals(true, host.fromFp8(scales, elements, tokens, channels, new Rows(expected, type, null)));
                assertEquals(true, device.fromFp8(there(arena, scales, 0), there(arena, elements, 0), tokens, channels, new Rows(back, type, null)));
                assertArrayEquals(expected.toArray(ValueLayout.JAVA_BYTE), bytes(back), type.toString());
                for (int damage = 0; damage < 3; damage++) {
                    MemorySegment spoiled = arena.allocate(elements.byteSize()).copyFrom(elements);
                    MemorySegment spoiledScales = arena.allocate(scales.byteSize()).copyFrom(scales);
                    if (damage == 2) {
                        spoiledScales.set(ValueLayout.JAVA_BYTE, 77, (byte) 255);
                    } else {
                        spoiled.set(ValueLayout.JAVA_BYTE, 12_345 + damage, (byte) (0x7f | damage << 7));
                    }
                    assertEquals(false, device.fromFp8(there(arena, spoiledScales, 0), there(arena, spoiled, 0), tokens, channels, new Rows(back, type, null)));
                }
            }
        }
    }

    @Test
    void errors() {
        for (ElementType type : ElementType.values()) {
            for (long count : new long[] {1, 3, 4, 7, 8, 12, 4096, 4097, 4100, 40_000, 70_001}) {
                for (int piece : new int[] {4096, 1000}) {
                    try (Arena arena = Arena.ofShared()) {
                        MemorySegment x = arena.allocate(count * type.bytes(), 64);
                        MemorySegment y = arena.allocate(count * type.bytes(), 64);
                        fill(type, x, Content.ORDINARY);
                        fill(type, y, Content.TINY);
                        double[] expected = new double[2];
                        double[] sums = new double[2];
                        assertEquals(true, host.measure(x, y, type, count, piece, expected));
                        assertEquals(true, device.measure(there(arena, x, 0), there(arena, y, 0), type, count, piece, sums));
                        assertArrayEquals(expected, sums, type + " " + count + " " + piece);
                    }
                }
            }
        }
    }

    private static void requireLaunched(Set<Kernel> kernels) {
        Set<Kernel> launched = cuda.device().functions().takeLaunched();
        EnumSet<Kernel> missing = EnumSet.copyOf(kernels);
        missing.removeAll(launched);
        assertEquals(Set.of(), missing);
    }
}
