package dev.kvcapsule.engine.keys;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
    @Test
    void whatKeyFilesHaveIsRead() {
        assertEquals(Map.of("a", List.of(0L, -7L, Long.MAX_VALUE, Long.MIN_VALUE), "b", true, "c", Map.of(), "d", List.of(), "e", false),
                Json.read(" {\"a\": [0, -7,9223372036854775807\t,-9223372036854775808], \"b\":true,\r\n\"c\": { }, \"d\": [ ], \"e\": false} "));
        assertEquals("\"\\/\b\f\n\r\t\u00e9\u20acA", Json.read("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\u0041\""));
    }

    @Test
    void whatIsWrittenIsReadBack() {
        Map<String, Object> value = Map.of("a \"\\\n\u0001\u00e9", List.of(1L, Map.of(), List.of(), true, "x"), "b", Map.of("c", -5L));
        assertEquals(value, Json.read(Json.write(value)));
    }

    /** RFC 8259, section 6; digits of other scripts are none there. */
    @ParameterizedTest
    @ValueSource(strings = {"-", "+1", "01", "-01", "00", "--1", "1-", "1.5", "1e3", ".5", "0x1", "\u0661", "1\u0661", "\uff11", "9223372036854775808", "NaN", "- 1", "1 2"})
    void otherNumbersAreNot(String text) {
        assertRefused(text);
        assertRefused("[" + text + "]");
        assertRefused("{\"a\": " + text + "}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "null", "tru", "True", "truefalse", "[1,]", "[,1]", "[1", "{\"a\"}", "{\"a\": 1,}", "{a: 1}", "{\"a\": 1, \"a\": 1}", "[] []", "'a'", "\"", "\"\\x\"", "\"\\u12\"",
        "\"\\u00g0\"", "\"\\u\uff10041\"", "\"\\u+041\"", "\"\t\"", "\u00a0[]", "\ufeff[]", "[[[[[[[[[[]]]]]]]]]]"})
    void whatIsNoJsonOrNotInKeyFilesIsNot(String text) {
        assertRefused(text);
    }

    @Test
    void messagesDoNotQuote() {
        for (String text : List.of("{\"k\": \"hunter2", "{\"k\": hunter2}", "{\"hunter2\": 1, \"hunter2\": 2}", "[\"hunter2\"]", "{\"k\": \"\\hunter2\"}", "{} hunter2")) {
            assertFalse(assertThrows(IllegalArgumentException.class, () -> Json.readObject(text), text).getMessage().contains("hunter2"));
        }
    }

    private static void assertRefused(String text) {
        assertThrows(IllegalArgumentException.class, () -> Json.read(text), text);
    }
}
