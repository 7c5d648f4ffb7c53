package dev.kvcapsule.engine.format;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.zip.CRC32C;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * Writes a capsule front to back: manifest, blobs, basis, tiles in plan order, then index, trailer and footer. Never seeks. Not thread-safe.
 */
public final class CapsuleWriter {
    private final WritableByteChannel out;
    private final Sealing sealing;
    private final ByteBuffer headerBytes = ByteBuffer.allocateDirect(FrameHeader.BYTES);
    private final FrameHeader header = new FrameHeader().wrap(new UnsafeBuffer(headerBytes), 0);
    private final CRC32C headersCrc = new CRC32C();
    private long[] frameOffsets = new long[64];
    private int frames;
    private long position;

    /** Writes a capsule without a seal. @param out where it goes; stays open */
    public CapsuleWriter(WritableByteChannel out) {
        this(out, null);
    }

    /**
     * Writes a sealed capsule.
     *
     * @param out where it goes; stays open
     * @param sealing its seal; this capsule's only, stays open
     */
    public CapsuleWriter(WritableByteChannel out, Sealing sealing) {
        this.out = out;
        this.sealing = sealing;
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
     * @param tiles how many tiles will follow
     */
    public void begin(Manifest manifest, MemorySegment[] blobs, MemorySegment basis, int tiles) throws IOException {
        ByteBuffer file = ByteBuffer.allocate(CapsuleLayout.FILE_HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(CapsuleLayout.MAGIC).putShort((short) CapsuleLayout.VERSION).putShort((short) 0);
        file.putInt(crc(file.duplicate().flip())).flip();
        write(file);
        long firstTile = CapsuleLayout.framesBeforeTiles(manifest);
        frame(FrameType.MANIFEST, 0, 0, ByteBuffer.wrap(sealing == null ? manifest.toBytes() : sealing.manifest(manifest, firstTile + tiles - 1)));
        try (FrameSealer sealer = sealing == null ? null : sealing.newSealer()) {
            for (int b = 0; b < blobs.length; b++) {
                pieces(FrameType.BLOB, b, blobs[b].asSlice(0, manifest.layout().blobs().get(b).bytes()), sealer);
            }
            pieces(FrameType.BASIS, 0, basis.asSlice(0, manifest.basisBytes()), sealer);
        }
    }

    private void pieces(FrameType type, int item, MemorySegment bytes, FrameSealer sealer) throws IOException {
        for (int piece = 0; piece < CapsuleLayout.pieces(bytes.byteSize()); piece++) {
            long start = (long) piece * CapsuleLayout.BLOB_PIECE_BYTES;
            long length = Math.min(CapsuleLayout.BLOB_PIECE_BYTES, bytes.byteSize() - start);
            ByteBuffer payload = BlobPiece.encode(bytes.asSlice(start, length));
            if (sealer == null) {
                frame(type, item, piece, payload);
                continue;
            }
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment memory = arena.allocate(payload.remaining() + (long) FrameSealer.TAG_BYTES);
                memory.copyFrom(MemorySegment.ofBuffer(payload));
                sealedFrame(sealer.seal(type, frames, item, piece, memory, payload.remaining()));
            }
        }
    }

    /** Number of the frame of a tile; known once {@link #begin} has written what comes before. */
    public static long tileFrame(Manifest manifest, int tile) {
        return CapsuleLayout.framesBeforeTiles(manifest) + tile;
    }

    /** Writes the next tile, encrypted by a sealer of the {@link Sealing} under {@link #tileFrame its number}. */
    public void tile(SealedFrame frame) throws IOException {
        sealedFrame(frame);
    }

    private void sealedFrame(SealedFrame frame) throws IOException {
        note(ByteBuffer.wrap(frame.header()));
        sealing.encrypted(frame.leaf());
        write(ByteBuffer.wrap(frame.header()));
        write(frame.body().asByteBuffer());
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
     * @param fit see {@link Trailer}
     * @return the trailer as written
     */
    public Trailer finish(long losslessTiles, double relativeError, List<List<double[]>> errors, OptionalDouble weightedError, Optional<BasisFit> fit) throws IOException {
        long indexOffset = position;
        ByteBuffer index = ByteBuffer.allocate(Math.multiplyExact(frames, Long.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < frames; i++) {
            index.putLong(frameOffsets[i]);
        }
        frame(FrameType.INDEX, 0, 0, index.flip());
        Trailer trailer = new Trailer(frames, (int) headersCrc.getValue(), losslessTiles, relativeError, weightedError, fit, errors);
        frame(FrameType.TRAILER, 0, 0, ByteBuffer.wrap(sealing == null ? trailer.toBytes() : sealing.trailer(trailer)));
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
        header.encode(type, frames, item, piece, payload.remaining(), crc);
        note(headerBytes.clear());
        if (sealing != null && type != FrameType.TRAILER) {
            byte[] checked = new byte[FrameHeader.CHECKED_BYTES];
            headerBytes.get(0, checked);
            sealing.clear(checked, payload.duplicate());
        }
        write(headerBytes.clear());
        write(payload);
    }

    private void note(ByteBuffer frameHeader) {
        if (frames == frameOffsets.length) {
            frameOffsets = Arrays.copyOf(frameOffsets, 2 * frames);
        }
        headersCrc.update(frameHeader.slice(0, FrameHeader.CHECKED_BYTES));
        frameOffsets[frames++] = position;
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
