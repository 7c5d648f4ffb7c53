package dev.kvcapsule.sessions.permission.rules;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import java.time.Duration;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GlobTest {
    @Provide
    Arbitrary<String> patterns() {
        return Arbitraries.of("a", "b", "*", "?", "\\*", "\\?", "\\\\", "😀", "\n").list().ofMinSize(1).ofMaxSize(9).map(parts -> String.join("", parts));
    }

    @Provide
    Arbitrary<String> subjects() {
        return Arbitraries.of("a", "b", "*", "?", "\\", "😀", "\n").list().ofMaxSize(9).map(parts -> String.join("", parts));
    }

    @Property(tries = 20_000)
    void isItsSpecification(@ForAll("patterns") String pattern, @ForAll("subjects") String subject) throws MalformedDataException {
        assertEquals(specification(pattern.codePoints().toArray(), 0, subject.codePoints().toArray(), 0), Glob.of(pattern).matches(subject));
    }

    /** The definition, word for word: exponential, and for short texts only. */
    private static boolean specification(int[] pattern, int p, int[] subject, int s) {
        if (p == pattern.length) {
            return s == subject.length;
        }
        return switch (pattern[p]) {
            case '*' -> specification(pattern, p + 1, subject, s) || s < subject.length && specification(pattern, p, subject, s + 1);
            case '?' -> s < subject.length && specification(pattern, p + 1, subject, s + 1);
            case '\\' -> s < subject.length && subject[s] == pattern[p + 1] && specification(pattern, p + 2, subject, s + 1);
            default -> s < subject.length && subject[s] == pattern[p] && specification(pattern, p + 1, subject, s + 1);
        };
    }

    /** Any text is a pattern or refused, and a pattern matches or does not. */
    @Property(tries = 5000)
    void anythingIsTakenOrRefused(@ForAll String pattern, @ForAll String subject) {
        try {
            Glob.of(pattern).matches(subject);
        } catch (MalformedDataException e) {
            assertTrue(pattern.isEmpty() || pattern.length() > Glob.MAX_LENGTH || pattern.matches("(?s).*[\\\\\\[\\]{}].*"), pattern);
        }
    }

    @ParameterizedTest
    @CsvSource({"kubectl_*,kubectl_delete,true", "kubectl_*,kubectl_,true", "kubectl_*,Kubectl_delete,false", "*,'',true", "?,'',false", "a*b*c,abc,true", "a*b*c,acb,false", "*.sh,x.sh.txt,false", "a**b,ab,true"})
    void examples(String pattern, String subject, boolean matches) throws MalformedDataException {
        assertEquals(matches, Glob.of(pattern).matches(subject));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[ab]", "{a,b}", "a]", "a}", "\\", "\\a", "a\\"})
    void whatOtherGlobsHaveIsRefused(String pattern) {
        assertThrows(MalformedDataException.class, () -> Glob.of(pattern));
    }

    /** One code point, not one half of it. */
    @Test
    void aQuestionMarkIsOneCodePoint() throws MalformedDataException {
        assertTrue(Glob.of("?").matches("😀"));
        assertFalse(Glob.of("??").matches("😀"));
    }

    /** The patterns that make other matchers take for ever, over all that arguments may hold. */
    @Test
    void nothingIsCatastrophic() throws MalformedDataException {
        String stars = "a*".repeat(120) + "b";
        String tail = "*" + "a".repeat(200) + "b";
        String subject = "a".repeat(4 << 20);
        Glob first = Glob.of(stars);
        Glob second = Glob.of(tail);
        assertTimeout(Duration.ofSeconds(30), () -> {
            assertFalse(first.matches(subject));
            assertFalse(second.matches(subject));
        });
    }
}
