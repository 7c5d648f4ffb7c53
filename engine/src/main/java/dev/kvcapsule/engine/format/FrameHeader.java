package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;
import org.agrona.MutableDirectBuffer;

/**
 * A flyweight over the 40 bytes in front of every frame's payload (docs/format.md, "Frames"). It holds no data: {@link #wrap} points it at
 * bytes, getters and setters work in place.
 */
final class FrameHeader {
    /** Bytes of an encrypted frame's tag, the only seal a frame can have. */
    static final int TAG_BYTES = 16;

    private static final byte ENCRYPTED = 1;

    /** Bytes of a header. */
    public static final int BYTES = 40;

    /** Bytes of a header in front of its own checksum: a CRC over whole headers would be the same for all, since each would end with its own. */
    static final int CHECKED_BYTES = 36;

    /** Largest payload: bounds what a reader allocates for one frame. */
    public static final int MAX_PAYLOAD = 256 << 20;

    private static final int MAGIC = 0x4D46564B; // "KVFM"
    private static final int OFFSET_MAGIC = 0;
    private static final int OFFSET_TYPE = 4;
    private static final int OFFSET_FLAGS = 5;
    private static final int OFFSET_RESERVED = 6;
    private static final int OFFSET_SEQUENCE = 8;
    private static final int OFFSET_ITEM = 16;
    private static final int OFFSET_PIECE = 20;
    private static final int OFFSET_PAYLOAD_BYTES = 24;
    private static final int OFFSET_SEAL_BYTES = 28;
    private static final int OFFSET_PAYLOAD_CRC = 32;
    private static final int OFFSET_HEADER_CRC = CHECKED_BYTES;

    private MutableDirectBuffer buffer;
    private int offset;

    /** Points at a header's bytes. */
    public FrameHeader wrap(MutableDirectBuffer buffer, int offset) {
        buffer.boundsCheck(offset, BYTES);
        this.buffer = buffer;
        this.offset = offset;
        return this;
    }

    /** Writes a complete header, checksum included, of a frame that is not encrypted. */
    public FrameHeader encode(FrameType type, long sequence, int item, int piece, int payloadBytes, int payloadCrc) {
        return encode(type, sequence, item, piece, payloadBytes, payloadCrc, false);
    }

    /** The same for an encrypted frame, whose payload a tag vouches for in place of a checksum. */
    FrameHeader encodeEncrypted(FrameType type, long sequence, int item, int piece, int payloadBytes) {
        return encode(type, sequence, item, piece, payloadBytes, 0, true);
    }

    private FrameHeader encode(FrameType type, long sequence, int item, int piece, int payloadBytes, int payloadCrc, boolean encrypted) {
        buffer.putInt(offset + OFFSET_MAGIC, MAGIC, ByteOrder.LITTLE_ENDIAN);
        buffer.putByte(offset + OFFSET_TYPE, (byte) type.code());
        buffer.putByte(offset + OFFSET_FLAGS, encrypted ? ENCRYPTED : 0);
        buffer.putShort(offset + OFFSET_RESERVED, (short) 0, ByteOrder.LITTLE_ENDIAN);
        buffer.putLong(offset + OFFSET_SEQUENCE, sequence, ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(offset + OFFSET_ITEM, item, ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(offset + OFFSET_PIECE, piece, ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(offset + OFFSET_PAYLOAD_BYTES, payloadBytes, ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(offset + OFFSET_SEAL_BYTES, encrypted ? TAG_BYTES : 0, ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(offset + OFFSET_PAYLOAD_CRC, payloadCrc, ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(offset + OFFSET_HEADER_CRC, headerCrc(), ByteOrder.LITTLE_ENDIAN);
        return this;
    }

    /**
     * Checks everything that can be checked without the payload.
     *
     * @param at offset of the header in its file
     * @param expectedSequence the number this frame must have
     * @throws MalformedDataException naming the first field that is wrong
     */
    public FrameHeader check(long at, long expectedSequence) throws MalformedDataException {
        if (buffer.getInt(offset + OFFSET_MAGIC, ByteOrder.LITTLE_ENDIAN) != MAGIC) {
            throw MalformedDataException.at(at, "frame magic", "not the start of a frame");
        }
        if (buffer.getInt(offset + OFFSET_HEADER_CRC, ByteOrder.LITTLE_ENDIAN) != headerCrc()) {
            throw MalformedDataException.at(at + OFFSET_HEADER_CRC, "frame header checksum", "does not match the header");
        }
        if (FrameType.ofCode(typeCode()) == null) {
            throw MalformedDataException.at(at + OFFSET_TYPE, "frame type", "unknown type " + typeCode());
        }
        boolean known = (buffer.getByte(offset + OFFSET_FLAGS) & ~ENCRYPTED) == 0 && buffer.getShort(offset + OFFSET_RESERVED, ByteOrder.LITTLE_ENDIAN) == 0;
        if (!known || buffer.getInt(offset + OFFSET_SEAL_BYTES, ByteOrder.LITTLE_ENDIAN) != sealBytes() || isEncrypted() && payloadCrc() != 0) {
            throw MalformedDataException.at(at + OFFSET_FLAGS, "frame flags", "flags, reserved bytes, seal length and checksum do not go together");
        }
        if (sequence() != expectedSequence) {
            throw MalformedDataException.at(at + OFFSET_SEQUENCE, "frame sequence", "frame " + sequence() + " where frame " + expectedSequence + " belongs");
        }
        int payload = payloadBytes();
        if (payload < 0 || payload > MAX_PAYLOAD) {
            throw MalformedDataException.at(at + OFFSET_PAYLOAD_BYTES, "payload length", Integer.toUnsignedString(payload) + " is above " + MAX_PAYLOAD);
        }
        return this;
    }

    private int headerCrc() {
        CRC32C crc = new CRC32C();
        ByteBuffer bytes = ByteBuffer.allocate(OFFSET_HEADER_CRC);
        buffer.getBytes(offset, bytes, OFFSET_HEADER_CRC);
        crc.update(bytes.flip());
        return (int) crc.getValue();
    }

    private int typeCode() {
        return buffer.getByte(offset + OFFSET_TYPE) & 0xff;
    }

    /** What the frame carries. */
    public FrameType type() {
        return FrameType.ofCode(typeCode());
    }

    /** The frame's number in its capsule, from 0. */
    public long sequence() {
        return buffer.getLong(offset + OFFSET_SEQUENCE, ByteOrder.LITTLE_ENDIAN);
    }

    /** Number of the tile or blob. */
    public int item() {
        return buffer.getInt(offset + OFFSET_ITEM, ByteOrder.LITTLE_ENDIAN);
    }

    /** Number of the piece of a blob; 0 in other frames. */
    public int piece() {
        return buffer.getInt(offset + OFFSET_PIECE, ByteOrder.LITTLE_ENDIAN);
    }

    /** Bytes that follow this header. */
    public int payloadBytes() {
        return buffer.getInt(offset + OFFSET_PAYLOAD_BYTES, ByteOrder.LITTLE_ENDIAN);
    }

    /** CRC-32C of the payload. */
    public int payloadCrc() {
        return buffer.getInt(offset + OFFSET_PAYLOAD_CRC, ByteOrder.LITTLE_ENDIAN);
    }

    /** Whether the payload is encrypted, and a tag follows it. */
    boolean isEncrypted() {
        return buffer.getByte(offset + OFFSET_FLAGS) == ENCRYPTED;
    }

    /** Bytes of the tag behind the payload: {@link #TAG_BYTES} or none. */
    int sealBytes() {
        return isEncrypted() ? TAG_BYTES : 0;
    }
}
