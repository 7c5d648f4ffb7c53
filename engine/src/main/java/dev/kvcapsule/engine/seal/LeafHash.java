package dev.kvcapsule.engine.seal;

import java.lang.foreign.MemorySegment;

/** SHA-256 of frames as leaves of a Merkle tree, by one thread. */
public interface LeafHash extends AutoCloseable {
    /** SHA-256 of a zero byte (RFC 6962, section 2.1), the header's first 36 bytes, the payload and the tag. */
    byte[] leaf(byte[] header, MemorySegment payload, MemorySegment tag);

    @Override
    void close();
}
