package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.keys.GenerationFolder;
import dev.kvcapsule.engine.keys.GenerationStore;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.seal.Aead;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.CryptoProvider;
import dev.kvcapsule.engine.seal.LeafHash;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.engine.seal.RestoreContext;
import dev.kvcapsule.engine.seal.RestorePolicy;
import dev.kvcapsule.engine.seal.SealSpec;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What changes between a capsule's first byte and its last: time, revocations, its session, and the bytes themselves. */
class SealedRaceTest {
    private final Arena arena = Arena.ofShared();
    private final List<RefusalCode> log = new ArrayList<>();
    @TempDir
    private Path folder;
    private KeyFolder keys;
    private GenerationFolder marks;
    private Instant now = TestKeys.NOW.plusSeconds(60);
    private KvCache cache;
    private KvCache target;
    private byte[] capsule;

    private interface Change {
        void make() throws IOException;
    }

    @BeforeEach
    void sealOne() throws IOException {
        renew();
        marks = new GenerationFolder(folder.resolve("generations"));
        cache = TestCaches.filled(arena, TestCaches.layout(64, TestCaches.dense(64, TestCaches.layers(4, 2, 64, 64, DType.F16))), TestCaches::ordinary);
        target = TestCaches.empty(arena, cache.layout());
        capsule = SealedCapsules.seal(cache, "raw", keys);
    }

    @AfterEach
    void forget() {
        arena.close();
    }

    private void renew() throws IOException {
        keys = new TestKeys(Files.createTempDirectory(folder, "keys")).folder();
    }

    private RestorePolicy policy(boolean allowOlder) {
        return new RestorePolicy(SealedCapsules.CALLER, RestoreContext.UNCHECKED, () -> now, Optional.of(marks), allowOlder, (code, detail) -> log.add(code));
    }

    private void openWhile(Change change, boolean allowOlder) throws IOException {
        try (CapsuleOpening opening = new CapsuleOpening(keys, policy(allowOlder))) {
            CapsuleReader reader = CapsuleReader.of(Capsules.drops(capsule), opening);
            change.make();
            SealedCapsules.open(reader, CacheSink.of(target));
        }
    }

    private void assertRefusedAfter(RefusalCode code, Change change) {
        log.clear();
        CapsuleRefusedException refused = assertThrows(CapsuleRefusedException.class, () -> openWhile(change, false));
        assertEquals(code, refused.code());
        assertEquals(List.of(code), log);
        SealedCapsules.assertHoldsNothing(target);
    }

    @Test
    void whatExpiresOrIsRevokedWhileItArrivesIsRefused() throws IOException {
        assertRefusedAfter(RefusalCode.EXPIRED, () -> now = TestKeys.NOW.plus(SealSpec.DEFAULT_LIFETIME));
        now = TestKeys.NOW.plusSeconds(60);
        byte[] id;
        try (PublicOpening opening = PublicOpening.showing()) {
            CapsuleReader.of(Capsules.channel(capsule), opening);
            id = HexFormat.of().parseHex(opening.claims().id());
        }
        assertRefusedAfter(RefusalCode.REVOKED, () -> keys.lifecycle().revokeCapsule(id));
        capsule = SealedCapsules.seal(cache, "raw", keys);
        assertRefusedAfter(RefusalCode.REVOKED, () -> keys.lifecycle().revokeKey(TestKeys.KID));
        renew();
        capsule = SealedCapsules.seal(cache, "raw", keys);
        assertRefusedAfter(RefusalCode.REVOKED, () -> keys.lifecycle().revokeEpoch(TestKeys.TENANT, 1, false));
        assertEquals(0, marks.highest(new GenerationStore.Session("acme", "ann", "session-7")), "a refused capsule is not noted");
    }

    @Test
    void verifyingLooksAgainAtTheEndToo() throws IOException {
        try (PublicOpening opening = PublicOpening.verifying(keys, () -> now)) {
            CapsuleReader reader = CapsuleReader.of(Capsules.channel(capsule), opening);
            now = TestKeys.NOW.plus(SealSpec.DEFAULT_LIFETIME);
            assertEquals(RefusalCode.EXPIRED, assertThrows(CapsuleRefusedException.class, () -> CapsuleSummary.read(reader)).code());
        }
        now = TestKeys.NOW;
        keys.lifecycle().revokeEpoch(TestKeys.TENANT, 1, false);
        try (PublicOpening opening = PublicOpening.verifying(keys, () -> now)) {
            assertEquals(RefusalCode.REVOKED, assertThrows(CapsuleRefusedException.class, () -> CapsuleReader.of(Capsules.channel(capsule), opening)).code());
        }
    }

    @Test
    void aSessionThatGetsFurtherWhileItArrivesMakesItAReplay() throws IOException {
        GenerationStore.Session session = new GenerationStore.Session("acme", "ann", "session-7");
        assertRefusedAfter(RefusalCode.REPLAYED, () -> marks.raise(session, 2));
        assertEquals(2, marks.highest(session));
        log.clear();
        openWhile(() -> marks.raise(session, 3), true);
        assertEquals(List.of(RefusalCode.REPLAYED), log);
        assertEquals(3, marks.highest(session));
    }

    /** Fails if it is given memory that somebody else may change. */
    private CryptoProvider wary(MemorySegment theirs) {
        CryptoProvider jdk = CryptoProvider.jdk();
        return new CryptoProvider() {
            private MemorySegment own(MemorySegment memory) {
                assertTrue(memory.byteSize() == 0 || theirs.asOverlappingSlice(memory).isEmpty(), "bytes were used where they can change");
                return memory;
            }

            @Override
            public String name() {
                return "wary";
            }

            @Override
            public String whyNot() {
                return null;
            }

            @Override
            public Aead aead(AeadAlgorithm algorithm, byte[] key) {
                Aead aead = jdk.aead(algorithm, key);
                return new Aead() {
                    @Override
                    public void encrypt(byte[] nonce, byte[] associated, MemorySegment bytes, MemorySegment tag) {
                        throw new AssertionError("nothing is encrypted");
                    }

                    @Override
                    public boolean decrypt(byte[] nonce, byte[] associated, MemorySegment encrypted, MemorySegment tag, MemorySegment plain) {
                        return aead.decrypt(nonce, associated, own(encrypted), own(tag), plain);
                    }

                    @Override
                    public void close() {
                        aead.close();
                    }
                };
            }

            @Override
            public LeafHash leafHash() {
                LeafHash hash = jdk.leafHash();
                return new LeafHash() {
                    @Override
                    public byte[] leaf(byte[] header, MemorySegment payload, MemorySegment tag) {
                        return hash.leaf(header, own(payload), own(tag));
                    }

                    @Override
                    public void close() {
                        hash.close();
                    }
                };
            }
        };
    }

    @Test
    void nothingIsHashedOrOpenedWhereOthersCanChangeIt() throws IOException {
        MemorySegment memory = Capsules.mapped(capsule, arena);
        try (CapsuleOpening opening = new CapsuleOpening(keys, policy(false), wary(memory))) {
            SealedCapsules.open(CapsuleReader.of(memory, opening), CacheSink.of(target));
        }
    }

    @Test
    void aFileThatIsCutShortWhileItIsReadIsRefused() throws IOException {
        Path file = Files.write(folder.resolve("cut.kvc"), capsule);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE); CapsuleOpening opening = new CapsuleOpening(keys, policy(false))) {
            CapsuleReader reader = CapsuleReader.of(channel.map(FileChannel.MapMode.READ_ONLY, 0, capsule.length, arena), opening);
            channel.truncate(4096);
            assertEquals(RefusalCode.TRUNCATED, assertThrows(CapsuleRefusedException.class, () -> SealedCapsules.open(reader, CacheSink.of(target))).code());
        }
        SealedCapsules.assertHoldsNothing(target);
    }

    @Test
    void whyItIsRefusedIsToldEvenIfItCannotBeForgotten() {
        capsule[capsule.length / 2] ^= 1;
        CacheSink stubborn = new CacheSink() {
            private final CacheSink sink = CacheSink.of(target);

            @Override
            public CacheLayout layout() {
                return sink.layout();
            }

            @Override
            public MemorySegment inPlace(int sub, int layer, dev.kvcapsule.engine.cache.Part part) {
                return sink.inPlace(sub, layer, part);
            }

            @Override
            public void write(int sub, int layer, dev.kvcapsule.engine.cache.Part part, long offset, MemorySegment bytes) throws IOException {
                sink.write(sub, layer, part, offset, bytes);
            }

            @Override
            public void discard() throws IOException {
                throw new IOException("the disk is gone");
            }
        };
        CapsuleRefusedException refused = assertThrows(CapsuleRefusedException.class, () -> SealedCapsules.open(capsule, keys, policy(false), stubborn));
        assertEquals(RefusalCode.DAMAGED, refused.code());
        assertEquals("the disk is gone", refused.getSuppressed()[0].getMessage());
    }
}
