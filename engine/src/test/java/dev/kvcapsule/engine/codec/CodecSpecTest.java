package dev.kvcapsule.engine.codec;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CodecSpecTest {
    @Provide
    Arbitrary<CodecSpec> specs() {
        Arbitrary<String> word = Arbitraries.strings().withCharRange('a', 'z').withCharRange('0', '9').withChars('-').ofMinLength(1).ofMaxLength(8);
        Arbitrary<String> value = Arbitraries.strings().ascii().excludeChars(',').ofMaxLength(8);
        return Combinators.combine(word.map(rest -> "k" + rest), Arbitraries.maps(word, value).ofMaxSize(5)).as((name, map) -> new CodecSpec(name, new TreeMap<>(map)));
    }

    @Property
    void textIsReadBack(@ForAll("specs") CodecSpec spec) {
        assertEquals(spec, CodecSpec.parse(spec.toString()));
    }

    @Property
    void anyTextIsASpecOrRefused(@ForAll String text) {
        try {
            CodecSpec spec = CodecSpec.parse(text);
            assertEquals(spec, CodecSpec.parse(spec.toString()));
        } catch (IllegalArgumentException e) {
            assertTrue(e.getMessage().length() > 10);
        }
    }

    @Test
    void parametersAreSortedInTheCanonicalForm() {
        assertEquals("kivi:bits=4,group=32", CodecSpec.parse("kivi:group=32,bits=4").toString());
        assertEquals("kivi", CodecSpec.parse("kivi").toString());
        assertEquals("a:b=c=d", CodecSpec.parse("a:b=c=d").toString());
        assertEquals("kivi:bits=2", CodecSpec.parse("kivi:bits=4").with("bits", 2).toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "Kivi", "4bit", "-kivi", "kivi ", "ki vi", ":", "kivi:", "kivi:bits", "kivi:=4", "kivi:bits=4,", "kivi:,bits=4", "kivi:bits=4,bits=2"})
    void malformedSpecsAreRefused(String text) {
        assertThrows(IllegalArgumentException.class, () -> CodecSpec.parse(text));
    }

    @Test
    void messagesNameWhatIsWrong() {
        assertMessage("'Kivi' is not a codec's name; write NAME or NAME:key=value,key=value", "Kivi");
        assertMessage("'bits' in codec 'kivi:bits' is not key=value", "kivi:bits");
        assertMessage("codec 'kivi:bits=4,bits=2' sets bits twice", "kivi:bits=4,bits=2");
        assertMessage("codec of 1025 characters, 1024 at most", "k".repeat(1025));
    }

    private static void assertMessage(String message, String text) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, () -> CodecSpec.parse(text)).getMessage());
    }

    @Test
    void numbersAreCheckedAgainstTheirRange() {
        CodecParameter parameter = CodecParameter.number("residual", 128, 0, 1 << 20, "tokens");
        assertEquals("128", parameter.fallback());
        assertEquals("0..1048576", parameter.range());
        for (String good : List.of("0", "1048576", "007")) {
            parameter.check("kivi", good);
        }
        for (String bad : List.of("", "-1", "1048577", "1e3", "0x10", "999999999999999999999999", "12 ", "\u0661")) {
            String message = assertThrows(IllegalArgumentException.class, () -> parameter.check("kivi", bad), bad).getMessage();
            assertEquals("codec kivi: residual=" + bad + " is not one of 0..1048576", message);
        }
    }

    @Test
    void choicesAreCheckedAgainstTheirList() {
        CodecParameter parameter = CodecParameter.choice("bits", "4", List.of("2", "4"), "bits");
        parameter.check("kivi", "2");
        String message = assertThrows(IllegalArgumentException.class, () -> parameter.check("kivi", "3")).getMessage();
        assertEquals("codec kivi: bits=3 is not one of 2|4", message);
    }

    @Test
    void aCodecThatIsNotThereIsNamed() {
        String message = assertThrows(IllegalArgumentException.class, () -> Codecs.factory("kvzip")).getMessage();
        assertTrue(message.startsWith("there is no codec 'kvzip'; there are "), message);
        assertEquals(Map.of(), CodecSpec.of("raw").parameters());
    }
}
