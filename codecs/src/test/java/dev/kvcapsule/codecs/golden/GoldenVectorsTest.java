package dev.kvcapsule.codecs.golden;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.codecs.golden.GoldenCases.Case;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.kernel.ChannelMeans;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Fp8;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.QuantShape;
import dev.kvcapsule.engine.kernel.RansContexts;
import dev.kvcapsule.engine.kernel.RansKernel;
import dev.kvcapsule.engine.kernel.RansTables;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.RopeTable;
import dev.kvcapsule.engine.kernel.RotationShape;
import dev.kvcapsule.engine.kernel.RowFloats;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The kernels agree with an implementation in numpy that was written from docs/format.md alone. */
class GoldenVectorsTest {
    static Stream<Case> kivi() {
        return GoldenCases.of("kivi");
    }

    static Stream<Case> rotated() {
        return GoldenCases.of("rotated");
    }

    static Stream<Case> rans() {
        return GoldenCases.of("rans");
    }

    static Stream<Case> rope() {
        return GoldenCases.of("rope");
    }

    static Stream<Case> ggml() {
        return GoldenCases.of("ggml");
    }

    @ParameterizedTest
    @MethodSource("kivi")
    void groupQuantizationAgrees(Case c) {
        QuantShape.Grouping grouping = c.text("part").equals("K") ? QuantShape.Grouping.TOKENS : QuantShape.Grouping.CHANNELS;
        QuantShape shape = new QuantShape(grouping, c.number("bits"), c.number("group"), c.element("element"), c.element("param"), c.number("tokens"), c.number("width"));
        for (Kernels kernels : GoldenCases.kernels()) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment codes = arena.allocate(shape.codeBytes());
                MemorySegment zeros = arena.allocate(2 * shape.parameters());
                MemorySegment steps = arena.allocate(2 * shape.parameters());
                assertEquals(c.number("refused"), kernels.quant().quantize(shape, c.input(arena), 0, codes, 0, zeros, 0, steps, 0), kernels.name());
                c.check("codes", codes, kernels.name());
                c.check("z", zeros, kernels.name());
                c.check("s", steps, kernels.name());
                MemorySegment decoded = arena.allocate(shape.rowBytes());
                kernels.quant().dequantize(shape, codes, 0, zeros, 0, steps, 0, decoded, 0);
                c.check("decoded", decoded, kernels.name());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("rotated")
    void rotatedQuantizationAgrees(Case c) {
        boolean centered = c.number("mean") == 1;
        RotationShape shape = new RotationShape(c.number("bits"), c.number("head_dim"), Long.parseUnsignedLong(c.text("seed"), 16), centered, c.element("element"),
                c.element("param"), c.number("tokens"), c.number("width"));
        assertEquals(c.number("block"), shape.block());
        for (Kernels kernels : GoldenCases.kernels()) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment rows = c.input(arena);
                MemorySegment codes = arena.allocate(shape.codeBytes());
                MemorySegment gains = arena.allocate(2 * shape.gains());
                MemorySegment means = arena.allocate(2L * shape.channels());
                if (centered) {
                    ChannelMeans.write(shape, rows, 0, means, 0);
                    c.check("means", means, kernels.name());
                }
                assertEquals(c.number("refused"), kernels.hadamard().encode(shape, rows, 0, means, 0, codes, 0, gains, 0), kernels.name());
                c.check("codes", codes, kernels.name());
                c.check("gains", gains, kernels.name());
                MemorySegment decoded = arena.allocate(shape.rowBytes());
                kernels.hadamard().decode(shape, codes, 0, gains, 0, means, 0, decoded, 0);
                c.check("decoded", decoded, kernels.name());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("rans")
    void entropyCodingAgrees(Case c) throws MalformedDataException {
        int count = c.number("count");
        byte[] unit = c.part("symbols");
        byte[] expected = new byte[count];
        for (int i = 0; i < count; i++) {
            expected[i] = unit[i % unit.length];
        }
        String[] numbers = c.text("map").split(",");
        byte[] map = new byte[numbers.length];
        for (int i = 0; i < map.length; i++) {
            map[i] = Byte.parseByte(numbers[i]);
        }
        RansContexts contexts = RansContexts.of(map);
        for (Kernels kernels : GoldenCases.kernels()) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment stored = GoldenCases.segment(c.part("tables"), arena);
                RansTables tables = RansTables.read(stored, 0, stored.byteSize());
                assertEquals(c.number("tables"), tables.count());
                assertEquals(stored.byteSize(), tables.storedBytes());
                // What the tables were made from gives them again, stored in the same form.
                RansTables made = RansTables.fromHistograms(histograms(c));
                MemorySegment own = arena.allocate(made.storedBytes());
                made.writeTo(own, 0);
                c.check("tables", own, "made");
                MemorySegment symbols = GoldenCases.segment(expected, arena);
                MemorySegment out = arena.allocate(RansKernel.maxEncodedBytes(count));
                assertEquals(c.part("stream").length, kernels.rans().encode(symbols, count, tables, contexts, out), kernels.name());
                c.check("stream", out, kernels.name());
                MemorySegment decoded = arena.allocate(Math.max(1, count));
                kernels.rans().decode(GoldenCases.segment(c.part("stream"), arena), decoded, count, tables, contexts);
                assertArrayEquals(expected, decoded.asSlice(0, count).toArray(ValueLayout.JAVA_BYTE), kernels.name());
            }
        }
    }

    private static long[][] histograms(Case c) {
        long[][] histograms = new long[c.number("tables")][RansTables.SYMBOLS];
        for (int t = 0; t < histograms.length; t++) {
            for (String entry : c.text("table." + t).split(",")) {
                String[] pair = entry.split(":");
                histograms[t][Integer.parseInt(pair[0])] = Long.parseLong(pair[1]);
            }
        }
        return histograms;
    }

    @ParameterizedTest
    @MethodSource("rope")
    void keysBeforeRopeAgree(Case c) {
        int[] positions = Arrays.stream(c.text("positions").split(",")).mapToInt(Integer::parseInt).toArray();
        int headDim = c.number("head_dim");
        int width = c.number("width");
        double[] frequencies = new double[headDim / 2];
        for (int j = 0; j < frequencies.length; j++) {
            frequencies[j] = Math.pow(Double.parseDouble(c.text("base")), -2.0 * j / headDim);
        }
        RopeKernel.Pairing pairing = c.text("style").equals("half") ? RopeKernel.Pairing.HALVES : RopeKernel.Pairing.INTERLEAVED;
        for (Kernels kernels : GoldenCases.kernels()) {
            try (Arena arena = Arena.ofConfined()) {
                long elements = (long) positions.length * width;
                MemorySegment rows = arena.allocate(4 * elements);
                kernels.convert().toF32(c.element("element"), c.input(arena), 0, rows, 0, elements);
                kernels.rope().rotate(new RopeTable(arena, positions, frequencies), 0, rows, 0, positions.length, width / headDim, headDim, pairing, true);
                MemorySegment expected = GoldenCases.segment(c.part("values"), arena);
                for (long i = 0; i < elements; i++) {
                    long head = i / headDim * headDim;
                    long j = i % headDim;
                    long other = pairing == RopeKernel.Pairing.HALVES ? head + (j + headDim / 2) % headDim : i ^ 1;
                    double length = Math.hypot(floatAt(expected, i), floatAt(expected, other));
                    assertEquals(floatAt(expected, i), floatAt(rows, i), 1e-6 * length, kernels.name());
                }
            }
        }
    }

    private static float floatAt(MemorySegment segment, long index) {
        return segment.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * index);
    }

    @ParameterizedTest
    @MethodSource("ggml")
    void ggmlBlocksAgree(Case c) {
        DType type = DType.ofLabel(c.text("kind"));
        int count = c.number("count");
        for (Kernels kernels : GoldenCases.kernels()) {
            try (Arena arena = Arena.ofConfined()) {
                if (c.toString().startsWith("dequant")) {
                    MemorySegment values = arena.allocate(4L * count);
                    RowFloats.toF32(kernels, type, GoldenCases.segment(c.part("blocks"), arena), count, values);
                    c.check("values", values, kernels.name());
                } else {
                    MemorySegment blocks = arena.allocate(type.rowBytes(count));
                    RowFloats.fromF32(kernels, type, GoldenCases.segment(c.part("input"), arena), count, blocks);
                    c.check("blocks", blocks, kernels.name());
                }
            }
        }
    }

    private static Case number(String name) {
        return GoldenCases.of("numbers").filter(c -> c.toString().equals(name)).findFirst().orElseThrow();
    }

    @Test
    void roundingToSixteenBitsAgrees() {
        Case c = number("round");
        for (Kernels kernels : GoldenCases.kernels()) {
            try (Arena arena = Arena.ofConfined()) {
                for (ElementType type : new ElementType[] {ElementType.F16, ElementType.BF16}) {
                    MemorySegment rounded = arena.allocate(2L * c.number("count"));
                    kernels.convert().fromF32(type, GoldenCases.segment(c.part("input"), arena), 0, rounded, 0, c.number("count"));
                    c.check(type == ElementType.F16 ? "f16.rne" : "bf16.rne", rounded, kernels.name());
                }
            }
        }
    }

    @Test
    void eightBitFloatsAgree() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = GoldenCases.segment(number("e4m3-values").part("values"), arena);
            for (int code = 0; code < 256; code++) {
                float expected = floatAt(values, code);
                float actual = Fp8.toFloat((byte) code);
                assertTrue(Float.isNaN(expected) ? Float.isNaN(actual) : Float.floatToRawIntBits(expected) == Float.floatToRawIntBits(actual), "code " + code);
            }
            Case encode = number("e4m3-encode");
            MemorySegment input = GoldenCases.segment(encode.part("input"), arena);
            byte[] codes = encode.part("codes");
            for (int i = 0; i < codes.length; i++) {
                assertEquals(codes[i], Fp8.ofFloat(floatAt(input, i)), "of " + floatAt(input, i));
            }
        }
    }
}
