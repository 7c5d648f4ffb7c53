package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.util.zip.CRC32C;

/**
 * A frame whose header holds and whose payload is not yet checked.
 *
 * @param type what it carries
 * @param sequence number of the frame
 * @param item number of the tile or blob
 * @param piece number of the piece of a blob
 * @param payloadOffset where the payload lies in the capsule
 * @param header the header's first 36 bytes: all but its own checksum
 * @param payload its bytes, encrypted if there is a tag
 * @param tag the tag of an encrypted payload; empty if it is not encrypted
 * @param payloadCrc the CRC-32C that a payload which is not encrypted must have
 */
public record Frame(FrameType type, long sequence, int item, int piece, long payloadOffset, byte[] header, MemorySegment payload, MemorySegment tag, int payloadCrc) {
    /** The same frame with its payload and tag, which follow each other, in other memory. */
    public Frame movedTo(MemorySegment memory) {
        MemorySegment payloadCopy = memory.asSlice(0, payload.byteSize()).copyFrom(payload);
        MemorySegment tagCopy = memory.asSlice(payload.byteSize(), tag.byteSize()).copyFrom(tag);
        return new Frame(type, sequence, item, piece, payloadOffset, header, payloadCopy, tagCopy, payloadCrc);
    }

    /**
     * Checks a payload that is not encrypted; separate from reading it so that many threads can share the work.
     *
     * @throws MalformedDataException if the checksum does not match
     */
    public void verify() throws MalformedDataException {
        CRC32C crc = new CRC32C();
        crc.update(payload.asByteBuffer());
        if ((int) crc.getValue() != payloadCrc) {
            throw MalformedDataException.at(payloadOffset, name() + " payload", "checksum does not match");
        }
    }

    /** What it carries, for messages. */
    public String name() {
        return type.name().toLowerCase(java.util.Locale.ROOT);
    }
}
