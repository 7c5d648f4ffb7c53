package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.increment.ChunkPlan;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Components of a capsule's own besides those of a shared basis, which does not know the cache: it is made of the first tokens, real ones. */
@Timeout(120)
class OwnComponentsTest {
    private static final int[] LAYERS = {0, 7, 14, 29};

    private final Arena arena = Arena.ofShared();

    @AfterEach
    void close() {
        arena.close();
    }

    private KvCache cache(int tokens) {
        return TestCaches.real(arena, tokens, LAYERS);
    }

    /** Knows 60 directions of each group, of which one layer has 384. */
    private SharedBasis narrow(int group) throws IOException {
        KvCache known = cache(64);
        return SharedBasis.of(known, group, TestCaches.weights(known.layout(), 3), arena);
    }

    private static Capsules.Encoded encode(KvCache cache, SharedBasis basis, String parameters) throws IOException {
        return Capsules.encode(cache, basis.codec(parameters), basis.options(2, Kernels.panama()));
    }

    private static String own(Capsules.Encoded encoded) {
        return encoded.report().manifest().codec().parameters().get("own");
    }

    private byte[] decoded(byte[] capsule, PipelineOptions options) throws IOException {
        return TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.mapped(capsule, arena)), arena, options));
    }

    @ParameterizedTest
    @CsvSource({"1,own=20", "1,own=auto", "3,own=300", "3,own=auto", "0,own=7", "0,own=auto", "0,'own=auto,ratio=9'", "1,'own=3,sink=0,window=0'"})
    void theSameBytesFromAnyKernelsAndThreads(int group, String parameters) throws IOException {
        KvCache cache = cache(400);
        SharedBasis basis = narrow(group);
        String codec = basis.codec(parameters.contains("ratio") ? parameters : parameters + ",step=0.7");
        Capsules.Encoded one = Capsules.encode(cache, codec, basis.options(1, Kernels.scalar()));
        assertTrue(Integer.parseInt(own(one)) > 0, () -> own(one));
        assertEquals(0, one.report().trailer().losslessTiles());
        byte[] decoded = decoded(one.bytes(), basis.options(1, Kernels.scalar()));
        for (int threads = 1; threads <= 3; threads++) {
            PipelineOptions options = basis.options(threads, Kernels.panama());
            assertArrayEquals(one.bytes(), Capsules.encode(cache, codec, options).bytes());
            assertArrayEquals(decoded, decoded(one.bytes(), options));
            assertArrayEquals(decoded, TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.channel(one.bytes())), arena, options)));
        }
    }

    @Test
    void theyHoldWhatTheBasisDoesNot() throws IOException {
        KvCache cache = cache(400);
        SharedBasis basis = narrow(0);
        double before = 1;
        double outside = 1;
        for (int components : new int[] {0, 4, 16, 64}) {
            Capsules.Encoded encoded = encode(cache, basis, "step=0.5,own=" + components);
            assertEquals(Integer.toString(components), own(encoded));
            assertEquals(components > 0, encoded.report().manifest().basisBytes() > 0);
            double error = encoded.report().trailer().relativeError();
            double left = encoded.report().trailer().fit().orElseThrow().outside();
            assertTrue(error < 0.95 * before && left < 0.9 * outside, components + ": error " + error + " after " + before + ", outside " + left + " after " + outside);
            before = error;
            outside = left;
        }
    }

    /** More tokens than are looked at: what the others have in common with those is held too. */
    @Test
    void aSampleTellsOfAll() throws IOException {
        KvCache cache = TestCaches.filled(arena, TestCaches.layout(3000, TestCaches.dense(3000, TestCaches.layers(2, 2, 16, 16, DType.F16))), OwnComponentsTest::waves);
        KvCache first = TestCaches.filled(arena, TestCaches.layout(12, TestCaches.dense(12, TestCaches.layers(2, 2, 16, 16, DType.F16))), OwnComponentsTest::waves);
        SharedBasis basis = SharedBasis.of(first, 0, AttentionWeights.NONE, arena);
        Capsules.Encoded without = encode(cache, basis, "step=0.1,own=0");
        Capsules.Encoded with = encode(cache, basis, "step=0.1,own=20");
        double before = without.report().trailer().fit().orElseThrow().outside();
        double after = with.report().trailer().fit().orElseThrow().outside();
        assertTrue(before > 0.05 && after < 0.5 * before, () -> before + ", then " + after);
        assertArrayEquals(with.bytes(), Capsules.encode(cache, basis.codec("step=0.1,own=20"), basis.options(3, Kernels.scalar())).bytes());
    }

    /** Sums of 25 waves along the tokens, in directions of their own, of which the first dozen tokens show some. */
    private static float waves(int layer, Part part, int token, int channel) {
        double sum = 0;
        for (int wave = 1; wave <= 25; wave++) {
            sum += Math.sin(0.002 * wave * wave * token) * Math.cos(wave * (1.3 * channel + 40 * layer + (part == Part.KEY ? 0 : 17)));
        }
        return (float) sum;
    }

    /** There are no more than the sample has rows for, nor than channels. */
    @Test
    void asManyAsThereAre() throws IOException {
        assertEquals("198", own(encode(cache(400), narrow(1), "step=0.5,own=512")));
        assertEquals("0", own(encode(cache(3), narrow(1), "step=0.5,own=512,sink=0,window=0")));
        assertEquals("0", own(encode(cache(0), narrow(1), "step=0.5,own=512")));
    }

    /** At equal weighted error a capsule with as many as pay is never larger by a hundredth, and smaller where the basis lacks much. */
    @ParameterizedTest
    @CsvSource({"64,0,0.55,0.95", "64,1,0.45,0.85", "380,0,0.05,0.97", "380,0,0.15,1.01", "380,0,0.3,1.01", "380,1,0.1,1.01", "200,0,0.3,0.9", "200,0,0.6,1.01"})
    void autoPays(int known, int group, double error, double most) throws IOException {
        KvCache cache = cache(400);
        SharedBasis basis = SharedBasis.of(cache(known), group, AttentionWeights.NONE, arena);
        Capsules.Encoded without = encode(cache, basis, "own=0,max-error=" + error);
        Capsules.Encoded with = encode(cache, basis, "max-error=" + error);
        double reached = with.report().trailer().weightedError().orElseThrow() / without.report().trailer().weightedError().orElseThrow();
        double bytes = (double) with.bytes().length / without.bytes().length;
        assertTrue(reached < 1.02 && bytes < most, () -> own(with) + " components: error " + reached + ", bytes " + bytes);
    }

    @Test
    void noneWhereTheyCannotPay() throws IOException {
        KvCache cache = cache(400);
        // All components that there are.
        SharedBasis complete = SharedBasis.of(TestCaches.real(arena, 450, LAYERS), 1, arena);
        for (SharedBasis basis : List.of(complete, narrow(0))) {
            KvCache coded = basis == complete ? cache : cache(200);
            Capsules.Encoded auto = encode(coded, basis, "step=1");
            assertEquals("0", own(auto));
            assertArrayEquals(encode(coded, basis, "step=1,own=0").bytes(), auto.bytes());
        }
        assertEquals("0", own(encode(cache, narrow(0), "step=400")));
    }

    @Test
    void ratiosAndErrorsAreReachedWithThem() throws IOException {
        KvCache cache = cache(500);
        SharedBasis basis = narrow(0);
        Capsules.Encoded ratio = encode(cache, basis, "ratio=8");
        double reached = (double) cache.layout().tensorBytes() / ratio.bytes().length;
        assertTrue(reached > 0.98 * 8 && reached < 1.02 * 8, () -> "ratio " + reached);
        assertTrue(Integer.parseInt(own(ratio)) > 0);
    }

    /** A capsule in pieces has none: they would have to be sent for each. */
    @Test
    void piecesHaveNone() throws IOException {
        KvCache cache = cache(400);
        SharedBasis basis = narrow(0);
        int[] tokens = new int[400];
        Arrays.setAll(tokens, t -> t + 1);
        ChunkPlan plan = ChunkPlan.of(cache.layout(), Codecs.create(basis.codec("step=1")));
        assertFalse(plan.codecs().isEmpty());
        for (CodecSpec spec : plan.codecs()) {
            assertEquals("0", spec.parameters().get("own"));
        }
        assertEquals("0", plan.tail().parameters().get("own"));
        assertTrue(ChunkPlan.whyNot(cache.layout(), Codecs.create(basis.codec("step=1")), java.util.Optional.of(tokens)).isEmpty());
        assertTrue(ChunkPlan.whyNot(cache.layout(), Codecs.create(basis.codec("step=1,own=5")), java.util.Optional.of(tokens)).isPresent());
    }

    /** Tiles with numbers that are none are kept bit for bit, and the directions are found in the others. */
    @Test
    void tilesThatAreNotNumbersAreLeftOut() throws IOException {
        SharedBasis basis = narrow(0);
        KvCache good = cache(400);
        KvCache bad = TestCaches.filled(arena, good.layout(), (l, part, t, c) -> t == 399 && c == 5 ? Float.NaN : TestCaches.ordinary(l, part, t, c));
        Capsules.Encoded encoded = encode(bad, basis, "step=0.5,own=10,window=30");
        assertEquals(1, encoded.report().trailer().losslessTiles());
        assertEquals("10", own(encoded));
        KvCache nothing = TestCaches.filled(arena, good.layout(), (l, part, t, c) -> Float.NaN);
        Capsules.Encoded empty = encode(nothing, basis, "step=0.5,own=10");
        assertEquals("0", own(empty));
        assertArrayEquals(TestCaches.bytes(nothing), decoded(empty.bytes(), basis.options(1, Kernels.scalar())));
        KvCache constant = TestCaches.filled(arena, good.layout(), (l, part, t, c) -> part == Part.KEY ? 0 : 1);
        assertEquals(0, encode(constant, basis, "step=0.5,own=10").report().trailer().losslessTiles());
    }

    @ParameterizedTest
    @ValueSource(strings = {"own=513", "own=-1", "own=x", "own=99999", "own=1.5"})
    void otherNumbersAreRefused(String parameter) {
        assertThrows(IllegalArgumentException.class, () -> Codecs.create("klt:" + parameter));
        assertThrows(IllegalArgumentException.class, () -> Codecs.create("klt:basis=" + "0".repeat(64) + "," + parameter));
    }

    @Test
    void withoutASharedBasisThereIsNothingBesides() throws IOException {
        assertTrue(assertThrows(IllegalArgumentException.class, () -> Codecs.create("klt:own=5")).getMessage().contains("shared basis"));
        KvCache cache = TestCaches.filled(arena, TestCaches.layout(60, TestCaches.dense(60, TestCaches.layers(1, 1, 16, 16, DType.F16))), TestCaches::ordinary);
        Capsules.Encoded encoded = Capsules.encode(cache, "klt", Capsules.ONE_THREAD);
        assertEquals("0", own(encoded));
    }

    // ------------------------------------------------------------ hostile capsules

    private byte[] capsule(SharedBasis basis) throws IOException {
        return Capsules.encode(cache(70), basis.codec("step=2,own=3,sink=0,window=0"), basis.options(1, Kernels.scalar())).bytes();
    }

    private static byte[] carried(byte[] capsule) throws IOException {
        byte[] payload = CapsuleForge.take(capsule).stream().filter(piece -> piece.is(FrameType.BASIS)).findFirst().orElseThrow().payload;
        if (payload[0] == 0) {
            return Arrays.copyOfRange(payload, 1, payload.length);
        }
        try (var in = new java.util.zip.InflaterInputStream(new java.io.ByteArrayInputStream(payload, 1, payload.length - 1))) {
            return in.readAllBytes();
        }
    }

    /** The capsule with other bytes for its components, and a manifest that says so. */
    private static byte[] with(byte[] capsule, byte[] carried, CodecSpec spec) throws IOException {
        List<CapsuleForge.Piece> pieces = CapsuleForge.take(capsule);
        Manifest manifest = Manifest.parse(ByteBuffer.wrap(pieces.getFirst().payload), 0);
        pieces.getFirst().payload = new Manifest(spec == null ? manifest.codec() : spec, manifest.layout(), carried.length).toBytes();
        CapsuleForge.Piece basis = pieces.stream().filter(piece -> piece.is(FrameType.BASIS)).findFirst().orElseThrow();
        if (carried.length == 0) {
            pieces.remove(basis);
        } else {
            basis.payload = new byte[carried.length + 1];
            System.arraycopy(carried, 0, basis.payload, 1, carried.length);
        }
        return CapsuleForge.make(pieces);
    }

    private static String malformed(byte[] capsule, PipelineOptions options) {
        return assertThrows(MalformedDataException.class, () -> Capsules.drain(CapsuleReader.of(Capsules.channel(capsule)), options)).getMessage();
    }

    @Test
    void whatDoesNotFitTheManifestIsRefused() throws IOException {
        SharedBasis basis = narrow(0);
        PipelineOptions options = basis.options(1, Kernels.scalar());
        byte[] capsule = capsule(basis);
        CodecSpec spec = Manifest.parse(ByteBuffer.wrap(CapsuleForge.take(capsule).getFirst().payload), 0).codec();
        assertEquals("3", spec.parameters().get("own"));
        byte[] good = carried(capsule);
        Capsules.drain(CapsuleReader.of(Capsules.channel(with(capsule, good, spec))), options);
        assertTrue(malformed(with(capsule, good, spec.with("own", 0)), options).contains("own=0"));
        assertTrue(malformed(with(capsule, good, spec.with("own", 2)), options).contains("3 components"));
        malformed(with(capsule, good, spec.with("own", "auto")), options);
        malformed(with(capsule, new byte[0], spec), options);
        for (int length : new int[] {1, 3, 4, 5, good.length / 2, good.length - 1}) {
            malformed(with(capsule, Arrays.copyOf(good, length), spec), options);
        }
        assertTrue(malformed(with(capsule, Arrays.copyOf(good, good.length + 1), spec), options).contains("follow"));
        for (int count : new int[] {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, 4, 1 << 20}) {
            byte[] changed = good.clone();
            ByteBuffer.wrap(changed).order(ByteOrder.LITTLE_ENDIAN).putInt(0, count);
            malformed(with(capsule, changed, spec.with("own", 512)), options);
        }
        // More components than the cache has tokens.
        byte[] many = new byte[4 + 4 * 71];
        ByteBuffer.wrap(many).order(ByteOrder.LITTLE_ENDIAN).putInt(0, 71);
        assertTrue(malformed(with(capsule, many, spec.with("own", 512)), options).contains("71 components"));
        for (short half : new short[] {0, (short) 0x8001, 0x7c00, 0x7e00, (short) 0x8000, 0x5c01}) {
            byte[] changed = good.clone();
            ByteBuffer.wrap(changed).order(ByteOrder.LITTLE_ENDIAN).putShort(6, half);
            malformed(with(capsule, changed, spec), options);
        }
        // No component: then tiles have more coefficients than the basis knows.
        malformed(with(capsule, new byte[4], spec), options);
    }

    @Test
    void damagedComponentsAreDecodedOrRefused() throws IOException {
        SharedBasis basis = narrow(0);
        PipelineOptions options = basis.options(1, Kernels.panama());
        byte[] capsule = capsule(basis);
        byte[] good = carried(capsule);
        Random random = new Random(7);
        for (int round = 0; round < 400; round++) {
            byte[] changed = good.clone();
            for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
                int at = random.nextBoolean() ? random.nextInt(20) : random.nextInt(changed.length);
                changed[at] = (byte) (random.nextBoolean() ? random.nextInt() : changed[at] ^ 1 << random.nextInt(8));
            }
            CapsuleMutations.attempt(with(capsule, changed, null), round % 4 == 0, options);
        }
    }

    @Test
    void mutatedCapsulesAreDecodedOrRefused() throws IOException {
        SharedBasis basis = narrow(0);
        PipelineOptions options = basis.options(1, Kernels.panama());
        byte[] capsule = capsule(basis);
        for (int seed = 0; seed < 300; seed++) {
            CapsuleMutations.attempt(CapsuleMutations.mutate(capsule, new Random(seed)), seed % 4 == 0, options);
        }
    }
}
