package dev.kvcapsule.engine.format;

import java.lang.foreign.MemorySegment;

/**
 * An encrypted frame, ready to be written.
 *
 * @param header all 40 bytes of it
 * @param body payload and tag
 * @param leaf its leaf in the capsule's Merkle tree
 */
public record SealedFrame(byte[] header, MemorySegment body, byte[] leaf) {}
