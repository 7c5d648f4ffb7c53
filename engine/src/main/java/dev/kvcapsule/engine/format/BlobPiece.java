package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** A piece of a blob in a frame: one byte that says how it is stored, then raw bytes or a zlib stream (RFC 1950), whichever is shorter. */
final class BlobPiece {
    private static final byte RAW = 0;
    private static final byte ZLIB = 1;

    private BlobPiece() {}

    static ByteBuffer encode(MemorySegment piece) {
        int length = (int) piece.byteSize();
        byte[] out = new byte[length + 1];
        Deflater deflater = new Deflater();
        try {
            deflater.setInput(piece.asByteBuffer());
            deflater.finish();
            int written = 0;
            while (!deflater.finished() && written < length) {
                written += deflater.deflate(out, 1 + written, length - written);
            }
            if (deflater.finished() && written < length) {
                out[0] = ZLIB;
                return ByteBuffer.wrap(out, 0, 1 + written);
            }
        } finally {
            deflater.end();
        }
        out[0] = RAW;
        MemorySegment.copy(piece, 0, MemorySegment.ofArray(out), 1, length);
        return ByteBuffer.wrap(out);
    }

    /** @param piece filled completely, or the payload is malformed */
    static void decode(MemorySegment payload, long offset, MemorySegment piece) throws MalformedDataException {
        if (payload.byteSize() == 0) {
            throw MalformedDataException.at(offset, "blob", "empty frame");
        }
        MemorySegment body = payload.asSlice(1);
        switch (payload.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0)) {
            case RAW -> {
                if (body.byteSize() != piece.byteSize()) {
                    throw MalformedDataException.at(offset, "blob", body.byteSize() + " raw bytes where " + piece.byteSize() + " belong");
                }
                piece.copyFrom(body);
            }
            case ZLIB -> inflate(body, offset, piece);
            default -> throw MalformedDataException.at(offset, "blob", "unknown storage");
        }
    }

    private static void inflate(MemorySegment body, long offset, MemorySegment piece) throws MalformedDataException {
        Inflater inflater = new Inflater();
        try {
            inflater.setInput(body.asByteBuffer());
            ByteBuffer out = piece.asByteBuffer();
            while (out.hasRemaining() && inflater.inflate(out) > 0) {
                // Each call writes as much as it can; a call that writes nothing has run out of input.
            }
            boolean complete = !out.hasRemaining() && (inflater.finished() || inflater.inflate(new byte[1]) == 0 && inflater.finished());
            if (!complete || inflater.getRemaining() != 0) {
                throw MalformedDataException.at(offset, "blob", "the zlib stream does not hold exactly " + piece.byteSize() + " bytes");
            }
        } catch (DataFormatException e) {
            throw MalformedDataException.at(offset, "blob", "damaged zlib stream: " + e.getMessage());
        } finally {
            inflater.end();
        }
    }
}
