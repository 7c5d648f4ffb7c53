package dev.kvcapsule.engine.format;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class CborTest {
    private static byte[] hex(String text) {
        return HexFormat.of().parseHex(text);
    }

    private static Object read(byte[] bytes) throws MalformedDataException {
        return Cbor.read(ByteBuffer.wrap(bytes), 0);
    }

    /** RFC 8949, appendix A: those that deterministic CBOR without tags and with 64-bit floats has. */
    static Stream<Arguments> examples() {
        Map<String, Object> nested = new LinkedHashMap<>();
        nested.put("a", 1L);
        nested.put("b", List.of(2L, 3L));
        List<Object> upTo25 = new ArrayList<>();
        for (long i = 1; i <= 25; i++) {
            upTo25.add(i);
        }
        Map<String, Object> letters = new LinkedHashMap<>();
        for (String letter : List.of("a", "b", "c", "d", "e")) {
            letters.put(letter, letter.toUpperCase(java.util.Locale.ROOT));
        }
        return Stream.of(
                Arguments.of("00", 0L), Arguments.of("01", 1L), Arguments.of("0a", 10L), Arguments.of("17", 23L), Arguments.of("1818", 24L),
                Arguments.of("1819", 25L), Arguments.of("1864", 100L), Arguments.of("1903e8", 1000L), Arguments.of("1a000f4240", 1_000_000L),
                Arguments.of("1b000000e8d4a51000", 1_000_000_000_000L), Arguments.of("20", -1L), Arguments.of("29", -10L), Arguments.of("3863", -100L),
                Arguments.of("3903e7", -1000L), Arguments.of("fb3ff199999999999a", 1.1), Arguments.of("fb7e37e43c8800759c", 1.0e+300),
                Arguments.of("fbc010666666666666", -4.1), Arguments.of("fb7ff0000000000000", Double.POSITIVE_INFINITY),
                Arguments.of("fb7ff8000000000000", Double.NaN), Arguments.of("fbfff0000000000000", Double.NEGATIVE_INFINITY), Arguments.of("f4", false),
                Arguments.of("f5", true), Arguments.of("40", new byte[0]), Arguments.of("4401020304", new byte[] {1, 2, 3, 4}), Arguments.of("60", ""),
                Arguments.of("6161", "a"), Arguments.of("6449455446", "IETF"), Arguments.of("62225c", "\"\\"), Arguments.of("62c3bc", "\u00fc"),
                Arguments.of("63e6b0b4", "\u6c34"), Arguments.of("64f0908591", "\ud800\udd51"), Arguments.of("80", List.of()),
                Arguments.of("83010203", List.of(1L, 2L, 3L)), Arguments.of("8301820203820405", List.of(1L, List.of(2L, 3L), List.of(4L, 5L))),
                Arguments.of("98190102030405060708090a0b0c0d0e0f101112131415161718181819", upTo25), Arguments.of("a0", Map.of()),
                Arguments.of("a26161016162820203", nested), Arguments.of("826161a161626163", List.of("a", Map.of("b", "c"))),
                Arguments.of("a56161614161626142616361436164614461656145", letters));
    }

    @ParameterizedTest
    @MethodSource("examples")
    void examplesOfTheRfcReadAndWrite(String encoded, Object value) throws MalformedDataException {
        assertArrayEquals(hex(encoded), Cbor.write(value));
        Object read = read(hex(encoded));
        if (value instanceof byte[] bytes) {
            assertArrayEquals(bytes, (byte[]) read);
        } else {
            assertEquals(value, read);
        }
    }

    /** Appendix A's other examples, and well-formed CBOR that is not in its one deterministic form. */
    @ParameterizedTest
    @ValueSource(strings = {
        "1bffffffffffffffff", "c249010000000000000000", "3bffffffffffffffff", "c349010000000000000000", // beyond 64 bits
        "f90000", "f93c00", "fa47c35000", "f97e00", "faff800000", // shorter floats
        "f6", "f7", "f0", "f8ff", // null, undefined, simple values
        "c074323031332d30332d32315432303a30343a30305a", "d818456449455446", // tags
        "a201020304", // keys that are not text
        "5f42010243030405ff", "7f657374726561646d696e67ff", "9fff", "bf61610161629f0203ffff", // indefinite lengths
        "1800", "1817", "190000", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3817", "5800", "7800", "9800", "b800", // longer heads
        "a2616201616101", "a2616101616101", "a262616101616101", // keys out of order, twice
        "1c", "1d", "1e", "3f", "5c", "fc", "fd", "fe", "ff", // reserved
        "62c328", "61ff", "63eda080", // not UTF-8
        "0000", "8001", // bytes after the value
    })
    void whatIsNotDeterministicIsRefused(String encoded) {
        String message = assertThrows(MalformedDataException.class, () -> read(hex(encoded))).getMessage();
        assertTrue(message.matches("offset \\d+, CBOR: .+"), message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "18", "1903", "1a000f42", "fb3ff1", "44010203", "6449", "8301", "a26161", "a1", "9affffffff", "bb7fffffffffffffff", "5b7fffffffffffffff",
        "7affffffff", "bb8000000000000000"})
    void lengthsBeyondTheEndAreRefused(String encoded) {
        assertThrows(MalformedDataException.class, () -> read(hex(encoded)));
    }

    @Test
    void nestingIsBounded() throws MalformedDataException {
        byte[] deep = new byte[17];
        java.util.Arrays.fill(deep, (byte) 0x81);
        deep[16] = 0;
        read(deep);
        byte[] deeper = new byte[1 << 20];
        java.util.Arrays.fill(deeper, (byte) 0x81);
        assertThrows(MalformedDataException.class, () -> read(deeper));
    }

    @Test
    void offsetsInMessagesAreThoseOfTheFile() {
        ByteBuffer bytes = ByteBuffer.wrap(hex("ffff820001f6")).position(2);
        String message = assertThrows(MalformedDataException.class, () -> Cbor.read(bytes.duplicate().limit(6), 1000)).getMessage();
        assertEquals("offset 1003, CBOR: 1 bytes after the value", message);
    }

    @Test
    void classesThatCborDoesNotHaveAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> Cbor.write(1.5f));
        assertThrows(IllegalArgumentException.class, () -> Cbor.write(List.of('c')));
    }

    @Provide
    Arbitrary<Object> values() {
        Arbitrary<String> text = Arbitraries.of("", "a", "b", "aa", "\u00fc", "\u6c34", "\ud800\udd51", "k_dim", "x".repeat(23), "x".repeat(24), "x".repeat(300));
        Arbitrary<Object> value = Arbitraries.oneOf(Arbitraries.longs().asGeneric(), Arbitraries.doubles().asGeneric(), Arbitraries.of(true, false).asGeneric(), text.asGeneric());
        for (int depth = 0; depth < 3; depth++) {
            Arbitrary<Object> inner = value;
            value = Arbitraries.oneOf(inner, inner.list().ofMaxSize(4).asGeneric(), Arbitraries.maps(text, inner).ofMaxSize(4).asGeneric());
        }
        return value;
    }

    @Property
    void valuesAreReadBackAndHaveOneEncoding(@ForAll("values") Object value) throws MalformedDataException {
        byte[] bytes = Cbor.write(value);
        Object read = read(bytes);
        assertEquals(value, read);
        assertArrayEquals(bytes, Cbor.write(read));
    }

    @Property(tries = 300)
    void everyTruncationIsRefused(@ForAll("values") Object value) {
        byte[] bytes = Cbor.write(value);
        for (int length = 0; length < bytes.length; length++) {
            ByteBuffer cut = ByteBuffer.wrap(bytes, 0, length);
            assertThrows(MalformedDataException.class, () -> Cbor.read(cut, 0));
        }
    }

    @Property(tries = 300)
    void mutationsAreRefusedOrHaveExactlyThoseBytes(@ForAll("values") Object value, @ForAll Random random) {
        byte[] bytes = Cbor.write(value);
        for (int i = 0; i < 50; i++) {
            byte[] mutated = bytes.clone();
            for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
                mutated[random.nextInt(mutated.length)] = (byte) random.nextInt();
            }
            requireTotal(mutated);
        }
    }

    @Property
    void anyBytesAreRefusedOrHaveExactlyThoseBytes(@ForAll byte[] bytes) {
        requireTotal(bytes);
    }

    private static void requireTotal(byte[] bytes) {
        Object value;
        try {
            value = read(bytes);
        } catch (MalformedDataException e) {
            return;
        }
        assertArrayEquals(bytes, Cbor.write(value));
    }
}
