package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Deterministic CBOR (RFC 8949, section 4.2.1): shortest heads, definite lengths, map keys in byte order. Values are {@link Long},
 * {@link Double} (always 64 bits), {@link Boolean}, {@link String}, {@code byte[]}, {@link List} and {@link Map} with text keys. The
 * reader accepts exactly what the writer writes, so that a value has one encoding and can be signed as bytes.
 */
public final class Cbor {
    private static final int MAX_DEPTH = 16;

    private static final int UNSIGNED = 0;
    private static final int NEGATIVE = 1;
    private static final int BYTES = 2;
    private static final int TEXT = 3;
    private static final int ARRAY = 4;
    private static final int MAP = 5;
    private static final int SIMPLE = 7;
    private static final int FALSE = 20;
    private static final int TRUE = 21;
    private static final int DOUBLE = 27;

    private Cbor() {}

    /** @throws IllegalArgumentException if a value is of another class */
    public static byte[] write(Object value) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        write(value, out);
        return out.toByteArray();
    }

    private static void write(Object value, ByteArrayOutputStream out) {
        switch (value) {
            case Long number -> head(number < 0 ? NEGATIVE : UNSIGNED, number < 0 ? ~number : number, out);
            case Integer number -> write((long) number, out);
            case Double number -> {
                out.write(SIMPLE << 5 | DOUBLE);
                out.writeBytes(ByteBuffer.allocate(8).putDouble(number).array());
            }
            case Boolean flag -> out.write(SIMPLE << 5 | (flag ? TRUE : FALSE));
            case byte[] bytes -> {
                head(BYTES, bytes.length, out);
                out.writeBytes(bytes);
            }
            case String text -> {
                byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
                head(TEXT, utf8.length, out);
                out.writeBytes(utf8);
            }
            case List<?> list -> {
                head(ARRAY, list.size(), out);
                list.forEach(element -> write(element, out));
            }
            case Map<?, ?> map -> {
                TreeMap<byte[], Object> sorted = new TreeMap<>(Arrays::compareUnsigned);
                map.forEach((key, element) -> sorted.put(write(key), element));
                head(MAP, sorted.size(), out);
                sorted.forEach((key, element) -> {
                    out.writeBytes(key);
                    write(element, out);
                });
            }
            default -> throw new IllegalArgumentException("CBOR of a " + value.getClass().getName());
        }
    }

    private static void head(int major, long argument, ByteArrayOutputStream out) {
        if (argument < 24) {
            out.write(major << 5 | (int) argument);
            return;
        }
        int width = argument < 1L << 8 ? 0 : argument < 1L << 16 ? 1 : argument < 1L << 32 ? 2 : 3;
        out.write(major << 5 | 24 + width);
        for (int shift = (8 << width) - 8; shift >= 0; shift -= 8) {
            out.write((int) (argument >>> shift));
        }
    }

    /**
     * @param bytes exactly one value
     * @param offset where the bytes lie in their file, for messages
     * @throws MalformedDataException if they are anything but one deterministic encoding
     */
    public static Object read(ByteBuffer bytes, long offset) throws MalformedDataException {
        Reader reader = new Reader(bytes.duplicate(), offset);
        Object value = reader.value(0);
        if (reader.in.hasRemaining()) {
            throw reader.malformed(reader.in.remaining() + " bytes after the value");
        }
        return value;
    }

    private static final class Reader {
        private final ByteBuffer in;
        private final long base;

        Reader(ByteBuffer in, long offset) {
            this.in = in;
            this.base = offset - in.position();
        }

        MalformedDataException malformed(String reason) {
            return MalformedDataException.at(base + in.position(), "CBOR", reason);
        }

        int unsigned() throws MalformedDataException {
            if (!in.hasRemaining()) {
                throw malformed("ends in the middle of a value");
            }
            return in.get() & 0xff;
        }

        Object value(int depth) throws MalformedDataException {
            if (depth > MAX_DEPTH) {
                throw malformed("nested deeper than " + MAX_DEPTH);
            }
            int initial = unsigned();
            int major = initial >>> 5;
            int info = initial & 31;
            if (major == SIMPLE) {
                return simple(info);
            }
            long argument = argument(info);
            return switch (major) {
                case UNSIGNED -> argument;
                case NEGATIVE -> ~argument;
                case BYTES -> take(argument);
                case TEXT -> text(argument);
                case ARRAY -> array(argument, depth);
                case MAP -> map(argument, depth);
                default -> throw malformed("tags are not used");
            };
        }

        private Object simple(int info) throws MalformedDataException {
            switch (info) {
                case FALSE:
                    return false;
                case TRUE:
                    return true;
                case DOUBLE:
                    if (in.remaining() < 8) {
                        throw malformed("ends in the middle of a number");
                    }
                    return in.getDouble();
                default:
                    throw malformed("simple value " + info + " is not used");
            }
        }

        private long argument(int info) throws MalformedDataException {
            if (info < 24) {
                return info;
            }
            if (info > 27) {
                throw malformed("indefinite or reserved length");
            }
            int bytes = 1 << (info - 24);
            long argument = 0;
            for (int i = 0; i < bytes; i++) {
                argument = argument << 8 | unsigned();
            }
            long least = bytes == 1 ? 24 : 1L << (4 * bytes);
            if (argument < least) {
                throw malformed("number " + argument + " is negative, too large or not in its shortest form");
            }
            return argument;
        }

        private byte[] take(long length) throws MalformedDataException {
            if (length > in.remaining()) {
                throw malformed("a string of " + length + " bytes where " + in.remaining() + " are left");
            }
            byte[] bytes = new byte[(int) length];
            in.get(bytes);
            return bytes;
        }

        private String text(long length) throws MalformedDataException {
            byte[] utf8 = take(length);
            try {
                CharBuffer text = StandardCharsets.UTF_8.newDecoder()
                        .onMalformedInput(CodingErrorAction.REPORT)
                        .onUnmappableCharacter(CodingErrorAction.REPORT)
                        .decode(ByteBuffer.wrap(utf8));
                return text.toString();
            } catch (CharacterCodingException e) {
                throw malformed("text is not UTF-8");
            }
        }

        private List<Object> array(long length, int depth) throws MalformedDataException {
            if (length > in.remaining()) {
                throw malformed("an array of " + length + " where " + in.remaining() + " bytes are left");
            }
            List<Object> list = new ArrayList<>();
            for (long i = 0; i < length; i++) {
                list.add(value(depth + 1));
            }
            return list;
        }

        private Map<String, Object> map(long length, int depth) throws MalformedDataException {
            if (length > in.remaining() / 2) {
                throw malformed("a map of " + length + " where " + in.remaining() + " bytes are left");
            }
            Map<String, Object> map = new LinkedHashMap<>();
            byte[] previous = null;
            for (long i = 0; i < length; i++) {
                int start = in.position();
                if (!(value(depth + 1) instanceof String key)) {
                    throw malformed("a map key that is not text");
                }
                byte[] encoded = new byte[in.position() - start];
                in.get(start, encoded);
                if (previous != null && Arrays.compareUnsigned(previous, encoded) >= 0) {
                    throw malformed("map keys are not in byte order");
                }
                previous = encoded;
                map.put(key, value(depth + 1));
            }
            return map;
        }
    }
}
