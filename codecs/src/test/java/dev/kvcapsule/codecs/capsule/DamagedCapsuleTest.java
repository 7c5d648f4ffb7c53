package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
class DamagedCapsuleTest {
    private static final String KIVI = "kivi:bits=4,residual=2";

    private static byte[] small(String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            return Capsules.encode(TestCaches.small(arena), codec);
        }
    }

    private static String refusal(byte[] capsule, boolean streamed) {
        String message = assertThrows(MalformedDataException.class, () -> {
            try (Arena arena = Arena.ofShared()) {
                CapsuleReader reader = streamed ? CapsuleReader.of(Capsules.channel(capsule)) : CapsuleReader.of(Capsules.mapped(capsule, arena));
                Capsules.drain(reader, Capsules.ONE_THREAD);
            }
        }).getMessage();
        assertFalse(message.contains("\n"), message);
        return message;
    }

    private static String refusal(byte[] capsule) {
        String mapped = refusal(capsule, false);
        refusal(capsule, true);
        return mapped;
    }

    @ParameterizedTest
    @ValueSource(strings = {"raw", "lossless", "fp8", KIVI, "kivi:bits=2,entropy=off,rope=pre,residual=0", "rotated:bits=3,sink=1", "rotated:mean=off,rope=post", "klt:window=2,step=0.3",
        "cachegen:group=3", "svd:rank=5"})
    void capsulesComeBackMappedStreamedAndDropByDrop(String codec) throws IOException {
        byte[] capsule = small(codec);
        try (Arena arena = Arena.ofShared()) {
            byte[] mapped = TestCaches.bytes(Capsules.decode(capsule, arena));
            assertArrayEquals(mapped, TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.channel(capsule)), arena, Capsules.ONE_THREAD)));
            PipelineOptions three = new PipelineOptions(3, Kernels.panama(), Progress.NONE);
            assertArrayEquals(mapped, TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.drops(capsule)), arena, three)));
            CapsuleReader reader = CapsuleReader.of(Capsules.mapped(capsule, arena));
            reader.blobs(arena);
            assertEquals(Capsules.drain(CapsuleReader.of(Capsules.drops(capsule)), three).headersCrc(), new CapsuleDecoder(reader).verify(three).headersCrc());
        }
    }

    @Test
    void theForgeWritesWhatTheEngineWrites() throws IOException {
        for (String codec : List.of("raw", "lossless", KIVI, "klt")) {
            byte[] capsule = small(codec);
            assertArrayEquals(capsule, CapsuleForge.make(CapsuleForge.take(capsule)));
        }
    }

    @Test
    void everyFlippedBitIsRefused() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            CacheLayout layout = TestCaches.layout(9, TestCaches.dense(9, TestCaches.layers(1, 1, 16, 8, DType.F16)));
            byte[] capsule = Capsules.encode(TestCaches.filled(arena, layout, TestCaches::ordinary), KIVI);
            assertTrue(capsule.length < 2048);
            MemorySegment memory = Capsules.mapped(capsule, arena);
            for (int bit = 0; bit < 8 * capsule.length; bit++) {
                byte was = capsule[bit / 8];
                memory.set(java.lang.foreign.ValueLayout.JAVA_BYTE, bit / 8, (byte) (was ^ 1 << bit % 8));
                int flipped = bit;
                assertThrows(MalformedDataException.class, () -> Capsules.drain(CapsuleReader.of(memory), Capsules.ONE_THREAD), () -> "bit " + flipped);
                memory.set(java.lang.foreign.ValueLayout.JAVA_BYTE, bit / 8, was);
            }
            Capsules.drain(CapsuleReader.of(memory), Capsules.ONE_THREAD);
        }
    }

    @Test
    void everyFlippedBitOfAStreamIsRefused() throws IOException {
        byte[] capsule = small("raw");
        // A bit a byte, a different one in each: the mapped test above has all of them.
        for (int at = 0; at < capsule.length; at++) {
            byte[] flipped = capsule.clone();
            flipped[at] ^= (byte) (1 << at % 8);
            refusal(flipped, true);
        }
    }

    @Test
    void everyTruncationIsRefused() throws IOException {
        byte[] capsule = small(KIVI);
        for (int length = 0; length < capsule.length; length++) {
            byte[] cut = Arrays.copyOf(capsule, length);
            refusal(cut, false);
            if (length % 3 == 0) {
                refusal(cut, true);
            }
        }
    }

    @Test
    void extensionsAreRefused() throws IOException {
        byte[] capsule = small(KIVI);
        for (int more : new int[] {1, 2, 24, 40, 5000}) {
            String message = refusal(Arrays.copyOf(capsule, capsule.length + more));
            assertEquals("offset " + capsule.length + ", end: bytes follow the footer", message);
        }
        byte[] twice = Arrays.copyOf(capsule, 2 * capsule.length);
        System.arraycopy(capsule, 0, twice, capsule.length, capsule.length);
        refusal(twice);
    }

    @Test
    void twoTilesThatChangedPlacesAreRefused() throws IOException {
        // With raw coding the two have the same length: nothing but their numbers tells them apart.
        List<CapsuleForge.Piece> pieces = CapsuleForge.take(small(KIVI));
        List<Integer> tiles = tiles(pieces);
        assertTrue(tiles.size() >= 2);
        Collections.swap(pieces, tiles.get(0), tiles.get(1));
        assertTrue(refusal(CapsuleForge.make(pieces)).contains("TILE 1.0 where TILE 0.0 belongs"));
    }

    @Test
    void bytesOfTwoFramesThatChangedPlacesAreRefused() throws IOException {
        byte[] capsule = small(KIVI);
        List<CapsuleForge.Piece> pieces = CapsuleForge.take(capsule);
        int first = tiles(pieces).getFirst();
        int at = CapsuleForge.FILE_HEADER;
        for (int i = 0; i < first; i++) {
            at += CapsuleForge.FRAME_HEADER + pieces.get(i).payload.length;
        }
        int middle = at + CapsuleForge.FRAME_HEADER + pieces.get(first).payload.length;
        int end = middle + CapsuleForge.FRAME_HEADER + pieces.get(first + 1).payload.length;
        byte[] swapped = capsule.clone();
        System.arraycopy(capsule, middle, swapped, at, end - middle);
        System.arraycopy(capsule, at, swapped, at + end - middle, middle - at);
        assertTrue(refusal(swapped).contains("frame sequence"));
    }

    @Test
    void aTileOfAnotherCapsuleIsRefusedByTheTrailer() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache other = TestCaches.filled(arena, TestCaches.small(arena).layout(), (l, part, t, c) -> TestCaches.ordinary(l + 7, part, t, c));
            byte[] mine = Capsules.encode(TestCaches.small(arena), "raw");
            byte[] theirs = Capsules.encode(other, "raw");
            List<CapsuleForge.Piece> pieces = CapsuleForge.take(mine);
            int tile = tiles(pieces).getFirst();
            int at = CapsuleForge.FILE_HEADER;
            for (int i = 0; i < tile; i++) {
                at += CapsuleForge.FRAME_HEADER + pieces.get(i).payload.length;
            }
            // The same place, length and number; header and payload are whole and belong together.
            byte[] mixed = mine.clone();
            System.arraycopy(theirs, at, mixed, at, CapsuleForge.FRAME_HEADER + pieces.get(tile).payload.length);
            assertTrue(refusal(mixed).contains("is of another capsule"));
        }
    }

    @Test
    void framesThatAreMissingTwiceOrOfAnotherKindAreRefused() throws IOException {
        byte[] capsule = small(KIVI);
        for (int i = 0; i < CapsuleForge.take(capsule).size(); i++) {
            List<CapsuleForge.Piece> missing = CapsuleForge.take(capsule);
            CapsuleForge.Piece piece = missing.remove(i);
            refusal(CapsuleForge.make(missing));
            List<CapsuleForge.Piece> twice = CapsuleForge.take(capsule);
            twice.add(i, piece);
            refusal(CapsuleForge.make(twice));
            for (FrameType type : FrameType.values()) {
                if (!piece.is(type)) {
                    List<CapsuleForge.Piece> other = CapsuleForge.take(capsule);
                    other.set(i, new CapsuleForge.Piece(type, piece.item, piece.piece, piece.payload));
                    refusal(CapsuleForge.make(other));
                }
            }
        }
    }

    @Test
    void indexesAndTrailersThatDoNotFitAreRefused() throws IOException {
        byte[] capsule = small(KIVI);
        List<CapsuleForge.Piece> pieces = CapsuleForge.take(capsule);
        CapsuleForge.Piece index = pieces.get(pieces.size() - 2);
        index.payload[8] ^= 1;
        assertTrue(refusal(CapsuleForge.make(pieces, false)).contains("index entry 1"));
        index.payload = Arrays.copyOf(index.payload, index.payload.length - 8);
        assertTrue(refusal(CapsuleForge.make(pieces, false)).contains("index"));
        index.payload = new byte[3];
        refusal(CapsuleForge.make(pieces, false));
        index.payload = new byte[0];
        refusal(CapsuleForge.make(pieces, false));
    }

    @Test
    void aPayloadThatNamesAnotherCoderIsRefused() throws IOException {
        for (int named : new int[] {2, 3, 127, 255}) {
            List<CapsuleForge.Piece> pieces = CapsuleForge.take(small(KIVI));
            pieces.get(tiles(pieces).getFirst()).payload[0] = (byte) named;
            assertTrue(refusal(CapsuleForge.make(pieces)).contains("names coder " + (byte) named));
        }
        List<CapsuleForge.Piece> pieces = CapsuleForge.take(small(KIVI));
        pieces.get(tiles(pieces).getFirst()).payload = new byte[0];
        assertTrue(refusal(CapsuleForge.make(pieces)).contains("empty"));
    }

    @Test
    void summariesAddUpToTheFileAndRefuseDamage() throws IOException {
        byte[] capsule = small(KIVI);
        CapsuleSummary summary = CapsuleSummary.read(CapsuleReader.of(Capsules.channel(capsule)));
        List<CapsuleForge.Piece> pieces = CapsuleForge.take(capsule);
        assertEquals(tiles(pieces).size(), summary.tiles());
        assertEquals(capsule.length, summary.manifestBytes() + summary.blobBytes() + summary.keyOnlyBytes() + summary.valueOnlyBytes() + summary.mixedBytes()
                + summary.framingBytes());
        assertEquals(tiles(pieces).stream().mapToLong(tile -> pieces.get(tile).payload.length).sum(),
                summary.keyOnlyBytes() + summary.valueOnlyBytes() + summary.mixedBytes());
        for (int at = 0; at < capsule.length; at += 5) {
            byte[] flipped = capsule.clone();
            flipped[at] ^= 0x10;
            assertThrows(MalformedDataException.class, () -> CapsuleSummary.read(CapsuleReader.of(Capsules.channel(flipped))));
        }
    }

    @Test
    void whatIsNoCapsuleIsNotRecognised() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            assertTrue(CapsuleReader.recognises(Capsules.mapped(small("raw"), arena)));
            assertFalse(CapsuleReader.recognises(Capsules.mapped(new byte[7], arena)));
            assertFalse(CapsuleReader.recognises(Capsules.mapped(new byte[1000], arena)));
            assertEquals("offset 0, magic: not a capsule", refusal(new byte[1000]));
        }
    }

    private static List<Integer> tiles(List<CapsuleForge.Piece> pieces) {
        return java.util.stream.IntStream.range(0, pieces.size()).filter(i -> pieces.get(i).is(FrameType.TILE)).boxed().toList();
    }
}
