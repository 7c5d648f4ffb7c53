package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Reads what a capsule carries for its groups of layers, one after the other, from bytes that may be anything. */
final class CarriedBytes {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment bytes;
    private LayerGroup group;
    private long at;

    CarriedBytes(MemorySegment bytes) {
        this.bytes = bytes;
    }

    /** Whose bytes come next, for messages. */
    void begin(LayerGroup next) {
        group = next;
    }

    /** The next bytes; a negative number of them there never is. */
    MemorySegment take(long count) throws MalformedDataException {
        if (count < 0 || count > bytes.byteSize() - at) {
            throw malformed("ends early");
        }
        at += count;
        return bytes.asSlice(at - count, count);
    }

    /** The next four bytes as a number. */
    int integer() throws MalformedDataException {
        return take(4).get(INT, 0);
    }

    /** The next number of components. @param most what there can be of them in this cache, by the other rules */
    int components(int most) throws MalformedDataException {
        int components = integer();
        if (components < 0 || components > most || (long) components * group.width() > CarriedRows.MAX_CODES) {
            throw malformed("has " + components + " components");
        }
        return components;
    }

    float finite(float value) throws MalformedDataException {
        if (!Float.isFinite(value)) {
            throw malformed("holds a number that is not finite");
        }
        return value;
    }

    MalformedDataException malformed(String what) {
        return new MalformedDataException("basis of " + group + " " + what);
    }

    /** Checks that nothing follows. */
    void end() throws MalformedDataException {
        if (at != bytes.byteSize()) {
            throw new MalformedDataException("basis: " + (bytes.byteSize() - at) + " bytes follow the last group");
        }
    }
}
