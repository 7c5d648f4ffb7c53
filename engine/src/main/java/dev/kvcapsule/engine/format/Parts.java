package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.time.Instant;
import java.util.HexFormat;
import java.util.zip.CRC32C;

/**
 * The parts of an incremental capsule, one after the other: on the wire, where parts that the other side has are left out, and in a file of its own, where all of them are. docs/format.md,
 * "Parts". Each part is a capsule, with seal, signatures and checks of its own; what this format says about them is for finding them, and nothing relies on it.
 */
public final class Parts {
    /** A file of parts begins with these bytes. */
    public static final long MAGIC = 0x0a1a0a0d50564b89L;

    private static final int VERSION = 1;
    private static final int FILE_HEADER_BYTES = 16;
    private static final int PART_MAGIC = 0x5450564b;
    private static final int HEADER_BYTES = 96;
    private static final int CHECKED_BYTES = 88;
    private static final int KEY_BYTES = 64;
    private static final long MOST_BYTES = 1L << 40;

    private Parts() {}

    /** The media type of parts on the wire. */
    public static final String MEDIA_TYPE = "application/vnd.kvcapsule.parts";

    /** What a part is. */
    public enum Type {
        /** The capsule that goes on from chunks. */
        TAIL,
        /** A chunk. */
        CHUNK,
        /** Nothing follows. */
        END
    }

    /**
     * What stands in front of a part.
     *
     * @param type what it is
     * @param bytes of it
     * @param key address and root of a chunk, 128 hexadecimal digits; empty else
     * @param expires until when a chunk may be used; the epoch else
     */
    public record Header(Type type, long bytes, String key, Instant expires) {
        /** Of what is no chunk. */
        public Header(Type type, long bytes) {
            this(type, bytes, "", Instant.EPOCH);
        }

        /** @throws IllegalArgumentException if it cannot be */
        public Header {
            if (bytes < 0 || bytes > MOST_BYTES || key.length() != (type == Type.CHUNK ? 2 * KEY_BYTES : 0) || expires.getEpochSecond() < 0) {
                throw new IllegalArgumentException("a part of " + bytes + " bytes");
            }
        }

        byte[] toBytes() {
            ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
            header.putInt(PART_MAGIC).putInt(type.ordinal() + 1).putLong(bytes).putLong(expires.getEpochSecond()).put(type == Type.CHUNK ? HexFormat.of().parseHex(key) : new byte[KEY_BYTES]);
            return header.putInt(crc(header.array(), CHECKED_BYTES)).putInt(0).array();
        }
    }

    private static int crc(byte[] bytes, int count) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, count);
        return (int) crc.getValue();
    }

    /** What a file of parts begins with. */
    public static byte[] fileHeader() {
        ByteBuffer header = ByteBuffer.allocate(FILE_HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(MAGIC).putShort((short) VERSION).putShort((short) 0);
        return header.putInt(crc(header.array(), 12)).array();
    }

    /** A part's header. */
    public static byte[] header(Header part) {
        return part.toBytes();
    }

    /** Whether a file begins as a file of parts does. */
    public static boolean recognises(MemorySegment file) {
        return file.byteSize() >= Long.BYTES && file.get(java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0) == MAGIC;
    }

    /** Writes parts. */
    public static final class Writer {
        private final WritableByteChannel out;
        private long written;

        /** Begins. */
        public Writer(WritableByteChannel out) throws IOException {
            this.out = out;
            write(ByteBuffer.wrap(fileHeader()));
        }

        private void write(ByteBuffer bytes) throws IOException {
            while (bytes.hasRemaining()) {
                written += out.write(bytes);
            }
        }

        /** Writes one. @param bytes as many as the header says */
        public void part(Header header, MemorySegment bytes) throws IOException {
            if (header.bytes() != bytes.byteSize()) {
                throw new IllegalArgumentException("a part of " + bytes.byteSize() + " bytes, announced as " + header.bytes());
            }
            write(ByteBuffer.wrap(header.toBytes()));
            long piece = 1 << 30;
            for (long at = 0; at < bytes.byteSize(); at += piece) {
                write(bytes.asSlice(at, Math.min(piece, bytes.byteSize() - at)).asByteBuffer());
            }
        }

        /** Ends. @return bytes of all */
        public long end() throws IOException {
            write(ByteBuffer.wrap(new Header(Type.END, 0).toBytes()));
            return written;
        }
    }

    /** Reads parts, front to back. Total: any bytes give parts or a {@link MalformedDataException}. */
    public static final class Reader {
        private final ReadableByteChannel in;
        private long position;
        private long left;

        /** Reads the file header. */
        public Reader(ReadableByteChannel in) throws IOException {
            this.in = in;
            byte[] header = take(FILE_HEADER_BYTES, "file header");
            ByteBuffer fields = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
            if (fields.getLong(0) != MAGIC || fields.getInt(12) != crc(header, 12)) {
                throw MalformedDataException.at(0, "magic", "not the parts of a capsule");
            }
            if (fields.getShort(8) != VERSION || fields.getShort(10) != 0) {
                throw MalformedDataException.at(8, "version", "version " + fields.getShort(8) + " of parts, this program reads " + VERSION);
            }
        }

        private byte[] take(int length, String field) throws IOException {
            ByteBuffer bytes = ByteBuffer.allocate(length);
            while (bytes.hasRemaining()) {
                if (in.read(bytes) < 0) {
                    throw MalformedDataException.truncated(position, field, length, bytes.position());
                }
            }
            position += length;
            return bytes.array();
        }

        /**
         * The next part's header; what is left of the part before is skipped.
         *
         * @throws MalformedDataException if there is none, or bytes follow the last one
         */
        public Header next() throws IOException {
            ByteBuffer skipped = ByteBuffer.allocate(1 << 16);
            while (left > 0) {
                if (content().read(skipped.clear()) < 0) {
                    throw MalformedDataException.truncated(position, "part", left, 0);
                }
            }
            long at = position;
            byte[] header = take(HEADER_BYTES, "part header");
            ByteBuffer fields = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
            int type = fields.getInt(4);
            if (fields.getInt(0) != PART_MAGIC || fields.getInt(CHECKED_BYTES) != crc(header, CHECKED_BYTES) || fields.getInt(92) != 0) {
                throw MalformedDataException.at(at, "part header", "is not one, or its checksum does not match");
            }
            if (type < 1 || type > Type.values().length) {
                throw MalformedDataException.at(at + 4, "part type", "is " + type);
            }
            byte[] key = new byte[KEY_BYTES];
            fields.position(24).get(key);
            Type kind = Type.values()[type - 1];
            try {
                Header part = new Header(kind, fields.getLong(8), kind == Type.CHUNK ? HexFormat.of().formatHex(key) : "", Instant.ofEpochSecond(fields.getLong(16)));
                if (kind == Type.END && (part.bytes() != 0 || in.read(ByteBuffer.allocate(1)) > 0)) {
                    throw MalformedDataException.at(position, "end", "bytes follow");
                }
                left = part.bytes();
                return part;
            } catch (IllegalArgumentException | java.time.DateTimeException e) {
                throw MalformedDataException.at(at, "part header", e.getMessage());
            }
        }

        /** The bytes of the part whose header was read last, to its end. */
        public ReadableByteChannel content() {
            return new ReadableByteChannel() {
                @Override
                public int read(ByteBuffer target) throws IOException {
                    if (left == 0) {
                        return -1;
                    }
                    int limit = target.limit();
                    target.limit((int) Math.min(limit, target.position() + left));
                    try {
                        int count = in.read(target);
                        left -= Math.max(0, count);
                        position += Math.max(0, count);
                        return count;
                    } finally {
                        target.limit(limit);
                    }
                }

                @Override
                public boolean isOpen() {
                    return in.isOpen();
                }

                @Override
                public void close() {
                    // The channel goes on with the next part.
                }
            };
        }

        /** Reads the part whose header was read last into memory of its size. */
        public void read(MemorySegment target) throws IOException {
            if (target.byteSize() != left) {
                throw new IllegalArgumentException("a part of " + left + " bytes into " + target.byteSize());
            }
            long piece = 1 << 30;
            long all = left;
            while (left > 0) {
                ByteBuffer into = target.asSlice(all - left, Math.min(piece, left)).asByteBuffer();
                if (content().read(into) < 0) {
                    throw MalformedDataException.truncated(position, "part", left, 0);
                }
            }
        }
    }
}
