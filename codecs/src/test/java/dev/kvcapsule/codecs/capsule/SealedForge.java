package dev.kvcapsule.codecs.capsule;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Where the parts of a sealed capsule are, and its checksums made right again after a change: what somebody without keys can forge. */
final class SealedForge {
    static final int MANIFEST = 1;
    static final int TILE = 3;
    static final int INDEX = 4;
    static final int TRAILER = 5;

    /** A frame. @param start where its header begins; @param end one past its tag */
    record Part(int type, int start, int end) {
        int payload() {
            return start + CapsuleForge.FRAME_HEADER;
        }
    }

    private final byte[] capsule;
    private final List<Part> parts = new ArrayList<>();

    SealedForge(byte[] capsule) {
        this.capsule = capsule;
        ByteBuffer in = ByteBuffer.wrap(capsule).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = CapsuleForge.FILE_HEADER; at < capsule.length - CapsuleForge.FOOTER; ) {
            int end = at + CapsuleForge.FRAME_HEADER + in.getInt(at + 24) + in.getInt(at + 28);
            parts.add(new Part(in.get(at + 4), at, end));
            at = end;
        }
    }

    List<Part> parts() {
        return parts;
    }

    List<Part> tiles() {
        return parts.stream().filter(part -> part.type() == TILE).toList();
    }

    Part the(int type) {
        return parts.stream().filter(part -> part.type() == type).findFirst().orElseThrow();
    }

    byte[] bytes(Part part) {
        return Arrays.copyOfRange(capsule, part.start(), part.end());
    }

    /** A copy in which a frame stands in for another of the same length. */
    byte[] with(Part part, byte[] frame) {
        byte[] out = capsule.clone();
        System.arraycopy(frame, 0, out, part.start(), frame.length);
        return out;
    }

    /** Makes the checksums of a frame of {@code bytes}, a changed copy of the capsule, right again: its payload's if it has one, then its header's. */
    void repair(byte[] bytes, Part part) {
        ByteBuffer out = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        boolean encrypted = capsule[part.start() + 5] != 0;
        if (!encrypted) {
            byte[] payload = Arrays.copyOfRange(bytes, part.payload(), part.end());
            out.putInt(part.start() + 32, CapsuleForge.crc(payload, payload.length));
        }
        out.putInt(part.start() + 36, CapsuleForge.crc(Arrays.copyOfRange(bytes, part.start(), part.start() + 36), 36));
    }

    /** The same with the payload's checksum as it was changed, for changes in the header. */
    static void repairHeader(byte[] bytes, Part part) {
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(part.start() + 36, CapsuleForge.crc(Arrays.copyOfRange(bytes, part.start(), part.start() + 36), 36));
    }
}
