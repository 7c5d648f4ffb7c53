package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.compare.CacheComparison;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
class PipelineTest {
    private static final PipelineOptions TWO_PANAMA = new PipelineOptions(2, Kernels.panama(), Progress.NONE);

    static Stream<String> codecs() {
        return Stream.of("raw", "lossless", "lossless:classes=1", "fp8", "fp8:entropy=off", "kivi", "kivi:bits=2,group=64,residual=0", "kivi:bits=3,rope=pre,sink=4,residual=16",
                "kivi:bits=8,group=128,entropy=off", "rotated", "rotated:bits=2,rope=post,residual=16", "rotated:bits=3,mean=off,entropy=off,seed=77",
                "cachegen:level=1", "cachegen:level=2,group=7,rope=pre", "svd:rank=128", "svd:rank=128,bits=4,layers=2,sink=0", "svd:rank=16",
                "klt:step=0.3", "klt:step=0.3,group=all,sink=0,window=7");
    }

    /** Those without a basis, which wide rows make large and slow; what this leaves out is in {@link KltPipelineTest}. */
    static Stream<String> codecsWithoutBasis() {
        return codecs().filter(codec -> !codec.startsWith("klt"));
    }

    /** What a codec may cost on ordinary values, as a relative error. */
    private static double bound(String codec) {
        if (codec.startsWith("raw") || codec.startsWith("lossless")) {
            return 0;
        }
        if (codec.startsWith("fp8")) {
            return 0.04;
        }
        if (codec.startsWith("klt")) {
            return 0.35;
        }
        if (codec.startsWith("cachegen")) {
            return codec.contains("level=1") ? 0.16 : 0.32;
        }
        if (codec.startsWith("svd")) {
            // Noise has no low rank.
            return codec.contains("rank=16") ? 1 : codec.contains("bits=4") ? 0.3 : 0.05;
        }
        return codec.contains("bits=2") ? 0.55 : codec.contains("bits=3") ? 0.25 : codec.contains("bits=8") ? 0.02 : 0.13;
    }

    private static KvCache cache(Arena arena, DType type, TensorOrder keys, TensorOrder values, Positions positions) {
        SubCache sub = new SubCache("kv", positions, keys, values, List.of(TestCaches.layer(0, 2, 64, 32, type, type), TestCaches.layer(1, 2, 32, 0, type, type)));
        SubCache other = TestCaches.dense(37, TestCaches.layers(1, 1, 64, 64, type));
        return TestCaches.filled(arena, TestCaches.layout(positions.cells(), sub, other), TestCaches::ordinary);
    }

    private static KvCache cache(Arena arena, DType type) {
        return cache(arena, type, TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, Positions.sequential(300));
    }

    @ParameterizedTest
    @MethodSource("codecsWithoutBasis")
    void bytesDependNeitherOnThreadsNorOnKernels(String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            CacheLayout layout = TestCaches.layout(700, TestCaches.dense(700, TestCaches.layers(6, 2, 64, 64, DType.F16)));
            KvCache cache = TestCaches.filled(arena, layout, TestCaches::ordinary);
            byte[] one = Capsules.encode(cache, codec);
            byte[] decoded = TestCaches.bytes(Capsules.decode(one, arena));
            for (int threads : new int[] {1, 2, 3, 8}) {
                // The first capsule was made by one thread and scalar kernels.
                Kernels kernels = threads == 3 ? Kernels.scalar() : Kernels.panama();
                PipelineOptions options = new PipelineOptions(threads, kernels, Progress.NONE);
                assertArrayEquals(one, Capsules.encode(cache, codec, options).bytes(), () -> threads + " threads, " + kernels.name());
                assertArrayEquals(decoded, TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.mapped(one, arena)), arena, options)));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("codecs")
    void everyElementTypeIsCodedWithinItsBound(String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            for (DType type : DType.values()) {
                if (type == DType.IQ4_NL && bound(codec) > 0) {
                    continue;
                }
                KvCache cache = cache(arena, type);
                Capsules.Encoded encoded = Capsules.encode(cache, codec, TWO_PANAMA);
                KvCache decoded = Capsules.decode(encoded.bytes(), arena);
                CacheComparison comparison = CacheComparison.of(cache, decoded, Kernels.panama(), Progress.NONE);
                // Block types and fp8 round once more on the way back.
                double slack = type.isScalar() ? type == DType.F8_E4M3 ? 0.04 : 0 : 0.13;
                double bound = bound(codec) == 0 ? 0 : bound(codec) + slack;
                for (double error : new double[] {comparison.keys().relativeError(), comparison.values().relativeError()}) {
                    assertTrue(error <= bound, () -> type + ": " + error + " is above " + bound);
                }
                assertEquals(Math.hypot(comparison.keys().relativeError(), 0) == 0, encoded.report().trailer().relativeError() == 0);
                if (bound == 0) {
                    assertArrayEquals(TestCaches.bytes(cache), TestCaches.bytes(decoded), type.label());
                }
            }
        }
    }

    @Test
    void nonlinearBlocksAreCodedLosslesslyByEveryCodec() throws IOException {
        // There is no quantizer of IQ4_NL here, so its bytes are made up: every byte is a valid one but for scales that are not numbers.
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.empty(arena, TestCaches.layout(200, TestCaches.dense(200, TestCaches.layers(1, 2, 64, 64, DType.IQ4_NL))));
            for (Part part : Part.values()) {
                for (long i = 0; i < cache.tensor(0, 0, part).byteSize(); i++) {
                    cache.tensor(0, 0, part).set(java.lang.foreign.ValueLayout.JAVA_BYTE, i, (byte) (i % 18 == 1 ? 0x2c : i * 31));
                }
            }
            for (String codec : List.of("raw", "lossless")) {
                assertArrayEquals(TestCaches.bytes(cache), TestCaches.bytes(Capsules.decode(Capsules.encode(cache, codec), arena)));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"lossless", "kivi:residual=32", "rotated:residual=7", "klt:window=7", "cachegen", "svd:rank=20"})
    void ordersInMemoryAndWrappedWindowsDoNotChangeATile(String codec) throws IOException {
        int[] wrapped = new int[300];
        for (int cell = 0; cell < 300; cell++) {
            wrapped[cell] = cell < 110 ? 190 + cell : cell - 110;
        }
        try (Arena arena = Arena.ofShared()) {
            KvCache plain = cache(arena, DType.F16);
            List<byte[]> expected = tiles(Capsules.encode(plain, codec));
            KvCache decodedPlain = Capsules.decode(Capsules.encode(plain, codec), arena);
            for (TensorOrder keys : TensorOrder.values()) {
                for (TensorOrder values : TensorOrder.values()) {
                    for (Positions positions : List.of(Positions.sequential(300), Positions.of(wrapped))) {
                        KvCache cache = cache(arena, DType.F16, keys, values, positions);
                        byte[] capsule = Capsules.encode(cache, codec, TWO_PANAMA).bytes();
                        List<byte[]> tiles = tiles(capsule);
                        assertEquals(expected.size(), tiles.size());
                        for (int i = 0; i < tiles.size(); i++) {
                            assertArrayEquals(expected.get(i), tiles.get(i));
                        }
                        KvCache decoded = Capsules.decode(capsule, arena);
                        for (int token : new int[] {0, 109, 110, 189, 190, 299}) {
                            assertArrayEquals(TestCaches.row(decodedPlain, 0, 0, Part.KEY, token), TestCaches.row(decoded, 0, 0, Part.KEY, token));
                            assertArrayEquals(TestCaches.row(decodedPlain, 0, 0, Part.VALUE, token), TestCaches.row(decoded, 0, 0, Part.VALUE, token));
                        }
                        if (codec.equals("lossless")) {
                            assertArrayEquals(TestCaches.bytes(cache), TestCaches.bytes(decoded));
                        }
                    }
                }
            }
        }
    }

    @Test
    void aCapsuleMayBeDecodedIntoAnotherOrder() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache plain = cache(arena, DType.F16);
            KvCache heads = cache(arena, DType.F16, TensorOrder.HEAD_MAJOR, TensorOrder.CHANNEL_MAJOR, Positions.sequential(300));
            CapsuleReader reader = CapsuleReader.of(Capsules.mapped(Capsules.encode(plain, "kivi"), arena));
            CapsuleDecoder decoder = new CapsuleDecoder(reader);
            KvCache target = Capsules.target(heads.layout(), reader.blobs(arena), arena);
            decoder.decode(CacheSink.of(target), TWO_PANAMA);
            byte[] expected = TestCaches.bytes(Capsules.decode(Capsules.encode(heads, "kivi"), arena));
            assertArrayEquals(expected, TestCaches.bytes(target));
        }
    }

    private static List<byte[]> tiles(byte[] capsule) {
        return CapsuleForge.take(capsule).stream().filter(piece -> piece.is(FrameType.TILE)).map(piece -> piece.payload).toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"raw", "lossless", "kivi:residual=64", "rotated:sink=4,residual=10", "klt:window=64"})
    void aPrefixIsThePrefixOfTheWhole(String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            int tokens = 2500;
            CacheLayout layout = TestCaches.layout(tokens, TestCaches.dense(tokens, TestCaches.layers(2, 1, 16, 8, DType.F16)));
            KvCache cache = TestCaches.filled(arena, layout, TestCaches::ordinary);
            byte[] capsule = Capsules.encode(cache, codec);
            KvCache whole = Capsules.decode(capsule, arena);
            for (int kept : new int[] {1, 3, 4, 5, 1023, 1024, 1025, 2435, 2436, 2437, 2499, 2500}) {
                CapsuleReader reader = CapsuleReader.of(Capsules.mapped(capsule, arena));
                CapsuleDecoder decoder = new CapsuleDecoder(reader);
                KvCache prefix = Capsules.target(TestCaches.layout(kept, TestCaches.dense(kept, layout.subCaches().getFirst().layers())), reader.blobs(arena), arena);
                decoder.decodePrefix(CacheSink.of(prefix), TWO_PANAMA);
                for (int l = 0; l < 2; l++) {
                    for (Part part : Part.values()) {
                        long bytes = prefix.tensor(0, l, part).byteSize();
                        assertEquals(-1, prefix.tensor(0, l, part).mismatch(whole.tensor(0, l, part).asSlice(0, bytes)), codec + " " + kept);
                    }
                }
            }
        }
    }

    @Test
    void aPrefixReadsOnlyTheTilesThatHoldIt() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            int tokens = 4000;
            CacheLayout layout = TestCaches.layout(tokens, TestCaches.dense(tokens, TestCaches.layers(3, 4, 64, 64, DType.F16)));
            KvCache cache = TestCaches.filled(arena, layout, (l, part, t, c) -> (t * 31 + c * 7 + l) % 100);
            byte[] capsule = Capsules.encode(cache, "raw");
            List<CapsuleForge.Piece> pieces = CapsuleForge.take(capsule);
            int kept = 1500;
            // Payloads of tiles from token 2,048 on are destroyed; so is the trailer. Blocks have 1,024 tokens; K and V of a layer share a tile.
            byte[] damaged = capsule.clone();
            int at = CapsuleForge.FILE_HEADER;
            int destroyed = 0;
            for (CapsuleForge.Piece piece : pieces) {
                boolean later = piece.is(FrameType.TILE) && piece.item >= 2 * 3;
                if (later || piece.is(FrameType.TRAILER)) {
                    java.util.Arrays.fill(damaged, at + CapsuleForge.FRAME_HEADER, at + CapsuleForge.FRAME_HEADER + piece.payload.length, (byte) 0x55);
                    destroyed++;
                }
                at += CapsuleForge.FRAME_HEADER + piece.payload.length;
            }
            assertEquals(2 * 3 + 1, destroyed);
            CapsuleReader reader = CapsuleReader.of(Capsules.mapped(damaged, arena));
            CapsuleDecoder decoder = new CapsuleDecoder(reader);
            KvCache prefix = Capsules.target(TestCaches.layout(kept, TestCaches.dense(kept, layout.subCaches().getFirst().layers())), reader.blobs(arena), arena);
            decoder.decodePrefix(CacheSink.of(prefix), TWO_PANAMA);
            assertEquals(-1, prefix.tensor(0, 2, Part.VALUE).mismatch(cache.tensor(0, 2, Part.VALUE).asSlice(0, kept * 512L)));
            CapsuleReader again = CapsuleReader.of(Capsules.mapped(damaged, arena));
            KvCache longer = Capsules.target(TestCaches.layout(2049, TestCaches.dense(2049, layout.subCaches().getFirst().layers())), again.blobs(arena), arena);
            assertThrows(MalformedDataException.class, () -> new CapsuleDecoder(again).decodePrefix(CacheSink.of(longer), TWO_PANAMA));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"fp8", "kivi:residual=0", "kivi:bits=2,rope=pre,residual=0", "rotated:sink=0", "rotated:bits=2,rope=post,mean=off,sink=0",
        "cachegen:group=16", "svd:sink=0"})
    void tilesThatAreNotNumbersFallBackAndComeBackBitForBit(String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            for (DType type : List.of(DType.F16, DType.BF16, DType.F32, DType.F8_E4M3)) {
                for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
                    if (type == DType.F8_E4M3 && (!Float.isNaN(bad) || codec.equals("fp8"))) {
                        continue;
                    }
                    int tokens = 2048;
                    CacheLayout layout = TestCaches.layout(tokens, TestCaches.dense(tokens, TestCaches.layers(1, 1, 32, 32, type)));
                    KvCache cache = TestCaches.filled(arena, layout, (l, part, t, c) -> t == 1500 && part == Part.VALUE && c == 31 ? bad : TestCaches.ordinary(l, part, t % 64, c));
                    Capsules.Encoded encoded = Capsules.encode(cache, codec, TWO_PANAMA);
                    assertEquals(1, encoded.report().trailer().losslessTiles(), () -> type + " " + bad);
                    assertTrue(encoded.report().trailer().relativeError() > 0 && encoded.report().trailer().relativeError() < 1);
                    KvCache decoded = Capsules.decode(encoded.bytes(), arena);
                    long half = cache.tensor(0, 0, Part.VALUE).byteSize() / 2;
                    assertEquals(-1, cache.tensor(0, 0, Part.VALUE).asSlice(half).mismatch(decoded.tensor(0, 0, Part.VALUE).asSlice(half)), () -> type + " " + bad);
                    assertTrue(cache.tensor(0, 0, Part.VALUE).asSlice(0, half).mismatch(decoded.tensor(0, 0, Part.VALUE).asSlice(0, half)) >= 0);
                }
            }
        }
    }

    /** Values at which arithmetic of one width or another overflows or vanishes. */
    @ParameterizedTest
    @MethodSource("codecs")
    void extremesComeBackFinite(String codec) throws IOException {
        Map<DType, float[]> extremes = Map.of(DType.F16, new float[] {65504, -65504, 0x1p-24f, -0x1p-24f, 0x1p-14f, 65472, -0f, 1},
                DType.BF16, new float[] {0x1.fep127f, -0x1.fep127f, 0x1p-133f, -0x1p-133f, 0x1p-126f, 1e30f, -0f, 1},
                DType.F32, new float[] {Float.MAX_VALUE, -Float.MAX_VALUE, Float.MIN_VALUE, -Float.MIN_VALUE, Float.MIN_NORMAL, 1e30f, -0f, 1},
                DType.F8_E4M3, new float[] {448, -448, 0x1p-9f, -0x1p-9f, 0x1p-6f, 416, -0f, 1});
        try (Arena arena = Arena.ofShared()) {
            for (Map.Entry<DType, float[]> entry : extremes.entrySet()) {
                float[] values = entry.getValue();
                List<TestCaches.Fill> fills = List.of((l, part, t, c) -> values[c % 8], (l, part, t, c) -> values[t % 8], (l, part, t, c) -> values[(t + c) % 8],
                        (l, part, t, c) -> values[(t * 31 + c * 17) % 7 / 3], (l, part, t, c) -> values[2 + (t + c) % 2], (l, part, t, c) -> values[0], (l, part, t, c) -> -0f);
                for (TestCaches.Fill fill : fills) {
                    CacheLayout layout = TestCaches.layout(300, TestCaches.dense(300, TestCaches.layers(1, 1, 32, 48, entry.getKey())));
                    KvCache cache = TestCaches.filled(arena, layout, fill);
                    Capsules.Encoded encoded = Capsules.encode(cache, codec, TWO_PANAMA);
                    KvCache decoded = Capsules.decode(encoded.bytes(), arena);
                    CacheComparison comparison = CacheComparison.of(cache, decoded, Kernels.scalar(), Progress.NONE);
                    assertTrue(Double.isFinite(comparison.keys().relativeError()) && Double.isFinite(comparison.values().relativeError()), () -> codec + " " + entry.getKey());
                    assertTrue(Double.isFinite(encoded.report().trailer().relativeError()) && encoded.report().trailer().relativeError() < 2,
                            () -> codec + " " + entry.getKey() + ": " + encoded.report().trailer().relativeError());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("codecs")
    void emptyAndSingleTokenCachesAreCoded(String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            for (int tokens : new int[] {0, 1, 2, 31, 33}) {
                CacheLayout layout = TestCaches.layout(tokens, TestCaches.dense(tokens, TestCaches.layers(1, 3, 10, 7, DType.F16)), TestCaches.dense(tokens, List.of()));
                KvCache cache = TestCaches.filled(arena, layout, TestCaches::ordinary);
                KvCache decoded = Capsules.decode(Capsules.encode(cache, codec), arena);
                assertTrue(CacheComparison.of(cache, decoded, Kernels.scalar(), Progress.NONE).keys().relativeError() <= bound(codec));
            }
            KvCache nothing = TestCaches.empty(arena, new CacheLayout(0, List.of(), List.of(), Map.of()));
            assertEquals(nothing.layout(), Capsules.decode(Capsules.encode(nothing, codec), arena).layout());
        }
    }

    @ParameterizedTest
    @MethodSource("codecsWithoutBasis")
    void theWidestRowsAreCoded(String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            CacheLayout layout = TestCaches.layout(9, TestCaches.dense(9, List.of(TestCaches.layer(0, 1, LayerLayout.MAX_WIDTH, 5000, DType.F16, DType.F16))));
            KvCache cache = TestCaches.filled(arena, layout, (l, part, t, c) -> (t * 31 + c * 7) % 100 - 50);
            KvCache decoded = Capsules.decode(Capsules.encode(cache, codec, TWO_PANAMA).bytes(), arena);
            assertTrue(CacheComparison.of(cache, decoded, Kernels.scalar(), Progress.NONE).keys().relativeError() <= 0.6);
        }
    }

    @Test
    void blobsOfEveryLengthComeBack() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            for (long bytes : new long[] {0, 1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20}) {
                CacheLayout layout = new CacheLayout(0, List.of(), List.of(new CacheLayout.Blob("first", bytes), new CacheLayout.Blob("second", 5)), Map.of());
                KvCache cache = TestCaches.filled(arena, layout, TestCaches::ordinary);
                for (long i = 0; i < bytes; i += 3) {
                    cache.blob(0).set(java.lang.foreign.ValueLayout.JAVA_BYTE, i, (byte) (i * i * 31 >>> 7));
                }
                byte[] capsule = Capsules.encode(cache, "raw");
                assertArrayEquals(TestCaches.bytes(cache), TestCaches.bytes(Capsules.decode(capsule, arena)));
                assertArrayEquals(TestCaches.bytes(cache), TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.drops(capsule)), arena, Capsules.ONE_THREAD)));
            }
        }
    }

    @Test
    void aChannelThatFailsEndsTheThreadsAndKeepsTheException() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = cache(arena, DType.F16);
            byte[] capsule = Capsules.encode(cache, "kivi");
            for (int after : new int[] {0, 10, 60, 700, capsule.length / 2, capsule.length - 30}) {
                IOException failure = new IOException("disk full");
                assertSame(failure, assertThrows(IOException.class, () -> CapsuleEncoder.encode(cache, Codecs.create("kivi"), failingSink(after, failure), TWO_PANAMA)));
                assertSame(failure, assertThrows(IOException.class, () -> Capsules.drain(CapsuleReader.of(failingSource(capsule, after, failure)), TWO_PANAMA)));
                assertNoThreads();
            }
        }
    }

    private static WritableByteChannel failingSink(int after, IOException failure) {
        return new WritableByteChannel() {
            private int left = after;

            @Override
            public int write(ByteBuffer bytes) throws IOException {
                if (left == 0) {
                    throw failure;
                }
                int count = Math.min(left, bytes.remaining());
                bytes.position(bytes.position() + count);
                left -= count;
                return count;
            }

            @Override
            public boolean isOpen() {
                return true;
            }

            @Override
            public void close() {}
        };
    }

    private static ReadableByteChannel failingSource(byte[] capsule, int after, IOException failure) {
        ByteBuffer all = ByteBuffer.wrap(capsule, 0, after);
        return new ReadableByteChannel() {
            @Override
            public int read(ByteBuffer out) throws IOException {
                if (!all.hasRemaining()) {
                    throw failure;
                }
                int count = Math.min(out.remaining(), all.remaining());
                out.put(all.slice(all.position(), count));
                all.position(all.position() + count);
                return count;
            }

            @Override
            public boolean isOpen() {
                return true;
            }

            @Override
            public void close() {}
        };
    }

    @Test
    void aSinkThatFailsEndsTheThreadsAndKeepsTheException() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            byte[] capsule = Capsules.encode(cache(arena, DType.F16), "kivi");
            IOException failure = new IOException("disk full");
            CapsuleReader reader = CapsuleReader.of(Capsules.channel(capsule));
            reader.blobs(arena);
            CacheSink drain = Capsules.drain(reader.manifest().layout());
            CacheSink failing = new CacheSink() {
                @Override
                public CacheLayout layout() {
                    return drain.layout();
                }

                @Override
                public java.lang.foreign.MemorySegment inPlace(int sub, int layer, Part part) {
                    return drain.inPlace(sub, layer, part);
                }

                @Override
                public void write(int sub, int layer, Part part, long offset, java.lang.foreign.MemorySegment bytes) throws IOException {
                    throw failure;
                }

                @Override
                public void discard() {
                    throw new AssertionError("an unsealed capsule has nothing to hide");
                }
            };
            assertSame(failure, assertThrows(IOException.class, () -> new CapsuleDecoder(reader).decode(failing, TWO_PANAMA)));
            assertNoThreads();
        }
    }

    @Test
    void aCacheWhoseArenaWasClosedIsNotEncoded() {
        Arena arena = Arena.ofShared();
        KvCache cache = cache(arena, DType.F16);
        arena.close();
        for (String codec : List.of("raw", "lossless", "kivi", "rotated", "fp8", "klt")) {
            assertThrows(IllegalStateException.class, () -> Capsules.encode(cache, codec, TWO_PANAMA), codec);
            assertNoThreads();
        }
    }

    private static void assertNoThreads() {
        assertTrue(Thread.getAllStackTraces().keySet().stream().noneMatch(thread -> thread.getName().startsWith("kvcapsule-tile-")));
    }

    @Test
    void progressRisesToTheTotal() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = cache(arena, DType.F16);
            List<Long> heard = new ArrayList<>();
            Progress progress = (done, total) -> {
                assertEquals(cache.layout().tensorBytes(), total);
                assertTrue(heard.isEmpty() || done > heard.getLast());
                heard.add(done);
            };
            byte[] capsule = Capsules.encode(cache, "kivi", new PipelineOptions(3, Kernels.panama(), progress)).bytes();
            assertEquals(cache.layout().tensorBytes(), heard.getLast());
            heard.clear();
            Capsules.decode(CapsuleReader.of(Capsules.channel(capsule)), arena, new PipelineOptions(3, Kernels.panama(), progress));
            assertEquals(cache.layout().tensorBytes(), heard.getLast());
        }
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void theTrailersErrorIsTheMeasuredOne(DType type) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            if (type == DType.IQ4_NL) {
                return;
            }
            KvCache cache = cache(arena, type);
            Capsules.Encoded encoded = Capsules.encode(cache, "kivi:bits=3,residual=0", TWO_PANAMA);
            CacheComparison comparison = CacheComparison.of(cache, Capsules.decode(encoded.bytes(), arena), Kernels.scalar(), Progress.NONE);
            double[] first = encoded.report().trailer().errors().getFirst().getFirst();
            assertEquals(comparison.layers().getFirst().key().relativeError(), first[0], 1e-4);
            assertEquals(comparison.layers().getFirst().value().relativeError(), first[1], 1e-4);
        }
    }
}
