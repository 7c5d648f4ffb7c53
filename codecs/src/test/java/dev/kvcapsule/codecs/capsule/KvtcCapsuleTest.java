package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.calibration.BasisDescription;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.compare.CacheComparison;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.Channels;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class KvtcCapsuleTest {
    private static final int LAYERS = 3;

    private static final CalibrationOptions WHOLE = new CalibrationOptions(0, 100, OptionalInt.empty(), Kernels.scalar(), LinearAlgebras.named("java", 1));

    /** A few directions, by tensor and channel, that tokens combine: what principal components find. */
    private static float lowRank(int layer, Part part, int token, int channel) {
        double sum = TestCaches.ordinary(layer, part, token, channel) / 50;
        for (int k = 1; k <= 4; k++) {
            sum += Math.sin(token * 0.37 * k + k) * Math.cos(channel * (k + 1.3) + layer * 2.1 + part.ordinal()) / k;
        }
        return (float) sum;
    }

    private static KvCache cache(Arena arena, int tokens, DType type, TestCaches.Fill fill) {
        // No layer's K is rotated, so that the rank stays low.
        return TestCaches.filled(arena, TestCaches.layout(tokens, TestCaches.dense(tokens, TestCaches.layers(LAYERS, 2, 8, 12, type))), fill);
    }

    /** A basis in memory. */
    private record Shared(MemorySegment file, String digest) {
        static Shared of(KvCache cache, Arena arena) throws IOException {
            try (Calibration calibration = Calibrations.of("kvtc").start(cache.layout(), WHOLE)) {
                calibration.add(cache);
                calibration.solve(AttentionWeights.NONE, ProgressListener.NONE);
                calibration.train(cache);
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                String digest = calibration.write(Map.of("model", "made up"), Channels.newChannel(out));
                return new Shared(arena.allocateFrom(ValueLayout.JAVA_BYTE, out.toByteArray()), digest);
            }
        }

        PipelineOptions options(int threads, Kernels kernels) {
            Bases bases = wanted -> wanted.equals(digest) ? file : Bases.NONE.find(wanted);
            return new PipelineOptions(threads, kernels, Progress.NONE, bases);
        }

        PipelineOptions options() {
            return options(1, Kernels.scalar());
        }

        String codec(String parameters) {
            return "kvtc:basis=" + digest + "," + parameters;
        }
    }

    @Test
    void lowRankSurvivesAndBytesDependNeitherOnThreadsNorOnKernels() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            Shared shared = Shared.of(cache(arena, 600, DType.F16, KvtcCapsuleTest::lowRank), arena);
            KvCache cache = cache(arena, 1500, DType.F16, (l, part, t, c) -> lowRank(l, part, t + 5000, c));
            Capsules.Encoded one = Capsules.encode(cache, shared.codec("ratio=4,window=32"), shared.options());
            assertEquals(0, one.report().trailer().losslessTiles());
            assertTrue(one.report().trailer().relativeError() < 0.1, () -> "error " + one.report().trailer().relativeError());
            KvCache decoded = Capsules.decode(CapsuleReader.of(Capsules.mapped(one.bytes(), arena)), arena, shared.options());
            for (int threads = 1; threads <= 3; threads++) {
                PipelineOptions options = shared.options(threads, Kernels.panama());
                assertArrayEquals(one.bytes(), Capsules.encode(cache, shared.codec("ratio=4,window=32"), options).bytes());
                assertArrayEquals(TestCaches.bytes(decoded), TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.channel(one.bytes())), arena, options)));
            }
            // The window is as it was, a sink nearly so.
            assertArrayEquals(TestCaches.row(cache, 0, 1, Part.VALUE, 1499), TestCaches.row(decoded, 0, 1, Part.VALUE, 1499));
            assertArrayEquals(TestCaches.row(cache, 0, 1, Part.KEY, 1468), TestCaches.row(decoded, 0, 1, Part.KEY, 1468));
            byte[] smaller = Capsules.encode(cache, shared.codec("ratio=20,window=32"), shared.options()).bytes();
            assertTrue(smaller.length < one.bytes().length);
        }
    }

    @Test
    void everyElementTypeIsCoded() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            for (DType type : new DType[] {DType.F32, DType.F16, DType.BF16, DType.F8_E4M3}) {
                KvCache cache = cache(arena, 400, type, KvtcCapsuleTest::lowRank);
                Shared shared = Shared.of(cache, arena);
                Capsules.Encoded encoded = Capsules.encode(cache, shared.codec("ratio=2"), shared.options());
                KvCache decoded = Capsules.decode(CapsuleReader.of(Capsules.mapped(encoded.bytes(), arena)), arena, shared.options());
                double error = CacheComparison.of(cache, decoded, Kernels.scalar(), Progress.NONE).keys().relativeError();
                assertTrue(error < 0.12, () -> type + ": " + error);
            }
        }
    }

    /** Four bits an element: FP8 of a sink takes more than its row. */
    @Test
    void blockTypesAreCoded() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            for (DType type : new DType[] {DType.Q8_0, DType.Q4_0}) {
                CacheLayout layout = TestCaches.layout(300, TestCaches.dense(300, TestCaches.layers(LAYERS, 2, 16, 16, type)));
                KvCache cache = TestCaches.filled(arena, layout, KvtcCapsuleTest::lowRank);
                Shared shared = Shared.of(cache, arena);
                Capsules.Encoded encoded = Capsules.encode(cache, shared.codec("ratio=1,sink=300"), shared.options());
                KvCache decoded = Capsules.decode(CapsuleReader.of(Capsules.mapped(encoded.bytes(), arena)), arena, shared.options());
                double error = CacheComparison.of(cache, decoded, Kernels.scalar(), Progress.NONE).values().relativeError();
                assertTrue(error < 0.15, () -> type + ": " + error);
            }
        }
    }

    @Test
    void tilesThatAreNotNumbersFallBack() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            Shared shared = Shared.of(cache(arena, 300, DType.F16, KvtcCapsuleTest::lowRank), arena);
            for (int token : new int[] {1, 700, 1300}) {
                KvCache cache = cache(arena, 1400, DType.F16, (l, part, t, c) -> t == token && c == 3 ? Float.NaN : lowRank(l, part, t, c));
                Capsules.Encoded encoded = Capsules.encode(cache, shared.codec("window=200"), shared.options());
                KvCache decoded = Capsules.decode(CapsuleReader.of(Capsules.mapped(encoded.bytes(), arena)), arena, shared.options());
                assertArrayEquals(TestCaches.row(cache, 0, 2, Part.KEY, token), TestCaches.row(decoded, 0, 2, Part.KEY, token));
            }
        }
    }

    @Test
    void emptyShortAndWrappedCachesAreCoded() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache small = TestCaches.small(arena);
            Shared shared = Shared.of(small, arena);
            for (String parameters : new String[] {"ratio=2,window=0,sink=0", "ratio=1000,window=0,sink=1", "window=5"}) {
                Capsules.Encoded encoded = Capsules.encode(small, shared.codec(parameters), shared.options());
                Capsules.decode(CapsuleReader.of(Capsules.mapped(encoded.bytes(), arena)), arena, shared.options());
            }
            for (int tokens : new int[] {0, 1, 5}) {
                KvCache cache = cache(arena, tokens, DType.F16, KvtcCapsuleTest::lowRank);
                Shared own = Shared.of(cache, arena);
                Capsules.Encoded encoded = Capsules.encode(cache, own.codec("window=0"), own.options());
                Capsules.decode(CapsuleReader.of(Capsules.mapped(encoded.bytes(), arena)), arena, own.options());
            }
        }
    }

    @Test
    void missingAndForeignBasesAreRefused() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = cache(arena, 300, DType.F16, KvtcCapsuleTest::lowRank);
            Shared shared = Shared.of(cache, arena);
            assertThrows(CapsuleRefusedException.class, () -> Capsules.encode(cache, "kvtc"));
            byte[] capsule = Capsules.encode(cache, shared.codec("ratio=8"), shared.options()).bytes();
            assertThrows(CapsuleRefusedException.class, () -> Capsules.decode(capsule, arena));
            CacheLayout other = TestCaches.layout(300, TestCaches.dense(300, TestCaches.layers(LAYERS, 1, 16, 12, DType.F16)));
            KvCache foreign = TestCaches.filled(arena, other, TestCaches::ordinary);
            String message = assertThrows(CapsuleRefusedException.class, () -> Capsules.encode(foreign, shared.codec("ratio=8"), shared.options())).getMessage();
            assertTrue(message.contains("another model"), message);
            assertThrows(IllegalArgumentException.class, () -> Codecs.create("kvtc:basis=nonsense"));
            assertThrows(IllegalArgumentException.class,
                    () -> Calibrations.of("kvtc").start(cache.layout(), new CalibrationOptions(1, 100, OptionalInt.empty(), Kernels.scalar(), LinearAlgebras.named("java", 1))));
        }
    }

    @Test
    void aBasisFileDescribesItselfAndEveryChangeOfItIsRefused() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            Shared shared = Shared.of(cache(arena, 50, DType.F16, KvtcCapsuleTest::lowRank), arena);
            BasisDescription description = Calibrations.recognise(shared.file()).orElseThrow().describe(shared.file());
            assertEquals("kvtc", description.codec());
            assertEquals(shared.digest(), description.digest());
            assertEquals("made up", description.facts().get("model"));
            assertEquals(2, description.transforms().size());
            assertEquals(LAYERS * 16, description.transforms().getFirst().width());
            Random random = new Random(1);
            for (int i = 0; i < 200; i++) {
                byte[] bytes = shared.file().toArray(ValueLayout.JAVA_BYTE);
                bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
                MemorySegment damaged = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
                assertThrows(IOException.class, () -> Calibrations.of("kvtc").describe(damaged));
                MemorySegment cut = shared.file().asSlice(0, random.nextInt(bytes.length));
                assertThrows(MalformedDataException.class, () -> Calibrations.of("kvtc").describe(cut));
            }
        }
    }

    @Test
    void mutatedCapsulesAreDecodedOrRefused() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = cache(arena, 60, DType.F16, KvtcCapsuleTest::lowRank);
            Shared shared = Shared.of(cache, arena);
            byte[] capsule = Capsules.encode(cache, shared.codec("ratio=3,window=8"), shared.options()).bytes();
            int decoded = 0;
            for (int seed = 0; seed < 3000; seed++) {
                byte[] mutated = CapsuleMutations.mutate(capsule, new Random(seed));
                try (Arena own = Arena.ofShared()) {
                    Capsules.drain(CapsuleReader.of(Capsules.mapped(mutated, own)), shared.options());
                    decoded++;
                } catch (MalformedDataException | CapsuleRefusedException e) {
                    assertTrue(!e.getMessage().isBlank());
                }
            }
            assertTrue(decoded > 0 && decoded < 3000, decoded + " decoded");
        }
    }
}
