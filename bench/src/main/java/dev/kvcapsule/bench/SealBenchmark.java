package dev.kvcapsule.bench;

import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.seal.Aead;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import dev.kvcapsule.engine.seal.CryptoProvider;
import dev.kvcapsule.engine.seal.LeafHash;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Encryption, decryption and hashing of tiles, off-heap, by one thread. */
public class SealBenchmark extends TileBenchmark {
    private static final int TAG_BYTES = 16;

    /** Who encrypts: {@code jdk} or {@code best}. */
    @Param({"best", "jdk"})
    public String provider = "best";

    /** How. */
    @Param({"AES_256_GCM", "CHACHA20_POLY1305"})
    public AeadAlgorithm algorithm = AeadAlgorithm.AES_256_GCM;

    private final List<MemorySegment> tiles = new ArrayList<>();
    private final List<MemorySegment> tags = new ArrayList<>();
    private final byte[] associated = new byte[84];
    private final byte[] header = new byte[36];
    private final Cursor cursor = new Cursor();
    private List<MemorySegment> from;
    private MemorySegment plain;
    private MemorySegment scratch;
    private Aead aead;
    private LeafHash hash;
    private long nonces;
    private boolean opened;
    private int openedTile;

    /** With its parameters at their defaults. */
    public SealBenchmark() {}

    CryptoProvider crypto() {
        return provider.equals("jdk") ? CryptoProvider.jdk() : CryptoProvider.best();
    }

    private static byte[] nonce(long number) {
        return ByteBuffer.allocate(Aead.NONCE_BYTES).putLong(number).array();
    }

    @Override
    void prepare(Arena arena) {
        from = workload().sourceTiles(List.of(Part.values()));
        aead = crypto().aead(algorithm, new byte[Aead.KEY_BYTES]);
        hash = crypto().leafHash();
        long most = 0;
        tiles.clear();
        tags.clear();
        for (MemorySegment tile : from) {
            MemorySegment copy = arena.allocate(tile.byteSize(), 64).copyFrom(tile);
            MemorySegment tag = arena.allocate(TAG_BYTES);
            aead.encrypt(nonce(tiles.size()), associated, copy, tag);
            tiles.add(copy);
            tags.add(tag);
            most = Math.max(most, tile.byteSize());
        }
        nonces = tiles.size();
        plain = arena.allocate(most, 64);
        scratch = arena.allocate(most + TAG_BYTES, 64);
    }

    /** Encrypts a tile where it lies. */
    @Benchmark
    public void seal(Amount amount) {
        long bytes = from.get(cursor.next(from.size())).byteSize();
        aead.encrypt(nonce(nonces++), associated, scratch.asSlice(0, bytes), scratch.asSlice(bytes, TAG_BYTES));
        amount.bytes += bytes;
    }

    /** Checks and decrypts a tile. */
    @Benchmark
    public void open(Amount amount) {
        int tile = cursor.next(from.size());
        long bytes = tiles.get(tile).byteSize();
        openedTile = tile;
        opened = aead.decrypt(nonce(tile), associated, tiles.get(tile), tags.get(tile), plain.asSlice(0, bytes));
        amount.bytes += bytes;
    }

    /** Hashes a tile for the Merkle tree. */
    @Benchmark
    public void hash(Amount amount) {
        int tile = cursor.next(from.size());
        hash.leaf(header, tiles.get(tile), tags.get(tile));
        amount.bytes += tiles.get(tile).byteSize();
    }

    @Override
    void runAll(Amount amount) {
        seal(amount);
        hash(amount);
        open(amount);
    }

    @Override
    void verify() {
        MemorySegment expected = from.get(openedTile);
        if (!opened || plain.asSlice(0, expected.byteSize()).mismatch(expected) >= 0) {
            throw new IllegalStateException("a tile did not come back");
        }
    }
}
