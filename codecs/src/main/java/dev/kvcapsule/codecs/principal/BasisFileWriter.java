package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.format.Cbor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;

/** Writes a basis file: a header, aligned sections, and the SHA-256 of all that, which is its name. */
public final class BasisFileWriter {
    private final WritableByteChannel out;
    private final MessageDigest digest = BasisFileReader.newDigest();
    private long at;

    /**
     * Starts a file.
     *
     * @param magic its first eight bytes, little-endian
     * @param header a map that {@link Cbor} can write
     */
    public BasisFileWriter(long magic, int version, Map<String, Object> header, WritableByteChannel out) throws IOException {
        this.out = out;
        byte[] map = Cbor.write(header);
        write(ByteBuffer.allocate(BasisFileReader.HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(magic).putInt(version).putInt(map.length).flip());
        write(ByteBuffer.wrap(map));
    }

    private void write(ByteBuffer bytes) throws IOException {
        digest.update(bytes.duplicate());
        at += bytes.remaining();
        send(bytes);
    }

    private void send(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    /** Appends a section. */
    public void section(MemorySegment bytes) throws IOException {
        begin();
        append(bytes);
    }

    /** Begins a section that comes in pieces. */
    public void begin() throws IOException {
        write(ByteBuffer.allocate((int) (BasisFileReader.aligned(at) - at)));
    }

    /** The next piece of a section that {@link #begin} began. */
    public void append(MemorySegment bytes) throws IOException {
        for (long from = 0; from < bytes.byteSize(); from += BasisFileReader.PIECE_BYTES) {
            write(bytes.asSlice(from, Math.min(BasisFileReader.PIECE_BYTES, bytes.byteSize() - from)).asByteBuffer());
        }
    }

    /** Appends a section of f32. */
    public void section(float[] floats) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * floats.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(floats);
        section(MemorySegment.ofBuffer(bytes));
    }

    /** Appends a section of f64. */
    public void section(double[] doubles) throws IOException {
        begin();
        append(doubles);
    }

    /** The next f64 of a section that {@link #begin} began. */
    public void append(double[] doubles) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(Double.BYTES, doubles.length)).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asDoubleBuffer().put(doubles);
        write(bytes);
    }

    /** Ends the file. @return its digest, 64 hexadecimal digits */
    public String finish() throws IOException {
        byte[] sum = digest.digest();
        send(ByteBuffer.wrap(sum));
        return HexFormat.of().formatHex(sum);
    }
}
