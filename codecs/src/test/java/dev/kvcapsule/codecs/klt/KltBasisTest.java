package dev.kvcapsule.codecs.klt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.codecs.capsule.TestCaches;
import dev.kvcapsule.codecs.coefficients.CoefficientTables;
import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.calibration.BasisDescription;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.kernel.TransformBasis;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class KltBasisTest {
    private static final int HEADER = BasisForge.HEADER;
    private static final int DIGEST = BasisForge.DIGEST;

    /** Components of a basis that are in 8 bits. */
    private static final int FINE = 3;

    private final Arena arena = Arena.ofConfined();

    @AfterEach
    void close() {
        arena.close();
    }

    private static List<LayerLayout> model() {
        return List.of(TestCaches.layer(0, 2, 16, 8, DType.F16, DType.F16), TestCaches.layer(1, 1, 20, 0, DType.F16, DType.F16));
    }

    private static CacheLayout layout(List<LayerLayout> layers) {
        return TestCaches.layout(40, TestCaches.dense(40, layers));
    }

    private MemorySegment floats(int count, float scale) {
        MemorySegment floats = arena.allocate(4L * count, 64);
        for (int i = 0; i < count; i++) {
            floats.set(Transform.FLOAT, 4L * i, scale * (float) Math.sin(i + 1));
        }
        return floats;
    }

    private KltBasis.Group group(LayerGroup group, int components) {
        int width = group.width();
        MemorySegment codes = arena.allocate((long) components * width, 64);
        for (long i = 0; i < codes.byteSize(); i++) {
            codes.set(ValueLayout.JAVA_BYTE, i, (byte) (i < (long) FINE * width ? i * 37 : i * 5 % 16 - 8));
        }
        MemorySegment scales = arena.allocate(2L * components * TransformBasis.runs(width), 64);
        for (long i = 0; i < scales.byteSize(); i += 2) {
            scales.set(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(0.01f + i * 0.001f));
        }
        return new KltBasis.Group(group.subCache(), group.firstLayer(), group.layers().stream().map(KltBasis::describe).toList(), group.headDims(), floats(width, 2),
                floats(components, 3), floats((int) HeadWeighting.floats(group.headDims()), 1),
                group.firstLayer() == 0 ? TokenSensitivity.UNKNOWN : new TokenSensitivity(new float[TokenSensitivity.OTHERS + group.headDims().length]), 0.0625, FINE, new TransformBasis(codes, scales, components, width));
    }

    /** A basis of two groups, one layer each. */
    private byte[] basis() throws IOException {
        List<KltBasis.Group> groups = new ArrayList<>();
        for (LayerGroup group : LayerGroup.of(0, layout(model()).subCaches().getFirst(), 1)) {
            groups.add(group(group, 5 + group.firstLayer()));
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        String digest = KltBasis.write(1, Map.of("model", "made up"), groups, CoefficientTables.standard(), Channels.newChannel(out));
        assertEquals(digest, HexFormat.of().formatHex(out.toByteArray(), out.size() - DIGEST, out.size()));
        return out.toByteArray();
    }

    private KltBasis parse(byte[] bytes) throws IOException {
        return KltBasis.parse(arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes));
    }

    private String malformed(byte[] bytes, String what) {
        String message = assertThrows(MalformedDataException.class, () -> parse(bytes), what).getMessage();
        assertFalse(message.isBlank() || message.chars().anyMatch(Character::isISOControl), message);
        return message;
    }

    private static Map<String, Object> firstGroup(Map<String, Object> header) {
        return BasisForge.first(header, "groups");
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        byte[] bytes = basis();
        KltBasis read = parse(bytes);
        assertEquals(1, read.layersPerGroup());
        assertEquals(Map.of("model", "made up"), read.facts());
        assertEquals(bytes.length, read.bytes());
        assertEquals(2, read.groups().size());
        int number = 0;
        for (LayerGroup group : LayerGroup.of(0, layout(model()).subCaches().getFirst(), 1)) {
            KltBasis.Group expected = group(group, 5 + group.firstLayer());
            KltBasis.Group actual = read.groups().get(number++);
            assertEquals(expected.firstLayer(), actual.firstLayer());
            assertEquals(expected.layers(), actual.layers());
            assertArrayEquals(expected.headDims(), actual.headDims());
            assertEquals(-1, expected.mean().mismatch(actual.mean()));
            assertEquals(-1, expected.deviations().mismatch(actual.deviations()));
            assertEquals(-1, expected.backward().mismatch(actual.backward()));
            assertEquals(-1, expected.basis().codes().mismatch(actual.basis().codes()));
            assertEquals(-1, expected.basis().scales().mismatch(actual.basis().scales()));
        }
        ByteArrayOutputStream again = new ByteArrayOutputStream();
        assertEquals(read.digest(), KltBasis.write(read.layersPerGroup(), read.facts(), read.groups(), read.tables(), Channels.newChannel(again)));
        assertArrayEquals(bytes, again.toByteArray());
        // What the forge below makes of an unchanged header is the same file.
        assertArrayEquals(bytes, BasisForge.withHeader(bytes, header -> {}));
    }

    @Test
    void aBasisIsRecognisedAndDescribed() throws IOException {
        byte[] bytes = basis();
        MemorySegment file = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
        assertEquals("klt", Calibrations.recognise(file).orElseThrow().codec());
        BasisDescription description = Calibrations.of("klt").describe(file);
        assertEquals(HexFormat.of().formatHex(bytes, bytes.length - DIGEST, bytes.length), description.digest());
        assertEquals(List.of(48, 20), description.transforms().stream().map(BasisDescription.Transform::width).toList());
        assertEquals(List.of(5, 6), description.transforms().stream().map(BasisDescription.Transform::components).toList());
        for (byte[] other : new byte[][] {new byte[0], new byte[7], new byte[100]}) {
            assertTrue(Calibrations.recognise(arena.allocateFrom(ValueLayout.JAVA_BYTE, other)).isEmpty());
        }
        assertThrows(IllegalArgumentException.class, () -> Calibrations.of("raw"));
    }

    @Test
    void truncationsAndExtensionsAreRefused() throws IOException {
        byte[] bytes = basis();
        for (int length = 0; length < bytes.length; length += length < 1000 ? 1 : 7) {
            malformed(Arrays.copyOf(bytes, length), "length " + length);
        }
        malformed(Arrays.copyOf(bytes, bytes.length + 1), "longer");
        // With a digest that holds, nothing but the length is wrong.
        for (int length = HEADER + DIGEST; length < bytes.length; length += 97) {
            malformed(BasisForge.sealed(Arrays.copyOf(bytes, length)), "sealed length " + length);
        }
        for (int more : new int[] {1, 63, 64, 5000}) {
            assertTrue(malformed(BasisForge.sealed(Arrays.copyOf(bytes, bytes.length + more)), "more").contains("bytes follow the last section"));
        }
    }

    @Test
    void flippedBitsAreRefused() throws IOException {
        byte[] bytes = basis();
        Random random = new Random(1);
        for (int at = 0; at < bytes.length; at += at < 1000 ? 1 : 7) {
            byte[] flipped = bytes.clone();
            flipped[at] ^= (byte) (1 << random.nextInt(8));
            if (at >= 8 && at < 12) {
                assertThrows(CapsuleRefusedException.class, () -> parse(flipped));
            } else {
                malformed(flipped, "byte " + at);
            }
        }
    }

    @Test
    void otherVersionsAreRefusedAsSuch() throws IOException {
        for (int version : new int[] {0, 1, 2, 4, -1}) {
            byte[] bytes = basis();
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(8, version);
            String message = assertThrows(CapsuleRefusedException.class, () -> parse(BasisForge.sealed(bytes))).getMessage();
            assertTrue(message.contains("version " + version), message);
        }
    }

    @Test
    void theDigestIsThatOfAllBytesBefore() throws IOException {
        byte[] bytes = basis();
        byte[] before = bytes.clone();
        assertArrayEquals(before, BasisForge.sealed(bytes));
        bytes[bytes.length - 1] ^= 1;
        assertTrue(malformed(bytes, "digest").contains("damaged"));
    }

    @Test
    void headerLengthsBeyondTheFileAreRefused() throws IOException {
        for (int length : new int[] {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, 0, 1, basis().length}) {
            byte[] bytes = basis();
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(12, length);
            malformed(BasisForge.sealed(bytes), "header of " + length);
        }
    }

    @Test
    void headersThatDoNotFitTheFileAreRefused() throws IOException {
        byte[] bytes = basis();
        List<Consumer<Map<String, Object>>> changes = List.of(
                header -> header.put("layers_per_group", -1L),
                header -> header.put("layers_per_group", 1L << 40),
                header -> header.put("layers_per_group", "1"),
                header -> header.put("unknown", 1L),
                header -> header.remove("facts"),
                header -> header.put("facts", List.of()),
                header -> header.put("facts", Map.of("model", 3L)),
                header -> header.put("groups", List.of()),
                header -> header.put("groups", List.of(3L)),
                header -> header.put("groups", java.util.Collections.nCopies(3000, firstGroup(header))),
                header -> firstGroup(header).put("cache", -1L),
                header -> firstGroup(header).put("cache", Long.MAX_VALUE),
                header -> firstGroup(header).put("first", -1L),
                header -> firstGroup(header).put("components", -1L),
                header -> firstGroup(header).put("components", 49L),
                header -> firstGroup(header).put("components", 48L),
                header -> firstGroup(header).put("components", Long.MAX_VALUE),
                header -> firstGroup(header).put("heads", List.of()),
                header -> firstGroup(header).put("heads", List.of(0L)),
                header -> firstGroup(header).put("heads", List.of(-16L, 64L)),
                header -> firstGroup(header).put("heads", List.of(1L << 32)),
                header -> firstGroup(header).put("heads", List.of(65_536L)),
                header -> firstGroup(header).put("heads", java.util.Collections.nCopies(2000, 65_536L)),
                header -> firstGroup(header).put("heads", List.of("16")),
                header -> firstGroup(header).put("heads", List.of(16L, 16L)),
                header -> firstGroup(header).put("layers", List.of()),
                header -> firstGroup(header).put("layers", Map.of("0", "layer 0")),
                header -> firstGroup(header).put("layers", "layer 0"),
                header -> firstGroup(header).put("layers", List.of("a", 5L)),
                header -> firstGroup(header).put("outside", 1L),
                header -> firstGroup(header).put("outside", -0.001),
                header -> firstGroup(header).put("outside", 1.001),
                header -> firstGroup(header).put("outside", Double.NaN),
                header -> firstGroup(header).put("more", 1L));
        for (int i = 0; i < changes.size(); i++) {
            malformed(BasisForge.withHeader(bytes, changes.get(i)), "change " + i);
        }
    }

    @Test
    void numbersThatAreNotFiniteAreRefused() throws IOException {
        byte[] good = basis();
        MemorySegment file = arena.allocateFrom(ValueLayout.JAVA_BYTE, good);
        KltBasis.Group group = KltBasis.parse(file).groups().getLast();
        for (MemorySegment section : List.of(group.mean(), group.deviations(), group.backward())) {
            for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
                byte[] bytes = good.clone();
                MemorySegment.ofArray(bytes).set(Transform.FLOAT, section.address() - file.address() + section.byteSize() - 4, bad);
                malformed(BasisForge.sealed(bytes), "float " + bad);
            }
        }
        for (int half : new int[] {0x7c00, 0xfc00, 0x7e00}) {
            byte[] bytes = good.clone();
            MemorySegment.ofArray(bytes).set(ValueLayout.JAVA_SHORT_UNALIGNED, group.basis().scales().address() - file.address(), (short) half);
            malformed(BasisForge.sealed(bytes), "half " + half);
        }
    }

    @Test
    void anyDamageUnderADigestThatHoldsIsDecodedOrRefused() throws IOException {
        byte[] good = basis();
        int interesting = HEADER + ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getInt(12);
        Random random = new Random(2);
        int refused = 0;
        for (int round = 0; round < 3000; round++) {
            byte[] bytes = good.clone();
            for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
                bytes[8 + random.nextInt(interesting - 8)] = (byte) (random.nextBoolean() ? random.nextInt() : random.nextInt(24));
            }
            try {
                KltBasis basis = parse(BasisForge.sealed(bytes));
                basis.transforms(layout(model()), settings("1"), arena);
                Calibrations.of("klt").describe(arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes));
            } catch (MalformedDataException | CapsuleRefusedException e) {
                refused++;
            }
        }
        assertTrue(refused > 2000 && refused < 3000, refused + " refused");
    }

    private static KltSettings settings(String group) {
        return new KltSettings("0".repeat(64), "0", group, java.util.OptionalDouble.of(1), java.util.OptionalDouble.empty(), java.util.OptionalDouble.empty(), 4, 128);
    }

    private String refused(List<LayerLayout> other, String group) throws IOException {
        KltBasis basis = parse(basis());
        basis.transforms(layout(model()), settings("1"), arena);
        String message = assertThrows(CapsuleRefusedException.class, () -> basis.transforms(layout(other), settings(group), arena)).getMessage();
        assertTrue(message.contains(basis.digest()), message);
        return message;
    }

    @Test
    void aBasisOfAnotherModelIsRefusedAndWhatDiffersIsNamed() throws IOException {
        LayerLayout first = model().getFirst();
        LayerLayout second = model().getLast();
        String heads = refused(List.of(TestCaches.layer(0, 3, 16, 8, DType.F16, DType.F16), second), "1");
        assertTrue(heads.contains("layer 0: 2 x 16 + 8") && heads.contains("layer 0: 3 x 16 + 8"), heads);
        assertTrue(refused(List.of(first, TestCaches.layer(1, 1, 20, 20, DType.F16, DType.F16)), "1").contains("layer 1: 1 x 20 + 20"));
        assertTrue(refused(List.of(first), "1").contains("where the cache has no more layers"));
        assertTrue(refused(List.of(first, second, TestCaches.layer(2, 1, 20, 0, DType.F16, DType.F16)), "1").contains("no more layers"));
        assertTrue(refused(List.of(second, first), "1").contains("where the cache has layer 1"));
        refused(model(), "2");
        LayerLayout unread = new LayerLayout(0, 2, 16, 8, DType.F16, DType.F16, Optional.empty(), 0);
        assertTrue(refused(List.of(unread, second), "1").contains("--model M.gguf does"));
        Rope rope = first.rope().orElseThrow();
        for (Optional<Rope> other : List.of(Optional.of(new Rope(Rope.Pairing.INTERLEAVED, rope.base(), rope.dims(), 1, List.of())),
                Optional.of(new Rope(rope.pairing(), 500_000, rope.dims(), 1, List.of())), Optional.of(new Rope(rope.pairing(), rope.base(), 8, 1, List.of())),
                Optional.of(new Rope(rope.pairing(), rope.base(), rope.dims(), 0.25, List.of())),
                Optional.of(new Rope(rope.pairing(), rope.base(), rope.dims(), 1, List.of(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0))))) {
            refused(List.of(new LayerLayout(0, 2, 16, 8, DType.F16, DType.F16, other, 0), second), "1");
        }
    }

    @Test
    void aBasisIsForAModelWhateverTheTypeOfItsCache() throws IOException {
        List<LayerLayout> other = List.of(TestCaches.layer(0, 2, 16, 8, DType.F32, DType.BF16), TestCaches.layer(1, 1, 20, 0, DType.BF16, DType.BF16));
        parse(basis()).transforms(layout(other), settings("1"), arena);
    }

    @Test
    void headsThatAreNotTheCachesAreRefused() throws IOException {
        // The names agree and the width does, but the matrices are those of other heads.
        byte[] bytes = BasisForge.withHeader(basis(), header -> firstGroup(header).put("heads", List.of(8L, 8L, 16L, 16L)));
        KltBasis basis = parse(bytes);
        assertThrows(CapsuleRefusedException.class, () -> basis.transforms(layout(model()), settings("1"), arena));
    }
}
