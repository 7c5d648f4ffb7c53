package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.compare.CacheComparison;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The transform codec from end to end; what all codecs have in common is in {@link PipelineTest}. */
@Timeout(120)
class KltPipelineTest {
    private static final OptionalInt FINE = OptionalInt.of(4096);
    private static final PipelineOptions TWO_PANAMA = new PipelineOptions(2, Kernels.panama(), Progress.NONE);

    /** Two sub-caches of different lengths and heads, the second one wrapped around; one layer has no V, one other dims for K and V. */
    private static KvCache mixed(Arena arena, DType type) {
        SubCache global = TestCaches.dense(300, List.of(TestCaches.layer(0, 2, 32, 16, type, type), TestCaches.layer(3, 1, 40, 0, type, type),
                TestCaches.layer(5, 1, 16, 48, type, type), TestCaches.layer(6, 3, 10, 7, type, type)));
        int[] wrapped = new int[90];
        for (int cell = 0; cell < 90; cell++) {
            wrapped[cell] = cell < 25 ? 275 + cell : 210 + cell - 25;
        }
        SubCache local = new SubCache("swa", Positions.of(wrapped), TensorOrder.TOKEN_MAJOR, TensorOrder.CHANNEL_MAJOR,
                List.of(TestCaches.layer(1, 2, 16, 16, type, type), TestCaches.layer(2, 2, 16, 16, type, type)));
        return TestCaches.filled(arena, TestCaches.layout(300, global, local), TestCaches::ordinary);
    }

    private static double error(KvCache cache, KvCache decoded) {
        CacheComparison comparison = CacheComparison.of(cache, decoded, Kernels.scalar(), Progress.NONE);
        return Math.max(comparison.keys().relativeError(), comparison.values().relativeError());
    }

    private static List<byte[]> tiles(byte[] capsule) {
        return CapsuleForge.take(capsule).stream().filter(piece -> piece.is(FrameType.TILE)).map(piece -> piece.payload).toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "3", "all", "2", "99999"})
    void ownBasesCodeCachesOfEveryStructure(String group) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = mixed(arena, DType.F16);
            String codec = "klt:step=0.4,window=50,group=" + group;
            Capsules.Encoded encoded = Capsules.encode(cache, codec, Capsules.ONE_THREAD);
            assertEquals(0, encoded.report().trailer().losslessTiles());
            KvCache decoded = Capsules.decode(encoded.bytes(), arena);
            double error = error(cache, decoded);
            // Mostly noise, which no basis predicts: a coefficient under half a step is lost.
            assertTrue(error > 0 && error < 0.3, () -> "error " + error);
            assertTrue(encoded.report().trailer().relativeError() <= error);
            for (int threads = 1; threads <= 3; threads++) {
                PipelineOptions options = new PipelineOptions(threads, threads == 2 ? Kernels.scalar() : Kernels.panama(), Progress.NONE);
                assertArrayEquals(encoded.bytes(), Capsules.encode(cache, codec, options).bytes());
                assertArrayEquals(TestCaches.bytes(decoded), TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.mapped(encoded.bytes(), arena)), arena, options)));
            }
            // A layer group of a block of tokens is one tile: sink, body and window for the first sub-cache, the same for the second.
            int perBlock = switch (group) {
                case "1" -> 4 + 2;
                case "2" -> 2 + 1;
                case "3" -> 2 + 1;
                default -> 1 + 1;
            };
            assertEquals(3 * perBlock, tiles(encoded.bytes()).size());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void sharedBasesCodeCachesOfEveryStructure(int group) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = mixed(arena, DType.F16);
            SharedBasis basis = SharedBasis.of(cache, group, arena);
            String codec = basis.codec("step=0.3");
            Capsules.Encoded encoded = Capsules.encode(cache, codec, basis.options(1, Kernels.scalar()));
            assertEquals(0, encoded.report().manifest().basisBytes());
            assertEquals(group == 0 ? "all" : Integer.toString(group), encoded.report().manifest().codec().parameters().get("group"));
            KvCache decoded = Capsules.decode(CapsuleReader.of(Capsules.mapped(encoded.bytes(), arena)), arena, basis.options(1, Kernels.scalar()));
            double error = error(cache, decoded);
            assertTrue(error > 0 && error < 0.2, () -> "error " + error);
            for (int threads = 1; threads <= 3; threads++) {
                PipelineOptions options = basis.options(threads, threads == 2 ? Kernels.scalar() : Kernels.panama());
                assertArrayEquals(encoded.bytes(), Capsules.encode(cache, codec, options).bytes());
                assertArrayEquals(TestCaches.bytes(decoded), TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.channel(encoded.bytes())), arena, options)));
            }
            KvCache other = TestCaches.filled(arena, cache.layout(), (l, part, t, c) -> TestCaches.ordinary(l, part, t + 1000, c));
            byte[] second = Capsules.encode(other, codec, basis.options(2, Kernels.panama())).bytes();
            double otherError = error(other, Capsules.decode(CapsuleReader.of(Capsules.mapped(second, arena)), arena, basis.options(2, Kernels.panama())));
            assertTrue(otherError < 0.25, () -> "error " + otherError);
        }
    }

    @Test
    void bytesDoNotDependOnTheWidthOfVectors() throws IOException, InterruptedException {
        String here = KltDigests.text();
        for (int bits : new int[] {128, 256}) {
            if (bits < Kernels.vectorBits()) {
                assertTrue(LimitedJvm.run(List.of("-Dkvcapsule.vector.bits=" + bits), 400, 400, 60, KltDigests.class).contains(here), () -> bits + " bits");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"klt", "klt:sink=0", "klt:window=0", "klt:sink=2,window=2,group=all", "klt:sink=1024,window=1048576", "klt:ratio=4"})
    void fewTokensAreCoded(String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            for (int tokens : new int[] {0, 1, 2, 3, 4, 5, 6, 131, 133}) {
                SubCache sub = TestCaches.dense(tokens, TestCaches.layers(3, 2, 16, 8, DType.F16));
                KvCache cache = TestCaches.filled(arena, TestCaches.layout(tokens, sub, TestCaches.dense(tokens, List.of())), TestCaches::ordinary);
                byte[] capsule = Capsules.encode(cache, codec);
                double error = tokens == 0 ? 0 : error(cache, Capsules.decode(capsule, arena));
                assertTrue(error < 0.9, () -> tokens + " tokens: " + error);
                CapsuleReader reader = CapsuleReader.of(Capsules.channel(capsule));
                assertEquals(0, Capsules.drain(reader, Capsules.ONE_THREAD).losslessTiles());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"klt:group=1", "klt:group=all", "klt:sink=0,window=0,step=0.001", "klt:step=1000", "klt:ratio=20"})
    void cachesWithoutVarianceAreCoded(String codec) throws IOException {
        List<TestCaches.Fill> fills = List.of((l, part, t, c) -> 0, (l, part, t, c) -> -0f, (l, part, t, c) -> 1.5f, (l, part, t, c) -> c - 8, (l, part, t, c) -> part == Part.KEY ? 0 : c,
                (l, part, t, c) -> t == 100 ? 1 : 0, (l, part, t, c) -> t % 2 * 4 - 2, (l, part, t, c) -> 6e-5f, (l, part, t, c) -> c == 3 ? 60_000 : 0.001f * (t % 7));
        try (Arena arena = Arena.ofShared()) {
            for (int i = 0; i < fills.size(); i++) {
                for (DType type : List.of(DType.F16, DType.F32)) {
                    // Without RoPE, whose inverse would make waves of constants.
                    List<LayerLayout> layers = TestCaches.layers(2, 1, 12, 14, type);
                    KvCache cache = TestCaches.filled(arena, TestCaches.layout(200, TestCaches.dense(200, layers)), fills.get(i));
                    Capsules.Encoded encoded = Capsules.encode(cache, codec, Capsules.ONE_THREAD);
                    assertEquals(0, encoded.report().trailer().losslessTiles(), codec + " fill " + i);
                    double error = error(cache, Capsules.decode(encoded.bytes(), arena));
                    // Constants are in the mean, and so cost no more than its rounding to binary16.
                    double bound = i < 5 ? 0.02 : 1.01;
                    assertTrue(error <= bound, codec + " fill " + i + " " + type + ": " + error);
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"F16,NaN", "BF16,Infinity", "F32,-Infinity", "F32,1e30"})
    void tilesThatAreNotNumbersAreKeptBitForBit(DType type, float bad) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            CacheLayout layout = TestCaches.layout(1300, TestCaches.dense(1300, TestCaches.layers(1, 1, 16, 16, type)));
            KvCache cache = TestCaches.filled(arena, layout, (l, part, t, c) -> t == 1200 && part == Part.VALUE && c == 15 ? bad : TestCaches.ordinary(l, part, t % 64, c));
            SharedBasis basis = SharedBasis.of(cache, 1, arena);
            for (String codec : List.of("klt:sink=0,window=0,group=all,step=0.2", basis.codec("sink=0,window=0,step=0.3"))) {
                Capsules.Encoded encoded = Capsules.encode(cache, codec, basis.options(2, Kernels.scalar()));
                assertEquals(1, encoded.report().trailer().losslessTiles(), codec);
                KvCache decoded = Capsules.decode(CapsuleReader.of(Capsules.mapped(encoded.bytes(), arena)), arena, basis.options(1, Kernels.scalar()));
                long good = 1024 * cache.layout().subCaches().getFirst().layers().getFirst().rowBytes(Part.VALUE);
                assertEquals(-1, cache.tensor(0, 0, Part.VALUE).asSlice(good).mismatch(decoded.tensor(0, 0, Part.VALUE).asSlice(good)), codec);
                assertTrue(cache.tensor(0, 0, Part.VALUE).asSlice(0, good).mismatch(decoded.tensor(0, 0, Part.VALUE).asSlice(0, good)) >= 0);
            }
        }
    }

    @Test
    void cachesWithoutANumberAreKeptBitForBit() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache nothing = TestCaches.filled(arena, TestCaches.layout(50, TestCaches.dense(50, TestCaches.layers(2, 1, 8, 8, DType.F16))), (l, part, t, c) -> Float.NaN);
            assertArrayEquals(TestCaches.bytes(nothing), TestCaches.bytes(Capsules.decode(Capsules.encode(nothing, "klt"), arena)));
        }
    }

    @Test
    void infinitiesInSinksAndWindowAreKeptToo() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.filled(arena, TestCaches.layout(300, TestCaches.dense(300, TestCaches.layers(1, 1, 32, 32, DType.F16))),
                    (l, part, t, c) -> (t == 2 || t == 290) && c == 5 ? Float.POSITIVE_INFINITY : TestCaches.ordinary(l, part, t, c));
            Capsules.Encoded encoded = Capsules.encode(cache, "klt", TWO_PANAMA);
            assertEquals(2, encoded.report().trailer().losslessTiles());
            KvCache decoded = Capsules.decode(encoded.bytes(), arena);
            for (int token : new int[] {0, 2, 290, 299}) {
                assertArrayEquals(TestCaches.row(cache, 0, 0, Part.KEY, token), TestCaches.row(decoded, 0, 0, Part.KEY, token));
            }
        }
    }

    /** Components in 4 bits are what decides at steps that are finer than any in use; in 8 bits they are as good as exact down to a fiftieth. */
    @Test
    void componentsInFourBitsCostNothingAtTheStepsTheyAreFor() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, 300, 7);
            SharedBasis rough = SharedBasis.of(cache, 0, arena);
            SharedBasis fine = SharedBasis.of(cache, 0, AttentionWeights.NONE, TestCaches.attention(cache.layout()), FINE, arena);
            assertTrue(rough.file().byteSize() < 0.9 * fine.file().byteSize(), () -> rough.file().byteSize() + " of " + fine.file().byteSize());
            for (String step : List.of("4", "2", "1")) {
                Capsules.Encoded one = Capsules.encode(cache, rough.codec("step=" + step), rough.options(1, Kernels.scalar()));
                Capsules.Encoded other = Capsules.encode(cache, fine.codec("step=" + step), fine.options(1, Kernels.scalar()));
                double error = one.report().trailer().relativeError() / other.report().trailer().relativeError();
                double size = (double) one.bytes().length / other.bytes().length;
                assertTrue(error < 1.05 && size < 1.03, () -> step + ": error " + error + ", size " + size);
            }
        }
    }

    @Test
    void theErrorFallsWithTheStepAndTheSizeRises() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, 300, 7);
            SharedBasis basis = SharedBasis.of(cache, 0, AttentionWeights.NONE, TestCaches.attention(cache.layout()), FINE, arena);
            for (boolean shared : new boolean[] {false, true}) {
                double lastError = Double.MAX_VALUE;
                int lastSize = 0;
                for (String step : List.of("8", "2", "0.5", "0.1", "0.02", "0.001")) {
                    String codec = shared ? basis.codec("step=" + step) : "klt:step=" + step;
                    Capsules.Encoded encoded = Capsules.encode(cache, codec, basis.options(1, Kernels.scalar()));
                    double error = encoded.report().trailer().relativeError();
                    assertTrue(error < lastError, () -> codec + ": " + error);
                    assertTrue(encoded.bytes().length > lastSize, codec);
                    lastError = error;
                    lastSize = encoded.bytes().length;
                }
                // What is left is the basis: 8 bits with one scale for a whole component where the capsule brings its own, one for 64 entries in a shared one.
                double finest = lastError;
                assertTrue(finest < (shared ? 0.02 : 0.06), () -> shared + ": error " + finest);
            }
        }
    }

    @Test
    void sinksAndWindowAreFiner() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, 400, 3);
            // With the basis of its own a capsule could not show it: what is wrong with that basis is wrong everywhere.
            SharedBasis basis = SharedBasis.of(cache, 1, AttentionWeights.NONE, TokenAttention.NONE, FINE, arena);
            byte[] capsule = Capsules.encode(cache, basis.codec("step=0.2,sink=4,window=100"), basis.options(1, Kernels.scalar())).bytes();
            KvCache decoded = Capsules.decode(CapsuleReader.of(Capsules.mapped(capsule, arena)), arena, basis.options(1, Kernels.scalar()));
            double sink = squares(cache, decoded, 0, 4);
            double body = squares(cache, decoded, 4, 296);
            double window = squares(cache, decoded, 300, 100);
            assertTrue(sink < window && window < 0.5 * body, () -> sink + ", " + body + ", " + window);
        }
    }

    /** Where it was learnt what attention tokens are paid, the window is nothing special. */
    @Test
    void tokensAreTheFinerTheMoreAttentionIsPredicted() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, 400, 3);
            SharedBasis basis = SharedBasis.of(cache, 1, AttentionWeights.NONE, TestCaches.attention(cache.layout()), FINE, arena);
            byte[] capsule = Capsules.encode(cache, basis.codec("step=0.2,sink=4,window=10"), basis.options(1, Kernels.scalar())).bytes();
            KvCache decoded = Capsules.decode(CapsuleReader.of(Capsules.mapped(capsule, arena)), arena, basis.options(1, Kernels.scalar()));
            double early = squares(cache, decoded, 4, 150);
            double late = squares(cache, decoded, 200, 150);
            double last = squares(cache, decoded, 350, 50);
            assertTrue(last < late && late < early, () -> early + ", " + late + ", " + last);
        }
    }

    /** Mean square error of V over some tokens. */
    private static double squares(KvCache cache, KvCache decoded, int from, int count) {
        double sum = 0;
        long first = 192L * from;
        for (long i = first; i < first + 192L * count; i++) {
            short a = cache.tensor(0, 0, Part.VALUE).getAtIndex(java.lang.foreign.ValueLayout.JAVA_SHORT, i);
            short b = decoded.tensor(0, 0, Part.VALUE).getAtIndex(java.lang.foreign.ValueLayout.JAVA_SHORT, i);
            sum += Math.pow(Float.float16ToFloat(a) - Float.float16ToFloat(b), 2);
        }
        return sum / count;
    }

    @Test
    void theRatioThatIsAskedForIsReached() throws IOException {
        int ratio = 6;
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, 256, 20);
            SharedBasis basis = SharedBasis.of(cache, 1, arena);
            for (String codec : List.of("klt:ratio=" + ratio, basis.codec("ratio=" + ratio))) {
                Capsules.Encoded encoded = Capsules.encode(cache, codec, basis.options(1, Kernels.scalar()));
                double reached = (double) cache.layout().tensorBytes() / encoded.bytes().length;
                // Manifest and trailer are 1 % of so small a capsule.
                assertTrue(reached > 0.98 * ratio && reached < 1.02 * ratio, () -> codec + ": " + reached);
                assertTrue(Double.parseDouble(encoded.report().manifest().codec().parameters().get("step")) > 0);
            }
        }
    }

    /** Of a long cache a sixth is looked at, here the one that is unlike all others: what comes out is what was asked for all the same. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aSampleThatMisleadsIsNotTheLastWord(int threads) throws IOException {
        int block = 1024;
        try (Arena arena = Arena.ofShared()) {
            CacheLayout layout = TestCaches.layout(6 * block, TestCaches.dense(6 * block, TestCaches.layers(1, 1, 32, 32, DType.F16)));
            KvCache cache = TestCaches.filled(arena, layout, (l, part, t, c) -> TestCaches.ordinary(l, part, t, c) * (t / block == 3 ? 0.2f : 1));
            PipelineOptions options = new PipelineOptions(threads, Kernels.scalar(), Progress.NONE, Bases.NONE);
            double small = reached(cache, "klt:ratio=7,sink=0,window=0", options);
            assertTrue(small >= 7 && small < 7.15, () -> "ratio " + small);
            double error = Capsules.encode(cache, "klt:max-error=0.1,sink=0,window=0", options).report().trailer().weightedError().orElseThrow();
            assertTrue(error <= 0.1 && error > 0.098, () -> "error " + error);
        }
    }

    private static double reached(KvCache cache, String codec, PipelineOptions options) throws IOException {
        return (double) cache.layout().tensorBytes() / Capsules.encode(cache, codec, options).bytes().length;
    }

    @ParameterizedTest
    @ValueSource(strings = {"klt:step=1", "klt:step=0.7,group=all,sink=0,window=0", "klt:ratio=6"})
    void whatTheManifestSaysIsEnoughToDecode(String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = mixed(arena, DType.BF16);
            Capsules.Encoded encoded = Capsules.encode(cache, codec, Capsules.ONE_THREAD);
            CodecSpec spec = encoded.report().manifest().codec();
            assertEquals(spec, CodecSpec.parse(spec.toString()));
            assertTrue(!spec.parameters().get("group").equals("auto") && !spec.parameters().get("step").equals("auto"), spec.toString());
            assertArrayEquals(encoded.bytes(), Capsules.encode(Capsules.decode(Capsules.encode(cache, "lossless"), arena), codec));
        }
    }

    @Test
    void capsulesWithoutTheirSharedBasisAreRefused() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = mixed(arena, DType.F16);
            SharedBasis basis = SharedBasis.of(cache, 1, arena);
            byte[] capsule = Capsules.encode(cache, basis.codec("step=1"), basis.options(1, Kernels.scalar())).bytes();
            String message = assertThrows(CapsuleRefusedException.class, () -> Capsules.decode(capsule, arena)).getMessage();
            assertTrue(message.contains(basis.digest()), message);
            assertThrows(CapsuleRefusedException.class, () -> Capsules.encode(cache, basis.codec("step=1"), Capsules.ONE_THREAD));
            // Another basis under the digest that was asked for.
            SharedBasis other = SharedBasis.of(cache, 3, arena);
            PipelineOptions wrong = new PipelineOptions(1, Kernels.scalar(), Progress.NONE, digest -> other.file());
            String found = assertThrows(CapsuleRefusedException.class,
                    () -> Capsules.decode(CapsuleReader.of(Capsules.mapped(capsule, arena)), arena, wrong)).getMessage();
            assertTrue(found.contains(basis.digest()) && found.contains(other.digest()), found);
            KvCache another = TestCaches.small(arena);
            String differs = assertThrows(CapsuleRefusedException.class,
                    () -> Capsules.encode(another, basis.codec("step=1"), basis.options(1, Kernels.scalar()))).getMessage();
            assertTrue(differs.contains("another model"), differs);
            assertThrows(CapsuleRefusedException.class, () -> Capsules.encode(cache, basis.codec("step=1,group=2"), basis.options(1, Kernels.scalar())));
            byte[] damaged = basis.file().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
            damaged[damaged.length / 2] ^= 1;
            PipelineOptions bad = new PipelineOptions(1, Kernels.scalar(), Progress.NONE, digest -> Capsules.mapped(damaged, arena));
            assertThrows(MalformedDataException.class, () -> Capsules.decode(CapsuleReader.of(Capsules.mapped(capsule, arena)), arena, bad));
        }
    }

    /** The capsule with another codec in its manifest. */
    private static byte[] withCodec(byte[] capsule, CodecSpec spec) throws IOException {
        List<CapsuleForge.Piece> pieces = CapsuleForge.take(capsule);
        Manifest manifest = Manifest.parse(ByteBuffer.wrap(pieces.getFirst().payload), 0);
        pieces.getFirst().payload = new Manifest(spec, manifest.layout(), manifest.basisBytes()).toBytes();
        return CapsuleForge.make(pieces);
    }

    private static void malformed(byte[] capsule, PipelineOptions options) {
        assertThrows(MalformedDataException.class, () -> Capsules.drain(CapsuleReader.of(Capsules.channel(capsule)), options));
    }

    @Test
    void manifestsThatDoNotFitTheBasisAreRefused() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = mixed(arena, DType.F16);
            byte[] capsule = Capsules.encode(cache, "klt:step=1,group=1");
            CodecSpec spec = Manifest.parse(ByteBuffer.wrap(CapsuleForge.take(capsule).getFirst().payload), 0).codec();
            assertArrayEquals(capsule, withCodec(capsule, spec));
            for (CodecSpec other : List.of(spec.with("group", "2"), spec.with("group", "all"), spec.with("group", "auto"), spec.with("step", "auto"), spec.with("basis", "x"),
                    spec.with("group", "0"), spec.with("step", "0"), spec.with("step", "1e5"), spec.with("window", "-1"))) {
                malformed(withCodec(capsule, other), Capsules.ONE_THREAD);
            }
            // A shared basis, and one of its own besides.
            SharedBasis basis = SharedBasis.of(cache, 1, arena);
            malformed(withCodec(capsule, spec.with("basis", basis.digest())), basis.options(1, Kernels.scalar()));
            // The other codecs have none.
            malformed(withCodec(capsule, Codecs.create("lossless").spec()), Capsules.ONE_THREAD);
        }
    }

    @Test
    void damagedBasesOfTheCapsulesOwnAreDecodedOrRefused() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            byte[] capsule = Capsules.encode(TestCaches.small(arena), "klt:sink=0,window=0,step=0.1");
            List<CapsuleForge.Piece> pieces = CapsuleForge.take(capsule);
            int basis = pieces.indexOf(pieces.stream().filter(piece -> piece.is(FrameType.BASIS)).findFirst().orElseThrow());
            byte[] good = pieces.get(basis).payload;
            byte[] plain = inflated(good);
            for (int at = 0; at < plain.length; at += at < 100 ? 1 : 5) {
                for (int value : new int[] {plain[at] ^ 0x81, 0xff, 0}) {
                    byte[] changed = plain.clone();
                    changed[at] = (byte) value;
                    pieces.get(basis).payload = stored(changed);
                    CapsuleMutations.attempt(CapsuleForge.make(pieces), false);
                }
            }
            for (int length : new int[] {0, 1, 4, plain.length / 2, plain.length - 1}) {
                pieces.get(basis).payload = stored(Arrays.copyOf(plain, length));
                malformed(CapsuleForge.make(pieces), Capsules.ONE_THREAD);
            }
            pieces.remove(basis);
            malformed(CapsuleForge.make(pieces), Capsules.ONE_THREAD);
        }
    }

    private static byte[] stored(byte[] plain) {
        byte[] payload = new byte[plain.length + 1];
        System.arraycopy(plain, 0, payload, 1, plain.length);
        return payload;
    }

    private static byte[] inflated(byte[] payload) throws IOException {
        if (payload[0] == 0) {
            return Arrays.copyOfRange(payload, 1, payload.length);
        }
        try (var in = new java.util.zip.InflaterInputStream(new java.io.ByteArrayInputStream(payload, 1, payload.length - 1))) {
            return in.readAllBytes();
        }
    }

    @Test
    void aPrefixOfTheTokensIsThePrefixOfTheWhole() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, 512, 2, 11);
            SharedBasis basis = SharedBasis.of(cache, 1, arena);
            for (String codec : List.of("klt:step=0.5", basis.codec("step=1"))) {
                byte[] capsule = Capsules.encode(cache, codec, basis.options(1, Kernels.scalar())).bytes();
                PipelineOptions options = basis.options(2, Kernels.scalar());
                KvCache whole = Capsules.decode(CapsuleReader.of(Capsules.mapped(capsule, arena)), arena, options);
                for (int kept : new int[] {1, 4, 5, 384, 385, 512}) {
                    CapsuleReader reader = CapsuleReader.of(Capsules.mapped(capsule, arena));
                    CapsuleDecoder decoder = new CapsuleDecoder(reader);
                    CacheLayout layout = new CacheLayout(kept, List.of(TestCaches.dense(kept, cache.layout().subCaches().getFirst().layers())), List.of(), java.util.Map.of());
                    KvCache prefix = Capsules.target(layout, reader.blobs(arena), arena);
                    decoder.decodePrefix(CacheSink.of(prefix), options);
                    for (Part part : Part.values()) {
                        assertEquals(-1, prefix.tensor(0, 1, part).mismatch(whole.tensor(0, 1, part).asSlice(0, 384L * kept)), codec + " " + kept);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"klt:basis=abc", "klt:group=0", "klt:group=x", "klt:step=0", "klt:step=x", "klt:ratio=0.5", "klt:ratio=4,max-error=0.1", "klt:sink=2000", "klt:window=-1",
        "klt:basis=0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"})
    void parametersOutOfRangeAreRefused(String codec) {
        assertThrows(IllegalArgumentException.class, () -> Codecs.create(codec));
    }

    @Test
    void cachesThatAreTooWideForOneTransformAreRefused() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            LayerLayout wide = TestCaches.layer(0, 1, LayerLayout.MAX_WIDTH, LayerLayout.MAX_WIDTH, DType.F16, DType.F16);
            KvCache cache = TestCaches.empty(arena, TestCaches.layout(3, TestCaches.dense(3, List.of(wide))));
            String message = assertThrows(CapsuleRefusedException.class, () -> Capsules.encode(cache, "klt")).getMessage();
            assertTrue(message.contains("131072"), message);
        }
    }
}
