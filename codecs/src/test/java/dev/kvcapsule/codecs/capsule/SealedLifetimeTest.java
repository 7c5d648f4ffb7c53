package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.FrameSealer;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How long keys and plaintext live, and how much memory somebody without keys can make a reader take. */
class SealedLifetimeTest {
    private final Arena arena = Arena.ofShared();
    @TempDir
    private Path folder;
    private TestKeys keys;
    private KvCache cache;
    private byte[] capsule;

    @BeforeEach
    void sealOne() throws IOException {
        keys = new TestKeys(folder);
        CacheLayout layout = new CacheLayout(9, List.of(TestCaches.dense(9, TestCaches.layers(1, 1, 16, 8, DType.F16))), List.of(new CacheLayout.Blob("words", 3 << 19)),
                java.util.Map.of());
        cache = TestCaches.filled(arena, layout, TestCaches::ordinary);
        capsule = SealedCapsules.seal(cache, "raw", keys);
    }

    @AfterEach
    void forget() {
        arena.close();
    }

    private void encode(CapsuleSeal seal) throws IOException {
        CapsuleEncoder.encode(cache, Codecs.create("raw"), Channels.newChannel(new ByteArrayOutputStream()), Capsules.ONE_THREAD, seal);
    }

    @Test
    void aSealIsUsedOnceAndNotAfterItIsClosed() throws IOException {
        CapsuleSeal seal = new CapsuleSeal(SealedCapsules.spec(), keys);
        assertThrows(IllegalStateException.class, seal::newSealer);
        encode(seal);
        assertThrows(IllegalStateException.class, () -> encode(seal));
        FrameSealer sealer = seal.newSealer();
        seal.close();
        seal.close();
        MemorySegment memory = arena.allocate(100);
        assertThrows(IllegalStateException.class, () -> sealer.seal(FrameType.TILE, 7, 0, 0, memory, 50));
        assertThrows(IllegalStateException.class, seal::newSealer);
        assertThrows(IllegalStateException.class, () -> seal.encrypted(new byte[32]));
        assertThrows(IllegalStateException.class, () -> seal.trailer(null));
        assertThrows(IllegalStateException.class, () -> encode(seal));
        sealer.close();
        CapsuleSeal unused = new CapsuleSeal(SealedCapsules.spec(), keys);
        unused.close();
        assertThrows(IllegalStateException.class, () -> encode(unused));
    }

    @Test
    void anOpeningIsUsedOnceAndNotAfterItIsClosed() throws IOException {
        CapsuleOpening opening = new CapsuleOpening(keys, SealedCapsules.policy());
        CapsuleReader reader = CapsuleReader.of(Capsules.channel(capsule), opening);
        Manifest manifest = reader.manifest();
        assertEquals(cache.layout(), manifest.layout());
        assertThrows(IllegalStateException.class, () -> CapsuleReader.of(Capsules.channel(capsule), opening));
        CapsuleDecoder decoder = new CapsuleDecoder(reader);
        opening.close();
        opening.close();
        assertThrows(IllegalStateException.class, () -> reader.blobs(arena));
        assertThrows(IllegalStateException.class, opening::accept);
        CacheSink sink = CacheSink.of(TestCaches.empty(arena, cache.layout()));
        assertThrows(IllegalStateException.class, () -> decoder.decode(sink, Capsules.ONE_THREAD));
    }

    /** An arena that remembers what it gave away. */
    private static final class Remembering implements Arena {
        private final Arena arena;
        final List<MemorySegment> given = new ArrayList<>();

        Remembering(Arena arena) {
            this.arena = arena;
        }

        @Override
        public MemorySegment allocate(long bytes, long alignment) {
            MemorySegment memory = arena.allocate(bytes, alignment);
            given.add(memory);
            return memory;
        }

        @Override
        public MemorySegment.Scope scope() {
            return arena.scope();
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    private static boolean isZero(MemorySegment memory) {
        return Arrays.equals(memory.toArray(ValueLayout.JAVA_BYTE), new byte[(int) memory.byteSize()]);
    }

    @Test
    void piecesOfDecryptedBlobsAreZeroed() throws IOException {
        Remembering memory = new Remembering(arena);
        try (CapsuleOpening opening = new CapsuleOpening(keys, SealedCapsules.policy())) {
            CapsuleReader reader = CapsuleReader.of(Capsules.channel(capsule), opening);
            new CapsuleDecoder(reader);
            MemorySegment blob = reader.blobs(memory).getFirst();
            assertEquals(-1, blob.mismatch(cache.blob(0)));
            assertTrue(memory.given.size() > 1 && memory.given.stream().filter(piece -> !piece.equals(blob)).allMatch(SealedLifetimeTest::isZero));
        }
        SealedForge.Part second = new SealedForge(capsule).parts().get(2);
        capsule[second.end() - 1] ^= 1;
        memory.given.clear();
        try (CapsuleOpening opening = new CapsuleOpening(keys, SealedCapsules.policy())) {
            CapsuleReader reader = CapsuleReader.of(Capsules.channel(capsule), opening);
            new CapsuleDecoder(reader);
            assertThrows(CapsuleRefusedException.class, () -> reader.blobs(memory));
        }
        assertTrue(!memory.given.isEmpty() && memory.given.stream().allMatch(SealedLifetimeTest::isZero));
    }

    /** The capsule up to a frame's header, then zeros without end. */
    private static final class Endless implements ReadableByteChannel {
        private final ByteBuffer bytes;
        long read;

        Endless(byte[] start) {
            bytes = ByteBuffer.wrap(start);
        }

        @Override
        public int read(ByteBuffer out) {
            int count = bytes.hasRemaining() ? Math.min(bytes.remaining(), out.remaining()) : out.remaining();
            if (bytes.hasRemaining()) {
                out.put(bytes.slice(bytes.position(), count));
                bytes.position(bytes.position() + count);
            } else {
                out.put(new byte[count]);
            }
            read += count;
            return count;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }

    @Test
    void framesThatClaimMoreThanTheirKindHasAreRefusedBeforeTheyAreRead() throws IOException {
        int checked = 0;
        for (SealedForge.Part part : new SealedForge(capsule).parts()) {
            byte[] start = Arrays.copyOf(capsule, part.payload());
            ByteBuffer.wrap(start).order(ByteOrder.LITTLE_ENDIAN).putInt(part.start() + 24, 200 << 20);
            SealedForge.repairHeader(start, part);
            Endless channel = new Endless(start);
            try (CapsuleOpening opening = new CapsuleOpening(keys, SealedCapsules.policy())) {
                CapsuleRefusedException refused = assertThrows(CapsuleRefusedException.class,
                        () -> SealedCapsules.open(CapsuleReader.of(channel, opening), CacheSink.of(TestCaches.empty(arena, cache.layout()))));
                assertEquals(part.type() == SealedForge.MANIFEST ? RefusalCode.TOO_LARGE : RefusalCode.DAMAGED, refused.code());
            }
            assertTrue(channel.read <= part.payload(), channel.read + " bytes read of a frame of type " + part.type());
            checked++;
        }
        assertEquals(6, checked, "manifest, two pieces of a blob, a tile, index, trailer");
    }
}
