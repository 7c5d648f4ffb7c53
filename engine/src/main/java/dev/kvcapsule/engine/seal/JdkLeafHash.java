package dev.kvcapsule.engine.seal;

import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;

/** The JDK's SHA-256. */
final class JdkLeafHash implements LeafHash {
    private final MessageDigest digest = MerkleTree.sha256();

    @Override
    public byte[] leaf(byte[] header, MemorySegment payload, MemorySegment tag) {
        digest.update(MerkleTree.LEAF);
        digest.update(header);
        digest.update(payload.asByteBuffer());
        digest.update(tag.asByteBuffer());
        return digest.digest();
    }

    @Override
    public void close() {
        digest.reset();
    }
}
