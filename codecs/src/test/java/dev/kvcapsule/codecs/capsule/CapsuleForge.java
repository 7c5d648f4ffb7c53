package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.format.Trailer;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * Takes a capsule apart into frames and puts frames together with checksums, sequence numbers, index, trailer and footer that hold: what someone
 * who knows the format can forge. Shares no code with the engine's writer.
 */
final class CapsuleForge {
    static final int FILE_HEADER = 16;
    static final int FRAME_HEADER = 40;
    static final int FOOTER = 24;

    /** A frame with its payload, without the fields that follow from its place. */
    static final class Piece {
        final int type;
        int item;
        int piece;
        byte[] payload;

        Piece(FrameType type, int item, int piece, byte[] payload) {
            this(type.code(), item, piece, payload);
        }

        private Piece(int type, int item, int piece, byte[] payload) {
            this.type = type;
            this.item = item;
            this.piece = piece;
            this.payload = payload;
        }

        boolean is(FrameType wanted) {
            return type == wanted.code();
        }
    }

    private CapsuleForge() {}

    static List<Piece> take(byte[] capsule) {
        ByteBuffer in = ByteBuffer.wrap(capsule).order(ByteOrder.LITTLE_ENDIAN);
        List<Piece> pieces = new ArrayList<>();
        int at = FILE_HEADER;
        while (at < capsule.length - FOOTER) {
            int length = in.getInt(at + 24);
            pieces.add(new Piece(in.get(at + 4), in.getInt(at + 16), in.getInt(at + 20), Arrays.copyOfRange(capsule, at + FRAME_HEADER, at + FRAME_HEADER + length)));
            at += FRAME_HEADER + length;
        }
        return pieces;
    }

    /** Whatever can be taken from bytes that may be no capsule, with checksums and numbers that hold; the bytes themselves if that is nothing. */
    static byte[] repair(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        List<Piece> pieces = new ArrayList<>();
        for (int at = FILE_HEADER; at <= bytes.length - FRAME_HEADER; ) {
            int length = Math.clamp(in.getInt(at + 24), 0, bytes.length - at - FRAME_HEADER);
            pieces.add(new Piece(in.get(at + 4), in.getInt(at + 16), in.getInt(at + 20), Arrays.copyOfRange(bytes, at + FRAME_HEADER, at + FRAME_HEADER + length)));
            at += FRAME_HEADER + length;
        }
        return pieces.isEmpty() ? bytes : make(pieces);
    }

    /** A capsule of those frames, index and trailer made right again. */
    static byte[] make(List<Piece> pieces) {
        return make(pieces, true);
    }

    /** @param repair whether index and trailer are made right; if not, their payloads stay as given */
    static byte[] make(List<Piece> pieces, boolean repair) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteBuffer file = little(FILE_HEADER).put(new byte[] {(byte) 0x89, 'K', 'V', 'C', '\r', '\n', 0x1a, '\n'}).putShort((short) 1).putShort((short) 0);
        out.writeBytes(file.putInt(12, crc(file.array(), 12)).array());
        CRC32C headers = new CRC32C();
        List<Long> offsets = new ArrayList<>();
        long indexOffset = 0;
        for (Piece piece : pieces) {
            byte[] payload = piece.payload;
            if (piece.is(FrameType.INDEX)) {
                indexOffset = out.size();
                if (repair) {
                    ByteBuffer index = little(8 * offsets.size());
                    offsets.forEach(index::putLong);
                    payload = index.array();
                }
            } else if (piece.is(FrameType.TRAILER) && repair) {
                payload = trailer(payload, offsets.size(), (int) headers.getValue());
            }
            ByteBuffer header = little(FRAME_HEADER).put("KVFM".getBytes(java.nio.charset.StandardCharsets.US_ASCII)).put((byte) piece.type).put((byte) 0).putShort((short) 0)
                    .putLong(offsets.size()).putInt(piece.item).putInt(piece.piece).putInt(payload.length).putInt(0).putInt(crc(payload, payload.length));
            header.putInt(36, crc(header.array(), 36));
            headers.update(header.array(), 0, 36);
            offsets.add((long) out.size());
            out.writeBytes(header.array());
            out.writeBytes(payload);
        }
        ByteBuffer footer = little(FOOTER).put("KVCEND\r\n".getBytes(java.nio.charset.StandardCharsets.US_ASCII)).putLong(indexOffset).putInt(0);
        out.writeBytes(footer.putInt(20, crc(footer.array(), 20)).array());
        return out.toByteArray();
    }

    private static byte[] trailer(byte[] payload, int frames, int headersCrc) {
        try {
            Trailer old = Trailer.parse(ByteBuffer.wrap(payload), 0);
            return new Trailer(frames, headersCrc, old.losslessTiles(), old.relativeError(), old.weightedError(), old.fit(), old.errors()).toBytes();
        } catch (MalformedDataException e) {
            return payload;
        }
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    static int crc(byte[] bytes, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, length);
        return (int) crc.getValue();
    }
}
