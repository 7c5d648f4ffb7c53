package dev.kvcapsule.codecs.golden;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/** Reads the golden vectors; their format is in testdata/golden/README.md. */
public final class GoldenCases {
    private GoldenCases() {}

    /** A record of a {@code .cases} file. */
    public record Case(Map<String, String> fields) {
        @Override
        public String toString() {
            return fields.get("case");
        }

        public String text(String key) {
            return fields.get(key);
        }

        public int number(String key) {
            return Integer.parseInt(fields.get(key));
        }

        public ElementType element(String key) {
            return ElementType.valueOf(fields.get(key).toUpperCase(Locale.ROOT));
        }

        /** The bytes of an output that is kept whole. */
        public byte[] part(String name) {
            int offset = 0;
            for (Map.Entry<String, String> field : fields.entrySet()) {
                if (field.getKey().startsWith("out.")) {
                    int length = Integer.parseInt(field.getValue().split(" ")[0]);
                    if (field.getKey().equals("out." + name)) {
                        return Arrays.copyOfRange(bytes(fields.get("full")), offset, offset + length);
                    }
                    offset += length;
                }
            }
            throw new IllegalArgumentException(this + " has no " + name);
        }

        /** Checks an output against its digest, and its bytes if they are kept. */
        public void check(String name, MemorySegment actual, String how) {
            String[] expected = fields.get("out." + name).split(" ");
            byte[] bytes = actual.asSlice(0, Long.parseLong(expected[0])).toArray(ValueLayout.JAVA_BYTE);
            if (fields.containsKey("full")) {
                assertArrayEquals(part(name), bytes, () -> this + ", " + name + ", " + how);
            }
            assertEquals(expected[1], digest(bytes), () -> this + ", " + name + ", " + how);
        }

        /** The rows that a matrix case begins with, in its element type. */
        public MemorySegment input(Arena arena) {
            byte[] stored = bytes(text("input"));
            String storedType = text("input").replaceAll(".*\\.(\\w+)\\.bin", "$1");
            int size = storedType.equals("f32") ? 4 : 2;
            int width = number("width");
            int tokens = number("tokens");
            boolean transpose = "1".equals(text("transpose"));
            int storedWidth = transpose ? stored.length / size / width : width;
            MemorySegment out = arena.allocate((long) tokens * width * size);
            for (int t = 0; t < tokens; t++) {
                for (int c = 0; c < width; c++) {
                    int from = transpose ? c * storedWidth + t : t * width + c;
                    MemorySegment.copy(stored, from * size, out, ValueLayout.JAVA_BYTE, ((long) t * width + c) * size, size);
                }
            }
            ElementType element = element("element");
            if (storedType.equals(text("element"))) {
                return out;
            }
            long elements = (long) tokens * width;
            MemorySegment floats = arena.allocate(4 * elements);
            MemorySegment converted = arena.allocate(elements * element.bytes());
            Kernels.scalar().convert().toF32(ElementType.valueOf(storedType.toUpperCase(Locale.ROOT)), out, 0, floats, 0, elements);
            Kernels.scalar().convert().fromF32(element, floats, 0, converted, 0, elements);
            return converted;
        }
    }

    /** All cases of a family. */
    public static Stream<Case> of(String family) {
        List<Case> cases = new ArrayList<>();
        for (String record : new String(bytes(family + ".cases"), StandardCharsets.UTF_8).split("\n\n")) {
            Map<String, String> fields = new LinkedHashMap<>();
            for (String line : record.strip().split("\n")) {
                int equals = line.indexOf('=');
                fields.put(line.substring(0, equals), line.substring(equals + 1));
            }
            cases.add(new Case(fields));
        }
        return cases.stream();
    }

    /** Both kinds. */
    public static List<Kernels> kernels() {
        return List.of(Kernels.scalar(), Kernels.panama());
    }

    public static MemorySegment segment(byte[] bytes, Arena arena) {
        return arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
    }

    private static byte[] bytes(String path) {
        try (InputStream in = Samples.golden(path)) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static String digest(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes), 0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
