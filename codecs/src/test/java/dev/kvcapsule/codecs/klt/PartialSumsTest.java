package dev.kvcapsule.codecs.klt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.codecs.capsule.SharedBasis;
import dev.kvcapsule.codecs.capsule.TestCaches;
import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.calibration.PartialDescription;
import dev.kvcapsule.engine.calibration.WeightSums;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Optional;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class PartialSumsTest {
    private final Arena arena = Arena.ofShared();

    @AfterEach
    void close() {
        arena.close();
    }

    private static CalibrationOptions options(int group) {
        return new CalibrationOptions(group, 4096, OptionalInt.empty(), Kernels.scalar(), LinearAlgebras.named("java", 1));
    }

    private static WeightSums weights(CacheLayout layout, long seed, long queries) {
        AttentionWeights all = TestCaches.weights(layout, seed);
        // Output projections are the model's.
        AttentionWeights model = TestCaches.weights(layout, 0);
        return new WeightSums(new AttentionWeights(all.keyMoments(), model.valueMoments(), all.keySensitivity(), all.valueSensitivity()), queries, 2);
    }

    private byte[] save(int group, WeightSums weights, KvCache... caches) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (Calibration calibration = Calibrations.of("klt").start(caches[0].layout(), options(group))) {
            for (KvCache cache : caches) {
                calibration.add(cache, TestCaches.attention(cache.layout()));
            }
            calibration.save(weights, Map.of("model", "test"), Channels.newChannel(out));
        }
        return out.toByteArray();
    }

    private MemorySegment mapped(byte[] bytes) {
        return arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
    }

    private PartialSums parse(byte[] bytes) throws IOException {
        return PartialSums.parse(mapped(bytes));
    }

    /** A basis of partial sums and, perhaps, caches; trained on those. */
    private SharedBasis merged(int group, List<byte[]> partials, KvCache... caches) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        CacheLayout model = parse(partials.getFirst()).model();
        try (Calibration calibration = Calibrations.of("klt").start(model, options(group))) {
            WeightSums weights = WeightSums.NONE;
            for (byte[] partial : partials) {
                weights = weights.and(calibration.add(mapped(partial)));
            }
            for (KvCache cache : caches) {
                calibration.add(cache, TestCaches.attention(cache.layout()));
            }
            calibration.solve(weights.means(), ProgressListener.NONE);
            for (KvCache cache : caches) {
                calibration.train(cache);
            }
            String digest = calibration.write(Map.of("model", "test"), Channels.newChannel(out));
            return new SharedBasis(digest, mapped(out.toByteArray()));
        }
    }

    /** The same in one run. */
    private SharedBasis direct(int group, WeightSums weights, KvCache... caches) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (Calibration calibration = Calibrations.of("klt").start(caches[0].layout(), options(group))) {
            for (KvCache cache : caches) {
                calibration.add(cache, TestCaches.attention(cache.layout()));
            }
            calibration.solve(weights.means(), ProgressListener.NONE);
            String digest = calibration.write(Map.of("model", "test"), Channels.newChannel(out));
            return new SharedBasis(digest, mapped(out.toByteArray()));
        }
    }

    private KvCache real(int layer) {
        // Any layers serve as contexts of one model, so that three caches with different means are at hand.
        KvCache cache = TestCaches.real(arena, 512, layer, layer + 1);
        List<LayerLayout> layers = cache.layout().subCaches().getFirst().layers().stream()
                .map(l -> new LayerLayout(l.layer() - layer, l.kvHeads(), l.keyHeadDim(), l.valueHeadDim(), l.keyType(), l.valueType(), l.rope(), l.window())).toList();
        KvCache.Builder builder = new KvCache.Builder(TestCaches.layout(512, TestCaches.dense(512, layers)));
        for (int l = 0; l < 2; l++) {
            builder.add(0, Part.KEY, cache.tensor(0, l, Part.KEY));
            builder.add(0, Part.VALUE, cache.tensor(0, l, Part.VALUE));
        }
        builder.addBlob(arena.allocate(21)).addBlob(arena.allocate(0));
        return builder.build();
    }

    private static double error(KvCache cache, SharedBasis basis) throws IOException {
        PipelineOptions options = new PipelineOptions(1, Kernels.scalar(), Progress.NONE, basis);
        return CapsuleEncoder.encode(cache, Codecs.create("klt:step=1,basis=" + basis.digest()), Channels.newChannel(OutputStream.nullOutputStream()), options).trailer().relativeError();
    }

    @Test
    void mergedSumsGiveTheBasisOfOneRun() throws IOException {
        KvCache a = real(3);
        KvCache b = real(12);
        KvCache c = real(20);
        WeightSums first = weights(a.layout(), 1, 100);
        WeightSums second = weights(a.layout(), 2, 250);
        WeightSums third = weights(a.layout(), 3, 7);
        for (int group : new int[] {0, 1}) {
            byte[] one = save(group, first, a);
            byte[] two = save(group, second, b);
            byte[] three = save(group, third, c);
            SharedBasis direct = direct(group, first.and(second).and(third), a, b, c);
            KltBasis expected = KltBasis.parse(direct.file());
            for (List<byte[]> order : List.of(List.of(one, two, three), List.of(three, one, two))) {
                SharedBasis merged = merged(group, order);
                KltBasis actual = KltBasis.parse(merged.file());
                assertEquals(expected.facts(), actual.facts());
                for (int g = 0; g < expected.groups().size(); g++) {
                    assertNear(expected.groups().get(g), actual.groups().get(g));
                }
                assertEquals(error(b, direct), error(b, merged), 1e-3 * error(b, direct));
            }
        }
    }

    private static void assertNear(KltBasis.Group expected, KltBasis.Group actual) {
        assertEquals(expected.basis().components(), actual.basis().components());
        double largest = variance(expected, 0);
        for (int k = 0; k < expected.basis().components(); k++) {
            // Products of a batch are added up in binary32: what is far below the largest is less exact in any run.
            assertEquals(variance(expected, k), variance(actual, k), 1e-5 * variance(expected, k) + 1e-7 * largest, "component " + k + " of " + expected.layers());
        }
        for (long i = 0; i < expected.mean().byteSize(); i += 4) {
            assertEquals(expected.mean().get(Transform.FLOAT, i), actual.mean().get(Transform.FLOAT, i), 1e-5);
        }
        for (long i = 0; i < expected.backward().byteSize(); i += 4) {
            assertEquals(expected.backward().get(Transform.FLOAT, i), actual.backward().get(Transform.FLOAT, i), 1e-6);
        }
        float[] weights = expected.sensitivity().weights();
        for (int i = 0; i < weights.length; i++) {
            assertEquals(weights[i], actual.sensitivity().weights()[i], 1e-5 * Math.max(1, Math.abs(weights[i])));
        }
    }

    private static double variance(KltBasis.Group group, int component) {
        return Math.pow(group.deviations().get(Transform.FLOAT, 4L * component), 2);
    }

    @Test
    void sumsOfOneRunGiveItsBasisToTheByte() throws IOException {
        KvCache cache = real(7);
        WeightSums weights = weights(cache.layout(), 1, 100);
        for (int group : new int[] {0, 1}) {
            SharedBasis direct = direct(group, weights, cache);
            SharedBasis merged = merged(group, List.of(save(group, weights, cache)));
            assertEquals(-1, direct.file().mismatch(merged.file()));
        }
    }

    @Test
    void mergedSumsCanBeSavedAndMergedAgain() throws IOException {
        KvCache cache = TestCaches.small(arena);
        WeightSums weights = weights(cache.layout(), 1, 100);
        byte[] one = save(0, weights, cache);
        ByteArrayOutputStream again = new ByteArrayOutputStream();
        try (Calibration calibration = Calibrations.of("klt").start(parse(one).model(), options(0))) {
            WeightSums read = calibration.add(mapped(one));
            assertEquals(1, calibration.caches());
            calibration.save(read, Map.of("model", "test"), Channels.newChannel(again));
        }
        assertArrayEquals(one, again.toByteArray());
        assertEquals("24", KltBasis.parse(merged(0, List.of(one, one)).file()).facts().get("tokens"));
        assertEquals("36", KltBasis.parse(merged(0, List.of(one, one), cache).file()).facts().get("tokens"));
    }

    @Test
    void whatIsKnownOfHarmIsKept() throws IOException {
        KvCache cache = TestCaches.small(arena);
        AttentionWeights all = TestCaches.weights(cache.layout(), 4);
        all.keySensitivity().orElseThrow()[1] = Double.NaN;
        WeightSums query = new WeightSums(new AttentionWeights(all.keyMoments(), all.valueMoments(), Optional.empty(), Optional.empty()), 33, 0);
        WeightSums noise = new WeightSums(new AttentionWeights(Optional.empty(), Optional.empty(), all.keySensitivity(), all.valueSensitivity()), 0, 3);
        for (WeightSums weights : List.of(WeightSums.NONE, query, noise, weights(cache.layout(), 1, 100))) {
            WeightSums read = parse(save(1, weights, cache)).weights();
            assertEquals(weights.queries(), read.queries());
            assertEquals(weights.probes(), read.probes());
            assertEquals(weights.means().label(), read.means().label());
            assertEquals(weights.means().keyMoments().isPresent(), read.means().keyMoments().isPresent());
            assertArrayEquals(weights.means().keyMoments().orElse(null), read.means().keyMoments().orElse(null));
            assertArrayEquals(weights.means().valueMoments().orElse(null), read.means().valueMoments().orElse(null));
            assertArrayEquals(weights.means().keySensitivity().orElse(null), read.means().keySensitivity().orElse(null));
            assertArrayEquals(weights.means().valueSensitivity().orElse(null), read.means().valueSensitivity().orElse(null));
        }
    }

    @Test
    void aFileIsRecognisedAndDescribed() throws IOException {
        KvCache cache = TestCaches.small(arena);
        byte[] bytes = save(0, weights(cache.layout(), 1, 100), cache);
        MemorySegment file = mapped(bytes);
        assertTrue(Calibrations.recognise(file).isEmpty());
        PartialDescription sums = Calibrations.recognisePartial(file).orElseThrow().describePartial(file);
        assertEquals("klt", sums.codec());
        assertEquals(bytes.length, sums.bytes());
        assertEquals(Map.of("model", "test"), sums.facts());
        assertEquals(12, sums.tokens());
        assertEquals(1, sums.caches());
        assertEquals(0, sums.layersPerGroup());
        assertEquals(List.of(new PartialDescription.Group("layers 0 to 1", 68, 8, 5), new PartialDescription.Group("layers 2 to 2", 32, 1, 0)), sums.groups());
        assertTrue(Calibrations.recognisePartial(direct(0, WeightSums.NONE, cache).file()).isEmpty());
        assertTrue(Calibrations.recognisePartial(mapped(Arrays.copyOf(bytes, 7))).isEmpty());
    }

    @Test
    void sumsOfAnotherModelOrGroupAreRefused() throws IOException {
        KvCache cache = TestCaches.small(arena);
        byte[] bytes = save(0, WeightSums.NONE, cache);
        List<LayerLayout> layers = TestCaches.layers(2, 2, 16, 12, DType.F16);
        KvCache dense = TestCaches.filled(arena, TestCaches.layout(30, TestCaches.dense(30, layers)), TestCaches::ordinary);
        Rope rope = Rope.of(Rope.Pairing.HALF_SPLIT, 500_000, 16);
        List<LayerLayout> turned = layers.stream().map(l -> new LayerLayout(l.layer(), 2, 16, 12, DType.F16, DType.F16, Optional.of(rope), 0)).toList();
        KvCache other = TestCaches.filled(arena, TestCaches.layout(30, TestCaches.dense(30, turned)), TestCaches::ordinary);
        KvCache apart = TestCaches.filled(arena, TestCaches.layout(30, TestCaches.dense(30, layers.subList(0, 1)), TestCaches.dense(30, layers.subList(1, 2))), TestCaches::ordinary);
        assertTrue(refused(dense, 0, bytes).contains("cache 0, layer 0: 2 x 16 + 8"));
        assertTrue(refused(dense, 0, save(0, WeightSums.NONE, other)).contains("base 500000.0"));
        assertTrue(refused(dense, 1, save(1, WeightSums.NONE, apart)).contains("cache 1, layer 1"));
        assertTrue(refused(cache, 1, bytes).contains("--group all, not of 1"));
        try (Calibration calibration = Calibrations.of("kvtc").start(dense.layout(), options(0))) {
            assertThrows(UnsupportedOperationException.class, () -> calibration.add(mapped(bytes)));
            assertThrows(UnsupportedOperationException.class, () -> calibration.save(WeightSums.NONE, Map.of(), Channels.newChannel(OutputStream.nullOutputStream())));
        }
        assertThrows(UnsupportedOperationException.class, () -> Calibrations.of("kvtc").describePartial(mapped(bytes)));
    }

    private String refused(KvCache model, int group, byte[] partial) throws IOException {
        try (Calibration calibration = Calibrations.of("klt").start(model.layout(), options(group))) {
            return assertThrows(CapsuleRefusedException.class, () -> calibration.add(mapped(partial))).getMessage();
        }
    }

    private void malformed(byte[] bytes, String what) {
        String message = assertThrows(MalformedDataException.class, () -> parse(bytes), what).getMessage();
        assertFalse(message.isBlank() || message.chars().anyMatch(Character::isISOControl), message);
    }

    private byte[] small() throws IOException {
        KvCache cache = TestCaches.small(arena);
        return save(0, weights(cache.layout(), 1, 100), cache);
    }

    @Test
    void damagedFilesAreRefused() throws IOException {
        byte[] good = small();
        Random random = new Random(1);
        for (int at = 0; at < good.length; at += at < 1200 ? 1 : 61) {
            byte[] flipped = good.clone();
            flipped[at] ^= (byte) (1 << random.nextInt(8));
            if (at >= 8 && at < 12) {
                assertThrows(CapsuleRefusedException.class, () -> parse(flipped));
            } else {
                malformed(flipped, "byte " + at);
            }
        }
        for (int length = 0; length < good.length; length += length < 100 ? 1 : 397) {
            malformed(Arrays.copyOf(good, length), "length " + length);
            if (length >= BasisForge.HEADER + BasisForge.DIGEST) {
                malformed(BasisForge.sealed(Arrays.copyOf(good, length)), "sealed length " + length);
            }
        }
        for (int more : new int[] {1, 64, 5000}) {
            malformed(BasisForge.sealed(Arrays.copyOf(good, good.length + more)), "more");
        }
        for (int version : new int[] {0, 2, -1}) {
            byte[] other = good.clone();
            ByteBuffer.wrap(other).order(ByteOrder.LITTLE_ENDIAN).putInt(8, version);
            assertTrue(assertThrows(CapsuleRefusedException.class, () -> parse(BasisForge.sealed(other))).getMessage().contains("version " + version));
        }
    }

    private static Map<String, Object> firstLayer(Map<String, Object> header) {
        return BasisForge.first(BasisForge.first(header, "model"), "layers");
    }

    private static Map<String, Object> weights(Map<String, Object> header) {
        return BasisForge.map(header.get("weights"));
    }

    @Test
    void headersThatDoNotFitTheFileAreRefused() throws IOException {
        byte[] good = small();
        assertArrayEquals(good, BasisForge.withHeader(good, header -> {}));
        List<Consumer<Map<String, Object>>> changes = List.of(
                header -> header.put("layers_per_group", -1L),
                header -> header.put("layers_per_group", 1L),
                header -> header.put("layers_per_group", 1L << 40),
                header -> header.put("tokens", -1L),
                header -> header.put("tokens", Long.MAX_VALUE),
                header -> header.put("caches", -1L),
                header -> header.put("unknown", 1L),
                header -> header.remove("facts"),
                header -> header.put("groups", List.of()),
                header -> header.put("groups", List.of(3L)),
                header -> header.put("groups", Collections.nCopies(3000, BasisForge.first(header, "groups"))),
                header -> header.put("model", List.of()),
                header -> header.put("model", List.of(3L)),
                header -> BasisForge.first(header, "model").put("layers", List.of()),
                header -> BasisForge.first(header, "model").put("layers", Collections.nCopies(60_000, firstLayer(header))),
                header -> BasisForge.first(header, "model").put("more", List.of()),
                header -> firstLayer(header).put("heads", 0L),
                header -> firstLayer(header).put("heads", 3L),
                header -> firstLayer(header).put("k_dim", 65_536L),
                header -> firstLayer(header).put("v_dim", -1L),
                header -> firstLayer(header).put("k_type", "none"),
                header -> firstLayer(header).put("rope", Map.of()),
                header -> BasisForge.first(header, "groups").put("rows", -1L),
                header -> BasisForge.first(header, "groups").put("rows", Long.MAX_VALUE),
                header -> BasisForge.first(header, "groups").put("asked", -1L),
                header -> BasisForge.first(header, "groups").put("more", 1L),
                header -> weights(header).put("queries", 0L),
                header -> weights(header).put("queries", -1L),
                header -> weights(header).put("probes", 0L),
                header -> weights(header).put("probed", 0L),
                header -> weights(header).put("probed", 1L << 40),
                header -> weights(header).put("k_moments", List.of()),
                header -> weights(header).put("k_moments", List.of(1L)),
                header -> weights(header).put("k_moments", List.of(65_536L, 1L)),
                header -> weights(header).put("k_moments", List.of(1L, 65_536L)),
                header -> weights(header).put("k_moments", List.of(1L << 40, 1L << 40)),
                header -> weights(header).put("v_moments", List.of(-1L, -1L)),
                header -> weights(header).put("v_moments", List.of(1L, 0L)),
                header -> weights(header).put("v_moments", Collections.nCopies(200_000, 0L)),
                header -> weights(header).put("more", 1L),
                header -> header.remove("weights"));
        for (int i = 0; i < changes.size(); i++) {
            malformed(BasisForge.withHeader(good, changes.get(i)), "change " + i);
        }
    }

    @Test
    void anyNumbersUnderADigestThatHoldsAreSolvedOrRefused() throws IOException {
        byte[] good = small();
        int sections = BasisForge.sections(good);
        CacheLayout model = parse(good).model();
        double[] odd = {0, -0.0, 1, -1, 1e-300, 1e300, -1e300, Double.MAX_VALUE, Double.NaN, Double.POSITIVE_INFINITY, 1e40, -1e40};
        Random random = new Random(2);
        int refused = 0;
        for (int round = 0; round < 400; round++) {
            ByteBuffer bytes = ByteBuffer.wrap(good.clone()).order(ByteOrder.LITTLE_ENDIAN);
            for (int edits = 1 + random.nextInt(4); edits > 0; edits--) {
                bytes.putDouble(sections + 8 * random.nextInt((good.length - BasisForge.DIGEST - sections) / 8), odd[random.nextInt(odd.length)]);
            }
            byte[] forged = BasisForge.sealed(bytes.array());
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            try (Calibration calibration = Calibrations.of("klt").start(model, options(0))) {
                calibration.solve(calibration.add(mapped(forged)).means(), ProgressListener.NONE);
                calibration.write(Map.of(), Channels.newChannel(out));
                KltBasis.parse(mapped(out.toByteArray()));
            } catch (MalformedDataException e) {
                refused++;
            }
        }
        assertTrue(refused > 50 && refused < 400, refused + " refused");
    }

    @Test
    void anyDamageOfTheHeaderUnderADigestThatHoldsIsReadOrRefused() throws IOException {
        byte[] good = small();
        Random random = new Random(3);
        int refused = 0;
        for (int round = 0; round < 2000; round++) {
            byte[] bytes = good.clone();
            for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
                bytes[8 + random.nextInt(BasisForge.sections(good) - 8)] = (byte) (random.nextBoolean() ? random.nextInt() : random.nextInt(24));
            }
            try {
                parse(BasisForge.sealed(bytes));
            } catch (MalformedDataException | CapsuleRefusedException e) {
                refused++;
            }
        }
        assertTrue(refused > 1000 && refused < 2000, refused + " refused");
    }
}
