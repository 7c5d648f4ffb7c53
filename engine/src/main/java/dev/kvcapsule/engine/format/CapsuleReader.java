package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ReadableByteChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * Reads a capsule: {@link #manifest}, then {@link #blobs}, {@link #basis}, then the tiles with {@link #nextTile} in order (or with {@link #tile} in any order
 * where the source is mapped), then {@link #finish}. Total: any bytes give a result, a {@link MalformedDataException} or, where a seal is asked for, a
 * {@link CapsuleRefusedException}. Not thread-safe.
 */
public final class CapsuleReader {
    /** Largest manifest: bounds what is read before anything is known about who made it. */
    private static final int MAX_MANIFEST_BYTES = 16 << 20;

    /** Largest trailer: it is read before its signature can be looked at. */
    private static final int MAX_TRAILER_BYTES = 16 << 20;

    /** Largest piece of a blob or a basis: how it is stored, and the piece itself. */
    private static final int MAX_PIECE_BYTES = 1 + CapsuleLayout.BLOB_PIECE_BYTES;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final FrameSource source;
    private final FrameHeader header = new FrameHeader();
    private final CRC32C headersCrc = new CRC32C();
    private final List<Long> offsets = new ArrayList<>();
    private final Opening opening;
    private final Manifest manifest;
    private long frames;
    private long lastEncrypted = -1;
    private long[] index;

    private CapsuleReader(FrameSource source, Opening opening) throws IOException {
        this.source = source;
        this.opening = opening;
        try {
            readFileHeader();
            Frame frame = next(FrameType.MANIFEST, 0, 0, FrameHeader.MAX_PAYLOAD);
            frame.verify();
            this.manifest = opening.manifest(frame.payload(), frame.payloadOffset());
            opening.clear(frame);
            long least = CapsuleLayout.framesBeforeTiles(manifest);
            if (source.size() >= 0 && least > source.size() / FrameHeader.BYTES) {
                throw MalformedDataException.at(frame.payloadOffset(), "manifest", "promises more blobs than the file can hold");
            }
        } catch (MalformedDataException e) {
            throw opening.refusal(e);
        }
    }

    /** Reads a capsule without a seal that lies in memory. Tiles may be read in any order. */
    public static CapsuleReader of(MemorySegment file) throws IOException {
        return of(file, Opening.unsealed());
    }

    /** Reads a capsule without a seal from a channel, front to back. */
    public static CapsuleReader of(ReadableByteChannel channel) throws IOException {
        return of(channel, Opening.unsealed());
    }

    /**
     * Reads a capsule that lies in memory. Tiles may be read in any order.
     *
     * @param opening decides about the seal; this capsule's only
     */
    public static CapsuleReader of(MemorySegment file, Opening opening) throws IOException {
        return new CapsuleReader(new MappedSource(file), opening);
    }

    /** The same from a channel, front to back. */
    public static CapsuleReader of(ReadableByteChannel channel, Opening opening) throws IOException {
        return new CapsuleReader(new StreamSource(channel), opening);
    }

    /** Whether a manifest frame's payload is signed: a COSE_Sign1 or COSE_Sign message begins with a tag, a manifest without a seal is a map. */
    static boolean isSealedManifest(MemorySegment payload) {
        return payload.byteSize() > 0 && (payload.get(ValueLayout.JAVA_BYTE, 0) & 0xe0) == 0xc0;
    }

    /**
     * Whether a capsule says that it is sealed, which nothing vouches for.
     *
     * @param file begins like a capsule
     */
    public static boolean looksSealed(MemorySegment file) {
        long payload = CapsuleLayout.FILE_HEADER_BYTES + FrameHeader.BYTES;
        return file.byteSize() > payload && isSealedManifest(file.asSlice(payload));
    }

    /** Whether a file begins like a capsule. */
    public static boolean recognises(MemorySegment file) {
        return file.byteSize() >= Long.BYTES && file.get(LONG, 0) == CapsuleLayout.MAGIC;
    }

    private void readFileHeader() throws IOException {
        MemorySegment bytes = source.take(CapsuleLayout.FILE_HEADER_BYTES, "file header");
        if (bytes.get(LONG, 0) != CapsuleLayout.MAGIC) {
            throw MalformedDataException.at(0, "magic", "not a capsule");
        }
        if (bytes.get(INT, 12) != crc(bytes.asSlice(0, 12))) {
            throw MalformedDataException.at(12, "file header checksum", "does not match");
        }
        int version = Short.toUnsignedInt(bytes.get(SHORT, 8));
        if (version != CapsuleLayout.VERSION || bytes.get(SHORT, 10) != 0) {
            throw MalformedDataException.at(8, "version", "format version " + version + ", this program reads " + CapsuleLayout.VERSION);
        }
    }

    /** The manifest. */
    public Manifest manifest() {
        return manifest;
    }

    /** Whether the capsule is sealed; one that is read without a seal is not. */
    public boolean isSealed() {
        return opening.isSealed();
    }

    /** Total bytes of the capsule, or -1 if it comes from a stream. */
    public long size() {
        return source.size();
    }

    /** Offset up to which the capsule has been read. */
    public long position() {
        return source.position();
    }

    /**
     * Reads and checks all blobs. To be called once, before {@link #basis}.
     *
     * @param arena decides how long the result lives
     * @return their contents, in layout order, for the caller to {@link #wipe}
     */
    public List<MemorySegment> blobs(Arena arena) throws IOException {
        List<MemorySegment> blobs = new ArrayList<>();
        boolean done = false;
        try {
            for (int b = 0; b < manifest.layout().blobs().size(); b++) {
                blobs.add(pieces(FrameType.BLOB, b, manifest.layout().blobs().get(b).bytes(), arena));
            }
            done = true;
            return blobs;
        } finally {
            if (!done) {
                blobs.forEach(this::wipe);
            }
        }
    }

    /** Reads and checks the frames of all blobs without decoding them, in place of {@link #blobs}. @return bytes of their payloads */
    long skipBlobs() throws IOException {
        long bytes = 0;
        for (int b = 0; b < manifest.layout().blobs().size(); b++) {
            bytes += skip(FrameType.BLOB, b, CapsuleLayout.pieces(manifest.layout().blobs().get(b).bytes()));
        }
        return bytes;
    }

    /** Reads and checks the frames of the basis without decoding it, in place of {@link #basis}. @return bytes of their payloads */
    long skipBasis() throws IOException {
        return skip(FrameType.BASIS, 0, CapsuleLayout.pieces(manifest.basisBytes()));
    }

    private long skip(FrameType type, int item, long pieces) throws IOException {
        long bytes = 0;
        for (int piece = 0; piece < pieces; piece++) {
            try {
                Frame frame = next(type, item, piece, MAX_PIECE_BYTES);
                check(frame);
                bytes += frame.payload().byteSize();
            } catch (MalformedDataException e) {
                throw opening.refusal(e);
            }
        }
        return bytes;
    }

    /** Checks a frame as far as that goes without its key: its checksum, or its place in the Merkle tree, which {@link #finish} looks at. */
    void check(Frame frame) throws IOException {
        try (FrameOpener opener = opener()) {
            byte[] leaf = opener.leaf(frame);
            if (frame.tag().byteSize() == 0) {
                frame.verify();
            }
            opening.checked(leaf);
        } catch (MalformedDataException e) {
            throw opening.refusal(e);
        }
    }

    /** Makes what opens the frames of tiles, for the calling thread. {@link #expectTiles} comes first. */
    public FrameOpener opener() {
        if (opening.isSealed() && lastEncrypted < 0) {
            throw new IllegalStateException("a sealed capsule's tiles are counted before its frames are opened: make the decoder first");
        }
        return opening.newOpener(lastEncrypted);
    }

    /** Takes note that a tile has been opened; tiles come in order. @param leaf what {@link FrameOpener#leaf} gave for its frame */
    public void checked(byte[] leaf) {
        opening.checked(leaf);
    }

    /** Says that everything that was wanted has been read, where that is not the whole capsule; {@link #finish} does it for a whole one. */
    public void accept() throws IOException {
        opening.accept();
    }

    /** What to throw for a capsule whose contents are damaged: a sealed one is refused, whatever is wrong with it. */
    public IOException refusal(MalformedDataException damage) {
        return opening.refusal(damage);
    }

    /**
     * Reads and checks what the codec shares between the tiles. To be called once, after {@link #blobs} and before the first tile.
     *
     * @param arena decides how long the result lives
     * @return {@link Manifest#basisBytes} bytes, for the caller to {@link #wipe}
     */
    public MemorySegment basis(Arena arena) throws IOException {
        return pieces(FrameType.BASIS, 0, manifest.basisBytes(), arena);
    }

    private MemorySegment pieces(FrameType type, int item, long bytes, Arena arena) throws IOException {
        // Pieces are collected as they arrive and joined once all are there: memory follows what was really read.
        List<MemorySegment> pieces = new ArrayList<>();
        MemorySegment whole = null;
        try (FrameOpener opener = opener()) {
            for (long done = 0; done < bytes; done += CapsuleLayout.BLOB_PIECE_BYTES) {
                Frame frame = next(type, item, pieces.size(), MAX_PIECE_BYTES);
                FrameOpener.Opened opened = opener.open(frame);
                opening.checked(opened.leaf());
                MemorySegment piece = arena.allocate(Math.min(CapsuleLayout.BLOB_PIECE_BYTES, bytes - done));
                pieces.add(piece);
                BlobPiece.decode(opened.payload(), frame.payloadOffset(), piece);
            }
            whole = pieces.size() == 1 ? pieces.getFirst() : joined(pieces, bytes, arena);
            return whole;
        } catch (MalformedDataException e) {
            throw opening.refusal(e);
        } finally {
            for (MemorySegment piece : pieces) {
                if (piece != whole) {
                    wipe(piece);
                }
            }
        }
    }

    /** Zeroes memory that holds what was encrypted, before it is given back; other memory stays as it is. */
    public void wipe(MemorySegment memory) {
        if (opening.isSealed()) {
            memory.fill((byte) 0);
        }
    }

    private static MemorySegment joined(List<MemorySegment> pieces, long bytes, Arena arena) {
        MemorySegment whole = arena.allocate(bytes);
        long offset = 0;
        for (MemorySegment piece : pieces) {
            MemorySegment.copy(piece, 0, whole, offset, piece.byteSize());
            offset += piece.byteSize();
        }
        return whole;
    }

    /**
     * Checks that a capsule of {@code tiles} tiles can be in this source at all, before anything is made ready for them.
     *
     * @throws MalformedDataException if the file is too short for so many frames
     */
    public void expectTiles(int tiles) throws IOException {
        if (source.size() >= 0 && tiles > source.size() / FrameHeader.BYTES) {
            throw opening.refusal(MalformedDataException.at(source.position(), "manifest", "promises " + tiles + " tiles, more than " + source.size() + " bytes can hold"));
        }
        lastEncrypted = CapsuleLayout.framesBeforeTiles(manifest) + tiles - 1;
    }

    /**
     * Reads the next tile's frame, which must be that tile; its payload is checked by a {@link #opener} when it is wanted.
     *
     * @param most bytes that it has at most: more are not read
     */
    public Frame nextTile(int tile, int most) throws IOException {
        try {
            return next(FrameType.TILE, tile, 0, most);
        } catch (MalformedDataException e) {
            throw opening.refusal(e);
        }
    }

    /**
     * Reads one tile's frame out of order; the source must be in memory, and {@link #expectTiles} comes first.
     *
     * @param most bytes that it has at most
     * @throws MalformedDataException if the index or the frame is damaged
     */
    public Frame tile(int tile, int most) throws IOException {
        try {
            return listedTile(tile, most);
        } catch (MalformedDataException e) {
            throw opening.refusal(e);
        }
    }

    private Frame listedTile(int tile, int most) throws IOException {
        MappedSource mapped = (MappedSource) source;
        if (index == null) {
            index = readIndex(mapped);
        }
        long frame = CapsuleLayout.framesBeforeTiles(manifest) + tile;
        if (frame >= index.length) {
            throw MalformedDataException.at(mapped.size(), "index", "has no frame " + frame);
        }
        mapped.seek(index[(int) frame]);
        return frame(frame, FrameType.TILE, tile, 0, most);
    }

    /** Finds the index through the footer, at the end of the file. */
    private long[] readIndex(MappedSource mapped) throws IOException {
        if (mapped.size() < CapsuleLayout.FOOTER_BYTES) {
            throw MalformedDataException.at(mapped.size(), "footer", "truncated");
        }
        long footer = mapped.size() - CapsuleLayout.FOOTER_BYTES;
        mapped.seek(footer);
        long offset = readFooter();
        if (offset < CapsuleLayout.FILE_HEADER_BYTES || offset > footer - FrameHeader.BYTES) {
            throw MalformedDataException.at(footer + 8, "index offset", offset + " is outside the file");
        }
        mapped.seek(offset);
        long listed = lastEncrypted + 1;
        Frame frame = frame(listed, FrameType.INDEX, 0, 0, indexBytes(listed));
        frame.verify();
        if (frame.payload().byteSize() != listed * Long.BYTES) {
            throw MalformedDataException.at(frame.payloadOffset(), "index", frame.payload().byteSize() + " bytes for " + listed + " frames");
        }
        long[] entries = new long[(int) listed];
        for (int i = 0; i < entries.length; i++) {
            entries[i] = frame.payload().get(LONG, (long) i * Long.BYTES);
        }
        for (int i = 0; i < entries.length; i++) {
            if (entries[i] < CapsuleLayout.FILE_HEADER_BYTES || entries[i] >= offset || i > 0 && entries[i] <= entries[i - 1]) {
                throw MalformedDataException.at(frame.payloadOffset() + (long) i * Long.BYTES, "index entry " + i, entries[i] + " is out of order or outside the file");
            }
        }
        return entries;
    }

    private static int indexBytes(long frames) {
        return (int) Math.min(FrameHeader.MAX_PAYLOAD, frames * Long.BYTES);
    }

    /**
     * Reads and checks index, trailer and footer after the last tile, and that nothing follows them.
     *
     * @return the trailer
     */
    public Trailer finish() throws IOException {
        try {
            Trailer trailer = readEnd();
            opening.accept();
            return trailer;
        } catch (MalformedDataException e) {
            throw opening.refusal(e);
        }
    }

    private Trailer readEnd() throws IOException {
        long indexOffset = source.position();
        Frame frame = next(FrameType.INDEX, 0, 0, indexBytes(offsets.size()));
        frame.verify();
        MemorySegment payload = frame.payload();
        int listed = offsets.size() - 1;
        if (payload.byteSize() != (long) listed * Long.BYTES) {
            throw MalformedDataException.at(frame.payloadOffset(), "index", payload.byteSize() + " bytes for " + listed + " frames");
        }
        for (int i = 0; i < listed; i++) {
            if (payload.get(LONG, (long) i * Long.BYTES) != offsets.get(i)) {
                throw MalformedDataException.at(frame.payloadOffset() + (long) i * Long.BYTES, "index entry " + i, "is not where that frame is");
            }
        }
        opening.clear(frame);
        long expectedFrames = frames;
        int expectedCrc = (int) headersCrc.getValue();
        frame = next(FrameType.TRAILER, 0, 0, MAX_TRAILER_BYTES);
        frame.verify();
        Trailer trailer = opening.trailer(frame.payload(), frame.payloadOffset());
        if (trailer.frames() != expectedFrames || trailer.headersCrc() != expectedCrc) {
            throw MalformedDataException.at(frame.payloadOffset(), "trailer", "is of another capsule: frame count or checksum of headers differs");
        }
        long footer = source.position();
        if (readFooter() != indexOffset) {
            throw MalformedDataException.at(footer + 8, "index offset", "is not where the index is");
        }
        if (!source.atEnd()) {
            throw MalformedDataException.at(source.position(), "end", "bytes follow the footer");
        }
        return trailer;
    }

    private long readFooter() throws IOException {
        long at = source.position();
        MemorySegment bytes = source.take(CapsuleLayout.FOOTER_BYTES, "footer");
        if (bytes.get(LONG, 0) != CapsuleLayout.FOOTER_MAGIC) {
            throw MalformedDataException.at(at, "footer magic", "not the end of a capsule: truncated or extended");
        }
        if (bytes.get(INT, 20) != crc(bytes.asSlice(0, 20)) || bytes.get(INT, 16) != 0) {
            throw MalformedDataException.at(at + 20, "footer checksum", "does not match");
        }
        return bytes.get(LONG, 8);
    }

    private Frame next(FrameType type, int item, int piece, int most) throws IOException {
        offsets.add(source.position());
        Frame frame = frame(frames, type, item, piece, most);
        frames++;
        return frame;
    }

    /** @param most bytes of its payload: more are refused before memory is taken for them */
    private Frame frame(long sequence, FrameType type, int item, int piece, int most) throws IOException {
        long at = source.position();
        byte[] bytes = own(source.take(FrameHeader.BYTES, "frame header"), at);
        byte[] checked = Arrays.copyOf(bytes, FrameHeader.CHECKED_BYTES);
        headersCrc.update(checked);
        header.wrap(new UnsafeBuffer(bytes), 0).check(at, sequence);
        if (header.type() != type || header.item() != item || header.piece() != piece) {
            throw MalformedDataException.at(at, "frame", header.type() + " " + header.item() + "." + header.piece() + " where " + type + " " + item + "." + piece + " belongs");
        }
        boolean contents = type == FrameType.BLOB || type == FrameType.BASIS || type == FrameType.TILE;
        if (header.isEncrypted() != (contents && opening.isSealed())) {
            throw MalformedDataException.at(at, "frame flags", type + " is " + (header.isEncrypted() ? "" : "not ") + "encrypted");
        }
        int payloadBytes = header.payloadBytes();
        if (type == FrameType.MANIFEST && payloadBytes > MAX_MANIFEST_BYTES) {
            throw new CapsuleRefusedException(RefusalCode.TOO_LARGE, "a manifest of " + payloadBytes + " bytes, at most " + MAX_MANIFEST_BYTES + " are read");
        }
        if (payloadBytes > most) {
            throw MalformedDataException.at(at, "payload length", payloadBytes + " bytes where " + most + " are the most that belong");
        }
        int crc = header.payloadCrc();
        int sealBytes = header.sealBytes();
        MemorySegment body = source.take(payloadBytes + sealBytes, "payload of frame " + sequence);
        if (!contents) {
            body = MemorySegment.ofArray(own(body, at + FrameHeader.BYTES));
        }
        return new Frame(type, sequence, item, piece, at + FrameHeader.BYTES, checked, body.asSlice(0, payloadBytes), body.asSlice(payloadBytes), crc);
    }

    /** A copy that nobody else can change or cut short while it is looked at, as for {@link FrameCopy}. */
    private static byte[] own(MemorySegment bytes, long at) throws MalformedDataException {
        try {
            return bytes.toArray(ValueLayout.JAVA_BYTE);
        } catch (InternalError e) {
            throw MalformedDataException.truncated(at, "frame", bytes.byteSize(), 0);
        }
    }

    private static int crc(MemorySegment bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes.asByteBuffer());
        return (int) crc.getValue();
    }
}
