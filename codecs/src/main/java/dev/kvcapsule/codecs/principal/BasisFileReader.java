package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.Cbor;
import dev.kvcapsule.engine.format.CborMap;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Checks what a {@link BasisFileWriter} wrote and finds its header and sections, in place. */
public final class BasisFileReader {
    static final int HEADER_BYTES = 16;
    static final long PIECE_BYTES = 1 << 30;

    private static final int DIGEST_BYTES = 32;
    private static final int ALIGNMENT = 64;
    private static final int AT_ONCE = 4096;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment body;
    private final String digest;
    private final CborMap header;
    private long at;

    /**
     * Checks magic, version and digest.
     *
     * @param kind what the file is called in messages: {@code basis file}
     * @param file the whole file, which stays open as long as its sections are used
     * @throws MalformedDataException if it is no such file, or damaged
     * @throws CapsuleRefusedException if it is of another version
     */
    public BasisFileReader(long magic, int version, String kind, MemorySegment file) throws IOException {
        if (!recognises(magic, file) || file.byteSize() < HEADER_BYTES + DIGEST_BYTES) {
            throw MalformedDataException.at(0, "magic", "not a " + kind + " of this codec");
        }
        if (file.get(INT, Long.BYTES) != version) {
            throw new CapsuleRefusedException(kind + " of version " + file.get(INT, Long.BYTES) + ", this program reads " + version);
        }
        this.body = file.asSlice(0, file.byteSize() - DIGEST_BYTES);
        this.digest = HexFormat.of().formatHex(file.asSlice(body.byteSize()).toArray(ValueLayout.JAVA_BYTE));
        if (!digest.equals(HexFormat.of().formatHex(sha256(body)))) {
            throw MalformedDataException.at(body.byteSize(), "digest", "does not match: the " + kind + " is damaged");
        }
        int headerBytes = file.get(INT, Long.BYTES + Integer.BYTES);
        if (headerBytes < 0 || headerBytes > body.byteSize() - HEADER_BYTES) {
            throw MalformedDataException.at(Long.BYTES + Integer.BYTES, "header length", headerBytes + " of " + file.byteSize() + " bytes");
        }
        this.header = new CborMap(Cbor.read(file.asSlice(HEADER_BYTES, headerBytes).asByteBuffer(), HEADER_BYTES), kind, HEADER_BYTES);
        this.at = HEADER_BYTES + headerBytes;
    }

    /** Whether a file begins with that magic. */
    public static boolean recognises(long magic, MemorySegment file) {
        return file.byteSize() >= Long.BYTES && file.get(LONG, 0) == magic;
    }

    /** Its name: SHA-256, 64 hexadecimal digits. */
    public String digest() {
        return digest;
    }

    /** The header. */
    public CborMap header() {
        return header;
    }

    /** The next section, of that many bytes. */
    public MemorySegment section(long bytes) throws MalformedDataException {
        long start = aligned(at);
        if (bytes > body.byteSize() - start) {
            throw MalformedDataException.at(at, "section", bytes + " bytes do not fit the file");
        }
        at = start + bytes;
        return body.asSlice(start, bytes);
    }

    /** The next section, of that many finite f32. */
    public MemorySegment finite(long count) throws MalformedDataException {
        MemorySegment section = section(Float.BYTES * count);
        float[] floats = new float[(int) Math.min(count, AT_ONCE)];
        for (long from = 0; from < count; from += floats.length) {
            int now = (int) Math.min(floats.length, count - from);
            MemorySegment.copy(section, FLOAT, Float.BYTES * from, floats, 0, now);
            for (int i = 0; i < now; i++) {
                if (!Float.isFinite(floats[i])) {
                    throw MalformedDataException.at(at - section.byteSize() + Float.BYTES * (from + i), "section", "a number is not finite");
                }
            }
        }
        return section;
    }

    /** The next section, of that many finite f64. */
    public MemorySegment finite64(long count) throws MalformedDataException {
        MemorySegment section = section(Double.BYTES * count);
        double[] doubles = new double[(int) Math.min(count, AT_ONCE)];
        for (long from = 0; from < count; from += doubles.length) {
            int now = (int) Math.min(doubles.length, count - from);
            MemorySegment.copy(section, DOUBLE, Double.BYTES * from, doubles, 0, now);
            for (int i = 0; i < now; i++) {
                if (!Double.isFinite(doubles[i])) {
                    throw MalformedDataException.at(at - section.byteSize() + Double.BYTES * (from + i), "section", "a number is not finite");
                }
            }
        }
        return section;
    }

    /** The same on the heap. */
    public double[] doubles(int count) throws MalformedDataException {
        MemorySegment section = finite64(count);
        double[] doubles = new double[count];
        MemorySegment.copy(section, DOUBLE, 0, doubles, 0, count);
        return doubles;
    }

    /** The next section of finite f32, on the heap. */
    public float[] floats(int count) throws MalformedDataException {
        MemorySegment section = finite(count);
        float[] floats = new float[count];
        MemorySegment.copy(section, FLOAT, 0, floats, 0, count);
        return floats;
    }

    /** @throws MalformedDataException if there is more in the file */
    public void end() throws MalformedDataException {
        header.end();
        if (at != body.byteSize()) {
            throw MalformedDataException.at(at, "end", "bytes follow the last section");
        }
    }

    static long aligned(long offset) {
        return offset + ALIGNMENT - 1 & -ALIGNMENT;
    }

    private static byte[] sha256(MemorySegment bytes) {
        MessageDigest sum = newDigest();
        for (long from = 0; from < bytes.byteSize(); from += PIECE_BYTES) {
            sum.update(bytes.asSlice(from, Math.min(PIECE_BYTES, bytes.byteSize() - from)).asByteBuffer());
        }
        return sum.digest();
    }

    static MessageDigest newDigest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
