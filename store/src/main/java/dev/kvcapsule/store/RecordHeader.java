package dev.kvcapsule.store;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Instant;
import java.util.zip.CRC32C;

/**
 * What stands in front of a record's bytes.
 *
 * @param key what it is found by
 * @param length of its bytes, without padding
 * @param expires unix seconds until when it may be used
 * @param written unix seconds when it was appended
 * @param crc CRC-32C of its bytes
 */
record RecordHeader(StoreKey key, long length, long expires, long written, int crc) {
    static final int BYTES = 112;

    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int MAGIC = 0x5243564b;
    private static final int CHECKED = 8;
    private static final int PADDING = 16;

    /** Bytes that a record takes, header and padding included. */
    static long space(long length) {
        return BYTES + (length + PADDING - 1) / PADDING * PADDING;
    }

    long space() {
        return space(length);
    }

    Instant expiry() {
        return Instant.ofEpochSecond(expires);
    }

    static int crc(MemorySegment bytes) {
        CRC32C crc = new CRC32C();
        long piece = 1 << 30;
        for (long at = 0; at < bytes.byteSize(); at += piece) {
            crc.update(bytes.asSlice(at, Math.min(piece, bytes.byteSize() - at)).asByteBuffer());
        }
        return (int) crc.getValue();
    }

    /** Everything but the magic number, which makes a record of it. */
    void write(MemorySegment at) {
        at.asSlice(0, BYTES).fill((byte) 0);
        at.set(LONG, 8, length);
        at.set(LONG, 16, expires);
        at.set(LONG, 24, written);
        MemorySegment.copy(key.bytes(), 0, at, ValueLayout.JAVA_BYTE, 32, StoreKey.BYTES);
        at.set(INT, 96, crc);
        at.set(INT, 4, crc(at.asSlice(CHECKED, BYTES - CHECKED)));
    }

    /** @see #write */
    static int magic() {
        return MAGIC;
    }

    /** @return null if there is none, or what is there is not whole or does not fit */
    static RecordHeader read(MemorySegment at) {
        if (at.byteSize() < BYTES || at.get(INT, 0) != MAGIC) {
            return null;
        }
        // A copy: nobody changes it between the check and its use.
        MemorySegment own = MemorySegment.ofArray(at.asSlice(0, BYTES).toArray(ValueLayout.JAVA_BYTE));
        if (own.get(INT, 4) != crc(own.asSlice(CHECKED, BYTES - CHECKED))) {
            return null;
        }
        long length = own.get(LONG, 8);
        long expires = own.get(LONG, 16);
        if (length < 0 || length > at.byteSize() - BYTES || Math.abs(expires) > Instant.MAX.getEpochSecond()) {
            return null;
        }
        return new RecordHeader(StoreKey.of(own.asSlice(32, StoreKey.BYTES).toArray(ValueLayout.JAVA_BYTE)), length, expires, own.get(LONG, 24), own.get(INT, 96));
    }
}
