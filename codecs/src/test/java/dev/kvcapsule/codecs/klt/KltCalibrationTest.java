package dev.kvcapsule.codecs.klt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.codecs.capsule.SharedBasis;
import dev.kvcapsule.codecs.capsule.TestCaches;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.linalg.ProgressListener;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.Channels;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class KltCalibrationTest {
    private static final CalibrationOptions OPTIONS = new CalibrationOptions(0, 4096, OptionalInt.empty(), Kernels.scalar(), LinearAlgebras.named("java", 1));

    private static KvCache made(Arena arena, int tokens, int seed) {
        CacheLayout layout = TestCaches.layout(tokens, TestCaches.dense(tokens, TestCaches.layers(2, 2, 16, 12, DType.F16)));
        return TestCaches.filled(arena, layout, (l, part, t, c) -> TestCaches.ordinary(l, part, t + 1000 * seed, c));
    }

    @Test
    void twoRunsGiveTheSameFile() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = made(arena, 300, 0);
            AttentionWeights weights = TestCaches.weights(cache.layout(), 1);
            for (int group : new int[] {0, 1}) {
                SharedBasis one = SharedBasis.of(cache, group, weights, arena);
                SharedBasis two = SharedBasis.of(cache, group, weights, arena);
                assertEquals(one.digest(), two.digest());
                assertEquals(-1, one.file().mismatch(two.file()));
            }
        }
    }

    /** Four directions that keys and values share, of falling deviations, and a little noise. */
    private static float sample(int layer, Part part, int token, int channel, double[][] directions, double[] deviations) {
        int at = channel + 20 * (part.ordinal() + 2 * layer);
        double sum = 3 * Math.sin(at);
        for (int k = 0; k < deviations.length; k++) {
            sum += deviations[k] * new Random(31L * token + 7919L * k + 1).nextGaussian() * directions[k][at];
        }
        return (float) (sum + 0.001 * Math.sin(token * 13.7 + at));
    }

    private static double[][] orthonormal(int count, int width) {
        Random random = new Random(4);
        double[][] rows = new double[count][];
        for (int k = 0; k < count; k++) {
            rows[k] = random.doubles(width, -1, 1).toArray();
            for (int j = 0; j <= k; j++) {
                double dot = 0;
                for (int i = 0; i < width; i++) {
                    dot += rows[j][i] * rows[k][i];
                }
                for (int i = 0; i < width; i++) {
                    rows[k][i] = j < k ? rows[k][i] - dot * rows[j][i] : rows[k][i] / Math.sqrt(dot);
                }
            }
        }
        return rows;
    }

    @Test
    void componentsOfAKnownCovarianceAreFound() throws IOException {
        double[] deviations = {20, 9, 4, 1.5};
        double[][] directions = orthonormal(4, 80);
        try (Arena arena = Arena.ofShared()) {
            int tokens = 2500;
            // No RoPE: keys are what they are.
            List<LayerLayout> layers = List.of(new LayerLayout(0, 1, 20, 20, DType.F32, DType.F32, Optional.empty(), 0), new LayerLayout(1, 1, 20, 20, DType.F32, DType.F32, Optional.empty(), 0));
            KvCache cache = TestCaches.filled(arena, TestCaches.layout(tokens, TestCaches.dense(tokens, layers)), (l, part, t, c) -> sample(l, part, t, c, directions, deviations));
            KltBasis.Group found = KltBasis.parse(SharedBasis.of(cache, 0, arena).file()).groups().getFirst();
            assertEquals(80, found.basis().components());
            for (int k = 0; k < 4; k++) {
                assertEquals(deviations[k], found.deviations().getAtIndex(Transform.FLOAT, k), 0.06 * deviations[k]);
                double dot = 0;
                for (int w = 0; w < 80; w++) {
                    dot += directions[k][w] * entry(found, k, w);
                }
                assertEquals(1, Math.abs(dot), 0.02, "component " + k);
            }
            for (int w = 0; w < 80; w++) {
                assertEquals(3 * Math.sin(w), found.mean().getAtIndex(Transform.FLOAT, w), 0.4);
            }
            assertTrue(found.deviations().getAtIndex(Transform.FLOAT, 4) < 0.01);
        }
    }

    private static double entry(KltBasis.Group group, int k, int w) {
        MemorySegment scales = group.basis().scales();
        return group.basis().codes().get(ValueLayout.JAVA_BYTE, 80L * k + w) * Float.float16ToFloat(scales.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * (2 * k + w / 64)));
    }

    @Test
    void withoutWeightsTheWayBackIsTheIdentity() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = made(arena, 100, 0);
            KltBasis.Group plain = KltBasis.parse(SharedBasis.of(cache, 0, arena).file()).groups().getFirst();
            long at = 0;
            for (int dim : plain.headDims()) {
                for (int i = 0; i < dim * dim; i++, at++) {
                    assertEquals(i % (dim + 1) == 0 ? 1 : 0, plain.backward().getAtIndex(Transform.FLOAT, at), 1e-6);
                }
            }
        }
    }

    @Test
    void harmfulDirectionsGetMorePrecision() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = made(arena, 400, 0);
            // Queries read nothing but the first channels of each key head.
            int layers = 2;
            double[][][] moments = new double[layers][2][16 * 16];
            for (double[][] layer : moments) {
                for (double[] head : layer) {
                    for (int i = 0; i < 16; i++) {
                        head[17 * i] = i < 4 ? 1 : 1e-3;
                    }
                }
            }
            AttentionWeights weights = new AttentionWeights(Optional.of(moments), Optional.empty(), Optional.of(new double[] {4, 1}), Optional.empty());
            KltBasis.Group group = KltBasis.parse(SharedBasis.of(cache, 0, weights, arena).file()).groups().getFirst();
            float first = group.backward().getAtIndex(Transform.FLOAT, 0);
            float last = group.backward().getAtIndex(Transform.FLOAT, 255);
            assertTrue(last > 3 * first, first + ", " + last);
            // Heads: K of layer 0 (2), V (2), K of layer 1. Four times the harm is half the step.
            float second = group.backward().getAtIndex(Transform.FLOAT, 2 * 256 + 2 * 144);
            assertEquals(2, second / first, 1e-3);
            // On average nothing is magnified: the logarithms of determinants add up to 0.
            double log = 0;
            long at = 0;
            for (int dim : group.headDims()) {
                log += logDeterminant(SquareMatrix.read(group.backward(), at, dim));
                at += (long) dim * dim;
            }
            assertEquals(0, log, 1e-3);
            assertNotEquals(SharedBasis.of(cache, 0, arena).digest(), SharedBasis.of(cache, 0, weights, arena).digest());
        }
    }

    private static double logDeterminant(double[][] symmetric) {
        double log = 0;
        for (double value : JacobiEigen.of(symmetric).values()) {
            log += Math.log(value);
        }
        return log;
    }

    @Test
    void inversesAndEigenvectorsAreThoseOfTheMatrix() {
        Random random = new Random(8);
        for (int n : new int[] {1, 2, 5, 33}) {
            double[][] matrix = new double[n][n];
            for (int i = 0; i < n; i++) {
                for (int j = 0; j <= i; j++) {
                    matrix[i][j] = random.nextGaussian();
                    matrix[j][i] = matrix[i][j];
                }
            }
            double[][] inverse = SquareMatrix.inverse(matrix);
            JacobiEigen eigen = JacobiEigen.of(matrix);
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    double product = 0;
                    double again = 0;
                    for (int k = 0; k < n; k++) {
                        product += matrix[i][k] * inverse[k][j];
                        again += eigen.values()[k] * eigen.vectors()[i][k] * eigen.vectors()[j][k];
                    }
                    assertEquals(i == j ? 1 : 0, product, 1e-8);
                    assertEquals(matrix[i][j], again, 1e-10);
                }
            }
        }
        assertThrows(ArithmeticException.class, () -> SquareMatrix.inverse(new double[3][3]));
        assertThrows(ArithmeticException.class, () -> SquareMatrix.inverse(new double[][] {{Double.NaN}}));
    }

    @Test
    void cachesOfAnotherModelAreNotAdded() throws IOException {
        try (Arena arena = Arena.ofShared(); Calibration calibration = Calibrations.of("klt").start(made(arena, 50, 0).layout(), OPTIONS)) {
            calibration.add(made(arena, 50, 0));
            calibration.add(made(arena, 70, 1));
            KvCache other = TestCaches.small(arena);
            assertThrows(MalformedDataException.class, () -> calibration.add(other));
            calibration.solve(AttentionWeights.NONE, ProgressListener.NONE);
            assertThrows(MalformedDataException.class, () -> calibration.train(other));
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            calibration.train(made(arena, 60, 2));
            calibration.write(Map.of("model", "made up"), Channels.newChannel(out));
            KltBasis basis = KltBasis.parse(arena.allocateFrom(ValueLayout.JAVA_BYTE, out.toByteArray()));
            assertEquals("120", basis.facts().get("tokens"));
            assertEquals("2", basis.facts().get("caches"));
            assertEquals("none", basis.facts().get("weights"));
            assertEquals("made up", basis.facts().get("model"));
        }
    }

    @Test
    void cachesOfFewOrNoNumbersMakeABasisNonetheless() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            for (int tokens : new int[] {0, 1, 3, 5, 7}) {
                KltBasis basis = KltBasis.parse(SharedBasis.of(made(arena, tokens, 0), 0, arena).file());
                assertEquals(Math.max(1, tokens - 4), basis.groups().getFirst().basis().components());
            }
            CacheLayout layout = made(arena, 40, 0).layout();
            KltBasis.parse(SharedBasis.of(TestCaches.filled(arena, layout, (l, part, t, c) -> Float.NaN), 0, arena).file());
            KltBasis.parse(SharedBasis.of(TestCaches.filled(arena, layout, (l, part, t, c) -> 7), 0, arena).file());
        }
    }

    @Test
    void componentsAreNoMoreThanWereAskedFor() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = made(arena, 200, 0);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            CalibrationOptions few = new CalibrationOptions(1, 9, OptionalInt.empty(), Kernels.scalar(), LinearAlgebras.named("java", 1));
            try (Calibration calibration = Calibrations.of("klt").start(cache.layout(), few)) {
                calibration.add(cache);
                calibration.solve(AttentionWeights.NONE, ProgressListener.NONE);
                calibration.write(Map.of(), Channels.newChannel(out));
            }
            KltBasis basis = KltBasis.parse(arena.allocateFrom(ValueLayout.JAVA_BYTE, out.toByteArray()));
            assertEquals(List.of(9, 9), basis.groups().stream().map(group -> group.basis().components()).toList());
        }
    }

    /** Real coefficients: a transform that fits, and tables of the same statistics, cost hardly more than the entropy. */
    @Test
    void realCoefficientsAreCodedWithinThreePercentOfTheirEntropy() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, 512, 2, 9, 15, 27);
            KltBasis basis = KltBasis.parse(SharedBasis.of(cache, 1, arena).file());
            KltSettings settings = new KltSettings(basis.digest(), "0", "1", java.util.OptionalDouble.of(1), java.util.OptionalDouble.empty(), java.util.OptionalDouble.empty(), 4, 0);
            KltCodec codec = new KltCodec(dev.kvcapsule.engine.codec.Codecs.create("klt:step=1,group=1,window=0").spec(), settings, MemorySegment.NULL,
                    basis.transforms(cache.layout(), settings, arena), TokenScales.of(cache.layout()));
            double entropy = TableTrainer.statistics(codec, cache, Kernels.scalar(), 1).entropyBits();
            double bits = 0;
            var plan = new dev.kvcapsule.engine.codec.TilePlan(codec, cache.layout());
            var input = new dev.kvcapsule.engine.pipeline.TileInput(cache);
            try (KltCoder coder = new KltCoder(codec, Kernels.scalar()); var scratch = new dev.kvcapsule.engine.memory.Scratch()) {
                for (int t = 0; t < plan.size(); t++) {
                    var tensors = input.read(plan.get(t), scratch);
                    if (plan.get(t).region() == dev.kvcapsule.engine.codec.Region.BODY) {
                        MemorySegment out = arena.allocate(coder.maxEncodedBytes(tensors));
                        long bytes = coder.encode(plan.get(t), tensors, out);
                        long scales = TokenScale.read(out.asSlice(4), plan.get(t).tokens(), new byte[plan.get(t).tokens()]);
                        long words = out.get(ValueLayout.JAVA_INT_UNALIGNED, 4 + scales);
                        assertTrue(bytes >= 8 + scales + 2 * words + 256);
                        // What lanes start from is symbols too, but for the 16 bits that any state has.
                        bits += 16 * words + 64 * 16;
                    }
                }
            }
            double ratio = bits / entropy;
            assertTrue(ratio > 0.97 && ratio < 1.03, "ratio " + ratio);
        }
    }
}
