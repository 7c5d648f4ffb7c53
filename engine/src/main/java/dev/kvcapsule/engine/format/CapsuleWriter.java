package dev.kvcapsule.engine.format;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.zip.CRC32C;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * Writes a capsule front to back: manifest, blobs, basis, tiles in plan order, then index, trailer and footer. Never seeks. Not thread-safe.
 */
public final class CapsuleWriter {
    private final WritableByteChannel out;
    private final ByteBuffer headerBytes = ByteBuffer.allocateDirect(FrameHeader.BYTES);
    private final FrameHeader header = new FrameHeader().wrap(new UnsafeBuffer(headerBytes), 0);
    private final CRC32C headersCrc = new CRC32C();
    private long[] frameOffsets = new long[64];
    private int frames;
    private long position;

    /** @param out where the capsule goes; stays open */
    public CapsuleWriter(WritableByteChannel out) {
        this.out = out;
    }

    /** Bytes written so far. */
    public long position() {
        return position;
    }

    /**
     * Writes the file header, the manifest, the blobs and the basis.
     *
     * @param blobs the blobs' contents, in layout order
     * @param basis what the codec shares between the tiles, of {@link Manifest#basisBytes} bytes
     */
    public void begin(Manifest manifest, MemorySegment[] blobs, MemorySegment basis) throws IOException {
        ByteBuffer file = ByteBuffer.allocate(CapsuleLayout.FILE_HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(CapsuleLayout.MAGIC).putShort((short) CapsuleLayout.VERSION).putShort((short) 0);
        file.putInt(crc(file.duplicate().flip())).flip();
        write(file);
        frame(FrameType.MANIFEST, 0, 0, ByteBuffer.wrap(manifest.toBytes()));
        for (int b = 0; b < blobs.length; b++) {
            pieces(FrameType.BLOB, b, blobs[b].asSlice(0, manifest.layout().blobs().get(b).bytes()));
        }
        pieces(FrameType.BASIS, 0, basis.asSlice(0, manifest.basisBytes()));
    }

    private void pieces(FrameType type, int item, MemorySegment bytes) throws IOException {
        for (int piece = 0; piece < CapsuleLayout.pieces(bytes.byteSize()); piece++) {
            long start = (long) piece * CapsuleLayout.BLOB_PIECE_BYTES;
            long length = Math.min(CapsuleLayout.BLOB_PIECE_BYTES, bytes.byteSize() - start);
            frame(type, item, piece, BlobPiece.encode(bytes.asSlice(start, length)));
        }
    }

    /**
     * Writes the next tile.
     *
     * @param tile its number
     * @param payload its coded bytes
     * @param crc their CRC-32C, computed where the tile was coded
     */
    public void tile(int tile, ByteBuffer payload, int crc) throws IOException {
        frame(FrameType.TILE, tile, 0, payload, crc);
    }

    /**
     * Writes index, trailer and footer.
     *
     * @param losslessTiles see {@link Trailer}
     * @param relativeError see {@link Trailer}
     * @param errors see {@link Trailer}
     * @param weightedError see {@link Trailer}
     * @return the trailer as written
     */
    public Trailer finish(long losslessTiles, double relativeError, List<List<double[]>> errors, OptionalDouble weightedError) throws IOException {
        long indexOffset = position;
        ByteBuffer index = ByteBuffer.allocate(Math.multiplyExact(frames, Long.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < frames; i++) {
            index.putLong(frameOffsets[i]);
        }
        frame(FrameType.INDEX, 0, 0, index.flip());
        Trailer trailer = new Trailer(frames, (int) headersCrc.getValue(), losslessTiles, relativeError, weightedError, errors);
        frame(FrameType.TRAILER, 0, 0, ByteBuffer.wrap(trailer.toBytes()));
        ByteBuffer footer = ByteBuffer.allocate(CapsuleLayout.FOOTER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        footer.putLong(CapsuleLayout.FOOTER_MAGIC).putLong(indexOffset).putInt(0);
        footer.putInt(crc(footer.duplicate().flip())).flip();
        write(footer);
        return trailer;
    }

    private void frame(FrameType type, int item, int piece, ByteBuffer payload) throws IOException {
        frame(type, item, piece, payload, crc(payload.duplicate()));
    }

    private void frame(FrameType type, int item, int piece, ByteBuffer payload, int crc) throws IOException {
        if (payload.remaining() > FrameHeader.MAX_PAYLOAD) {
            throw new IllegalArgumentException("a " + type + " frame of " + payload.remaining() + " bytes");
        }
        if (frames == frameOffsets.length) {
            frameOffsets = Arrays.copyOf(frameOffsets, 2 * frames);
        }
        header.encode(type, frames, item, piece, payload.remaining(), crc);
        headersCrc.update(headerBytes.clear().limit(FrameHeader.CHECKED_BYTES));
        frameOffsets[frames++] = position;
        write(headerBytes.clear());
        write(payload);
    }

    private void write(ByteBuffer bytes) throws IOException {
        position += bytes.remaining();
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    private static int crc(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }
}
