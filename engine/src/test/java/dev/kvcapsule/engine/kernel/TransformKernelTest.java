package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.kvcapsule.engine.kernel.Parity.Room;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

@ExtendWith(AvailableWidth.class)
class TransformKernelTest {
    /** How zeros lie among coefficients. */
    enum Zeros {
        NONE {
            @Override
            boolean at(SplittableRandom random, int t, int k, int components) {
                return false;
            }
        },
        ALL {
            @Override
            boolean at(SplittableRandom random, int t, int k, int components) {
                return true;
            }
        },
        MORE_AND_MORE {
            @Override
            boolean at(SplittableRandom random, int t, int k, int components) {
                return random.nextInt(components) < k;
            }
        },
        WHOLE_TOKENS {
            @Override
            boolean at(SplittableRandom random, int t, int k, int components) {
                return t % 9 != 4;
            }
        },
        NEARLY_ALL {
            @Override
            boolean at(SplittableRandom random, int t, int k, int components) {
                return random.nextInt(50) != 0;
            }
        };

        abstract boolean at(SplittableRandom random, int t, int k, int components);
    }

    @ParameterizedTest
    @EnumSource
    void bothProvidersSynthesizeAlike(Zeros zeros) {
        SplittableRandom random = new SplittableRandom(zeros.ordinal());
        int[][] shapes = {{1, 1, 1}, {3, 7, 5}, {9, 63, 17}, {64, 64, 8}, {65, 193, 255}, {13, 200, 257}, {70, 517, 600}, {8, 385, 64}, {517, 40, 30}, {5, 12, 0}, {0, 4, 4}};
        for (int[] shape : shapes) {
            int tokens = shape[0];
            int width = shape[1];
            int components = shape[2];
            int skew = random.nextInt(33);
            int fromStride = components + random.nextInt(3);
            int toStride = width + random.nextInt(3);
            try (Arena arena = Arena.ofConfined(); TransformScratch scratch = new TransformScratch()) {
                TransformBasis basis = basis(arena, random, components, width);
                MemorySegment c = Fill.NORMAL.rows(arena, ElementType.F32, (long) tokens * fromStride, skew, random);
                for (int t = 0; t < tokens; t++) {
                    for (int k = 0; k < components; k++) {
                        if (zeros.at(random, t, k, components)) {
                            c.set(Bounds.FLOAT, skew + 4L * (t * fromStride + k), random.nextBoolean() ? -0f : 0f);
                        }
                    }
                }
                Fill start = random.nextBoolean() ? Fill.SIGNED_ZEROS : Fill.NORMAL;
                MemorySegment y = start.rows(arena, ElementType.F32, (long) tokens * toStride, skew, random);
                Parity.same(arena, zeros + " " + tokens + " x " + width + " of " + components, (kernels, outputs) -> {
                    Room room = outputs.room("rows", y.byteSize() - skew, skew);
                    MemorySegment.copy(y, skew, room.memory(), skew, room.bytes());
                    kernels.transform().synthesize(basis, c, skew, fromStride, room.memory(), skew, toStride, tokens, scratch);
                    return null;
                });
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"NORMAL", "OUTLIERS", "SIGNED_ZEROS", "SUBNORMAL", "EQUAL"})
    void bothProvidersAnalyzeAlike(Fill fill) {
        SplittableRandom random = new SplittableRandom(fill.ordinal());
        int[][] shapes = {{1, 1, 1}, {3, 7, 5}, {17, 63, 9}, {64, 64, 8}, {193, 255, 21}, {65, 257, 3}, {200, 600, 70}, {385, 100, 11}, {5, 12, 0}, {0, 4, 4}};
        for (int[] shape : shapes) {
            int tokens = shape[0];
            int width = shape[1];
            int components = shape[2];
            int skew = random.nextInt(33);
            int fromStride = width + random.nextInt(3);
            int toStride = components + random.nextInt(3);
            try (Arena arena = Arena.ofConfined(); TransformScratch scratch = new TransformScratch()) {
                TransformBasis basis = basis(arena, random, components, width);
                MemorySegment x = fill.rows(arena, ElementType.F32, (long) tokens * fromStride, skew, random);
                Parity.same(arena, fill + " " + tokens + " x " + width + " of " + components, (kernels, outputs) -> {
                    Room room = outputs.room("coefficients", 4L * tokens * toStride, skew);
                    kernels.transform().analyze(basis, x, skew, fromStride, room.memory(), skew, toStride, tokens, scratch);
                    return null;
                });
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"40,700,300", "3,130,64"})
    void sumsAreThoseOfTheDefinition(int tokens, int width, int components) {
        SplittableRandom random = new SplittableRandom(width);
        try (Arena arena = Arena.ofConfined(); TransformScratch scratch = new TransformScratch()) {
            TransformBasis basis = basis(arena, random, components, width);
            MemorySegment x = Fill.NORMAL.rows(arena, ElementType.F32, (long) tokens * width, 0, random);
            MemorySegment c = Fill.NORMAL.rows(arena, ElementType.F32, (long) tokens * components, 0, random);
            for (Kernels kernels : Parity.providers()) {
                MemorySegment y = arena.allocate(4L * tokens * width).copyFrom(x);
                MemorySegment d = arena.allocate(4L * tokens * components);
                kernels.transform().synthesize(basis, c, 0, components, y, 0, width, tokens, scratch);
                kernels.transform().analyze(basis, x, 0, width, d, 0, components, tokens, scratch);
                for (int t = 0; t < tokens; t++) {
                    for (int w = 0; w < width; w++) {
                        double sum = get(x, t * width + w);
                        double size = Math.abs(sum);
                        for (int k = 0; k < components; k++) {
                            double term = get(c, t * components + k) * value(basis, k, w);
                            sum += term;
                            size += Math.abs(term);
                        }
                        assertEquals(sum, get(y, t * width + w), size * components * 0x1p-24);
                    }
                    for (int k = 0; k < components; k++) {
                        double sum = 0;
                        double size = 0;
                        for (int w = 0; w < width; w++) {
                            double term = get(x, t * width + w) * value(basis, k, w);
                            sum += term;
                            size += Math.abs(term);
                        }
                        assertEquals(sum, get(d, t * components + k), size * width * 0x1p-24);
                    }
                }
            }
        }
    }

    @Test
    void componentsInTurnAreComponentsAtOnce() {
        int tokens = 20;
        int width = 300;
        int components = 50;
        SplittableRandom random = new SplittableRandom(3);
        try (Arena arena = Arena.ofConfined(); TransformScratch scratch = new TransformScratch()) {
            TransformBasis basis = basis(arena, random, components, width);
            MemorySegment c = Fill.NORMAL.rows(arena, ElementType.F32, (long) tokens * components, 0, random);
            for (Kernels kernels : Parity.providers()) {
                MemorySegment atOnce = arena.allocate(4L * tokens * width);
                MemorySegment inTurn = arena.allocate(4L * tokens * width);
                kernels.transform().synthesize(basis, c, 0, components, atOnce, 0, width, tokens, scratch);
                kernels.transform().synthesize(basis.range(0, 17), c, 0, components, inTurn, 0, width, tokens, scratch);
                kernels.transform().synthesize(basis.range(17, 33), c, 4 * 17, components, inTurn, 0, width, tokens, scratch);
                assertEquals(-1, atOnce.mismatch(inTurn), kernels.name());
            }
        }
    }

    @Test
    void callsThatDoNotFitAreRefused() {
        try (Arena arena = Arena.ofConfined(); TransformScratch scratch = new TransformScratch()) {
            TransformBasis basis = basis(arena, new SplittableRandom(1), 4, 70);
            MemorySegment c = arena.allocate(4L * 2 * 4);
            MemorySegment y = arena.allocate(4L * 2 * 70);
            MemorySegment heap = MemorySegment.ofArray(new float[2 * 70]);
            Class<IllegalArgumentException> illegal = IllegalArgumentException.class;
            Class<IndexOutOfBoundsException> outside = IndexOutOfBoundsException.class;
            Parity.bothRefuse(illegal, "rows on the heap", k -> k.transform().synthesize(basis, c, 0, 4, heap, 0, 70, 2, scratch));
            Parity.bothRefuse(illegal, "read-only rows", k -> k.transform().synthesize(basis, c, 0, 4, y.asReadOnly(), 0, 70, 2, scratch));
            Parity.bothRefuse(illegal, "a short stride", k -> k.transform().synthesize(basis, c, 0, 3, y, 0, 70, 2, scratch));
            Parity.bothRefuse(illegal, "a negative count", k -> k.transform().synthesize(basis, c, 0, 4, y, 0, 70, -1, scratch));
            Parity.bothRefuse(outside, "short rows", k -> k.transform().synthesize(basis, c, 0, 4, y, 4, 70, 2, scratch));
            Parity.bothRefuse(outside, "short coefficients", k -> k.transform().synthesize(basis, c, 0, 5, y, 0, 70, 2, scratch));
            Parity.bothRefuse(illegal, "rows on the heap", k -> k.transform().analyze(basis, heap, 0, 70, c, 0, 4, 2, scratch));
            Parity.bothRefuse(illegal, "read-only coefficients", k -> k.transform().analyze(basis, y, 0, 70, c.asReadOnly(), 0, 4, 2, scratch));
            Parity.bothRefuse(outside, "short rows", k -> k.transform().analyze(basis, y, 0, 71, c, 0, 4, 2, scratch));
            Parity.bothRefuse(outside, "short coefficients", k -> k.transform().analyze(basis, y, 0, 70, c, 1, 4, 2, scratch));
            Parity.bothRefuse(outside, "a short basis", k -> new TransformBasis(basis.codes(), basis.scales(), 5, 70));
            Parity.bothRefuse(outside, "a range beyond the basis", k -> basis.range(3, 2));
            Parity.bothRefuse(illegal, "no width", k -> new TransformBasis(basis.codes(), basis.scales(), 4, 0));
        }
    }

    private static TransformBasis basis(Arena arena, SplittableRandom random, int components, int width) {
        MemorySegment codes = arena.allocate(Math.max(1, (long) components * width));
        MemorySegment scales = arena.allocate(Math.max(2, 2L * components * TransformBasis.runs(width)));
        for (long i = 0; i < (long) components * width; i++) {
            codes.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt(-128, 128));
        }
        for (long i = 0; i < scales.byteSize() / 2; i++) {
            scales.set(Bounds.SHORT, 2 * i, Float.floatToFloat16((float) (random.nextDouble() * 0.01)));
        }
        return new TransformBasis(codes, scales, components, width);
    }

    private static double value(TransformBasis basis, int k, int w) {
        float scale = Float.float16ToFloat(basis.scales().get(Bounds.SHORT, 2L * (k * Math.ceilDiv(basis.width(), 64) + w / 64)));
        return (double) scale * basis.codes().get(ValueLayout.JAVA_BYTE, (long) k * basis.width() + w);
    }

    private static float get(MemorySegment segment, long i) {
        return segment.get(Bounds.FLOAT, 4 * i);
    }
}
