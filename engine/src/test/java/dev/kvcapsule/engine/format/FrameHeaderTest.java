package dev.kvcapsule.engine.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import org.agrona.concurrent.UnsafeBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FrameHeaderTest {
    private static byte[] header(FrameType type, long sequence, int item, int piece, int payload, int crc) {
        byte[] bytes = new byte[FrameHeader.BYTES];
        new FrameHeader().wrap(new UnsafeBuffer(bytes), 0).encode(type, sequence, item, piece, payload, crc);
        return bytes;
    }

    private static FrameHeader wrap(byte[] bytes) {
        return new FrameHeader().wrap(new UnsafeBuffer(bytes), 0);
    }

    /** Makes the header's own checksum right again. */
    private static void repair(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, 36);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(36, (int) crc.getValue());
    }

    @Property
    void fieldsAreReadBack(@ForAll FrameType type, @ForAll @LongRange(min = 0) long sequence, @ForAll int item, @ForAll int piece,
            @ForAll @IntRange(min = 0, max = FrameHeader.MAX_PAYLOAD) int payload, @ForAll int crc) throws MalformedDataException {
        FrameHeader header = wrap(header(type, sequence, item, piece, payload, crc)).check(0, sequence);
        assertEquals(type, header.type());
        assertEquals(sequence, header.sequence());
        assertEquals(item, header.item());
        assertEquals(piece, header.piece());
        assertEquals(payload, header.payloadBytes());
        assertEquals(crc, header.payloadCrc());
    }

    @Test
    void bytesAreWhereTheFormatSaysThem() {
        ByteBuffer bytes = ByteBuffer.wrap(header(FrameType.TILE, 0x0102030405060708L, 9, 10, 11, 12)).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals("KVFM", new String(bytes.array(), 0, 4, java.nio.charset.StandardCharsets.US_ASCII));
        assertEquals(3, bytes.get(4));
        assertEquals(0, bytes.get(5));
        assertEquals(0, bytes.getShort(6));
        assertEquals(0x0102030405060708L, bytes.getLong(8));
        assertEquals(9, bytes.getInt(16));
        assertEquals(10, bytes.getInt(20));
        assertEquals(11, bytes.getInt(24));
        assertEquals(0, bytes.getInt(28));
        assertEquals(12, bytes.getInt(32));
    }

    @ParameterizedTest
    @EnumSource(FrameType.class)
    void everyFlippedBitIsRefused(FrameType type) {
        byte[] bytes = header(type, 5, 4, 3, 200, 0x12345678);
        for (int bit = 0; bit < 8 * bytes.length; bit++) {
            byte[] flipped = bytes.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            assertThrows(MalformedDataException.class, () -> wrap(flipped).check(0, 5));
        }
    }

    @Test
    void fieldsOutOfRangeAreNamedThoughTheChecksumHolds() {
        refused("offset 100, frame magic: not the start of a frame", 0, 'k');
        refused("offset 104, frame type: unknown type 0", 4, 0);
        refused("offset 104, frame type: unknown type 9", 4, 9);
        refused("offset 104, frame type: unknown type 255", 4, 255);
        refused("offset 105, frame flags: flags, reserved bytes, seal length and checksum do not go together", 5, 1);
        refused("offset 105, frame flags: flags, reserved bytes, seal length and checksum do not go together", 7, 1);
        refused("offset 105, frame flags: flags, reserved bytes, seal length and checksum do not go together", 28, 64);
        refused("offset 108, frame sequence: frame 6 where frame 5 belongs", 8, 6);
        refused("offset 124, payload length: 268435657 is above 268435456", 27, 16);
        refused("offset 124, payload length: 2147483849 is above 268435456", 27, 128);
    }

    private static void refused(String message, int offset, int value) {
        byte[] bytes = header(FrameType.TILE, 5, 4, 3, 201, 0);
        bytes[offset] = (byte) value;
        repair(bytes);
        assertEquals(message, assertThrows(MalformedDataException.class, () -> wrap(bytes).check(100, 5)).getMessage());
    }

    @Test
    void aHeaderThatDoesNotFitItsBufferIsRefused() {
        assertThrows(IndexOutOfBoundsException.class, () -> new FrameHeader().wrap(new UnsafeBuffer(new byte[FrameHeader.BYTES]), 1));
    }

    @Test
    void typesHaveDistinctCodes() {
        for (FrameType type : FrameType.values()) {
            assertEquals(type, FrameType.ofCode(type.code()));
            assertTrue(type.code() > 0 && type.code() < 256);
        }
    }
}
