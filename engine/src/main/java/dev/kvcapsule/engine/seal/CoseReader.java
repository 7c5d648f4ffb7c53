package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.MalformedDataException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** The pieces of CBOR that a signed message's frame is made of, in their shortest form; what is signed is read by {@link dev.kvcapsule.engine.format.Cbor}. */
final class CoseReader {
    private static final int UNSIGNED = 0;
    private static final int NEGATIVE = 1;
    private static final int BYTES = 2;
    private static final int TEXT = 3;
    private static final int ARRAY = 4;
    private static final int MAP = 5;
    private static final int TAG = 6;

    private final ByteBuffer in;
    private final long base;

    CoseReader(byte[] bytes, long offset) {
        this.in = ByteBuffer.wrap(bytes);
        this.base = offset;
    }

    long offset() {
        return base + in.position();
    }

    MalformedDataException malformed(String reason) {
        return MalformedDataException.at(offset(), "COSE", reason);
    }

    private int next() throws MalformedDataException {
        if (!in.hasRemaining()) {
            throw malformed("ends in the middle");
        }
        return in.get() & 0xff;
    }

    private long head(int... majors) throws MalformedDataException {
        int initial = next();
        boolean wanted = false;
        for (int major : majors) {
            wanted |= initial >>> 5 == major;
        }
        if (!wanted) {
            throw malformed("major type " + (initial >>> 5) + " where another belongs");
        }
        int info = initial & 31;
        long argument = info;
        if (info > 26) {
            throw malformed("a length that is indefinite, reserved or too large");
        }
        if (info >= 24) {
            argument = 0;
            for (int i = 0; i < 1 << (info - 24); i++) {
                argument = argument << 8 | next();
            }
        }
        return initial >>> 5 == NEGATIVE ? ~argument : argument;
    }

    int tag() throws MalformedDataException {
        return (int) head(TAG);
    }

    void array(int length) throws MalformedDataException {
        if (head(ARRAY) != length) {
            throw malformed("an array that does not have " + length + " elements");
        }
    }

    void map(int length) throws MalformedDataException {
        if (head(MAP) != length) {
            throw malformed("a header that does not have " + length + " fields");
        }
    }

    void emptyMap() throws MalformedDataException {
        map(0);
    }

    void label(int label) throws MalformedDataException {
        if (integer() != label) {
            throw malformed("a header without field " + label);
        }
    }

    long integer() throws MalformedDataException {
        return head(UNSIGNED, NEGATIVE);
    }

    byte[] bytes() throws MalformedDataException {
        return take(head(BYTES));
    }

    String text() throws MalformedDataException {
        return new String(take(head(TEXT)), StandardCharsets.UTF_8);
    }

    private byte[] take(long length) throws MalformedDataException {
        if (length > in.remaining()) {
            throw malformed("a string of " + length + " bytes where " + in.remaining() + " are left");
        }
        byte[] bytes = new byte[(int) length];
        in.get(bytes);
        return bytes;
    }

    void end() throws MalformedDataException {
        if (in.hasRemaining()) {
            throw malformed(in.remaining() + " bytes after the message");
        }
    }
}
