package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.util.zip.CRC32C;

/**
 * A frame whose header holds and whose payload is not yet checked.
 *
 * @param type what it carries
 * @param item number of the tile or blob
 * @param piece number of the piece of a blob
 * @param payloadOffset where the payload lies in the capsule
 * @param payload its bytes
 * @param payloadCrc the CRC-32C they must have
 */
public record Frame(FrameType type, int item, int piece, long payloadOffset, MemorySegment payload, int payloadCrc) {
    /**
     * Checks the payload; separate from reading it so that many threads can share the work.
     *
     * @throws MalformedDataException if the checksum does not match
     */
    public void verify() throws MalformedDataException {
        CRC32C crc = new CRC32C();
        crc.update(payload.asByteBuffer());
        if ((int) crc.getValue() != payloadCrc) {
            throw MalformedDataException.at(payloadOffset, type.name().toLowerCase(java.util.Locale.ROOT) + " payload", "checksum does not match");
        }
    }
}
