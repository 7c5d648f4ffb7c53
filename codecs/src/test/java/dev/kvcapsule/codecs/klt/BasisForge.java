package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.format.Cbor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Changes files that a {@link dev.kvcapsule.codecs.principal.BasisFileWriter} wrote, and makes their digests hold again. */
final class BasisForge {
    static final int HEADER = 16;
    static final int DIGEST = 32;

    private BasisForge() {}

    /** The file with a digest that holds. */
    static byte[] sealed(byte[] bytes) {
        try {
            byte[] sum = MessageDigest.getInstance("SHA-256").digest(Arrays.copyOf(bytes, bytes.length - DIGEST));
            System.arraycopy(sum, 0, bytes, bytes.length - DIGEST, DIGEST);
            return bytes;
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    /** Where the sections begin. */
    static int sections(byte[] file) {
        return HEADER + ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getInt(12) + 63 & -64;
    }

    /** The file with another CBOR header, sections where they then belong, and a digest that holds. */
    static byte[] withHeader(byte[] file, Consumer<Map<String, Object>> change) throws IOException {
        int length = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getInt(12);
        Map<String, Object> header = map(changeable(Cbor.read(ByteBuffer.wrap(file, HEADER, length).slice(), 0)));
        change.accept(header);
        byte[] changed = Cbor.write(header);
        int sections = sections(file);
        int now = HEADER + changed.length + 63 & -64;
        ByteBuffer out = ByteBuffer.allocate(now + file.length - sections).order(ByteOrder.LITTLE_ENDIAN);
        out.put(file, 0, 12).putInt(changed.length).put(changed).position(now).put(file, sections, file.length - sections);
        return sealed(out.array());
    }

    private static Object changeable(Object value) {
        return switch (value) {
            case Map<?, ?> map -> {
                Map<String, Object> copy = new LinkedHashMap<>();
                map.forEach((key, element) -> copy.put((String) key, changeable(element)));
                yield copy;
            }
            case List<?> list -> {
                List<Object> copy = new ArrayList<>();
                list.forEach(element -> copy.add(changeable(element)));
                yield copy;
            }
            default -> value;
        };
    }

    @SuppressWarnings("unchecked") // a header's maps have text keys
    static Map<String, Object> map(Object value) {
        return (Map<String, Object>) value;
    }

    /** The first map of an array of maps. */
    static Map<String, Object> first(Map<String, Object> map, String array) {
        return map(((List<?>) map.get(array)).getFirst());
    }
}
