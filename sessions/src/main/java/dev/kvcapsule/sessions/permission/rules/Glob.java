package dev.kvcapsule.sessions.permission.rules;

import dev.kvcapsule.engine.MalformedDataException;
import java.util.Arrays;

/**
 * A pattern that a whole text matches or does not. {@code *} stands for any characters, none and ends of lines included; {@code ?} for one code point; a backslash takes the special
 * meaning of the {@code * ? [ ] { } \} behind it. Everything else stands for itself: case counts, nothing is normalized. Sets and alternatives, which other globs have, are refused
 * rather than taken literally: a deny that silently never matches would allow.
 *
 * <p>Matching takes time in proportion to text times pattern at most, whatever they are: of all stars only the last one passed is ever moved (as in Kirk Krauss, "Matching Wildcards").
 */
public final class Glob {
    /** Longest pattern, in characters. */
    public static final int MAX_LENGTH = 256;

    private static final int STAR = -1;
    private static final int ONE = -2;

    private final String text;
    private final int[] pattern;

    private Glob(String text, int[] pattern) {
        this.text = text;
        this.pattern = pattern;
    }

    /**
     * Reads a pattern.
     *
     * @throws MalformedDataException if it is empty, too long, or has something that is refused
     */
    public static Glob of(String text) throws MalformedDataException {
        if (text.isEmpty() || text.length() > MAX_LENGTH) {
            throw new MalformedDataException("a pattern has 1 to " + MAX_LENGTH + " characters");
        }
        int[] points = text.codePoints().toArray();
        int[] pattern = new int[points.length];
        int length = 0;
        for (int i = 0; i < points.length; i++) {
            switch (points[i]) {
                case '\\' -> {
                    if (++i == points.length || "*?[]{}\\".indexOf(points[i]) < 0) {
                        throw new MalformedDataException("a backslash in a pattern stands before one of * ? [ ] { } \\");
                    }
                    pattern[length++] = points[i];
                }
                case '[', ']', '{', '}' -> throw new MalformedDataException("patterns have no sets or alternatives: write \\" + Character.toString(points[i]) + " for the character itself");
                case '*' -> {
                    if (length == 0 || pattern[length - 1] != STAR) {
                        pattern[length++] = STAR;
                    }
                }
                case '?' -> pattern[length++] = ONE;
                default -> pattern[length++] = points[i];
            }
        }
        return new Glob(text, Arrays.copyOf(pattern, length));
    }

    /** Whether the whole of a text matches. */
    public boolean matches(String subject) {
        return matches(subject.codePoints().toArray());
    }

    private boolean matches(int[] subject) {
        int p = 0;
        int s = 0;
        int star = -1;
        int taken = 0;
        while (s < subject.length) {
            if (p < pattern.length && pattern[p] == STAR) {
                star = p++;
                taken = s;
            } else if (p < pattern.length && (pattern[p] == ONE || pattern[p] == subject[s])) {
                p++;
                s++;
            } else if (star >= 0) {
                p = star + 1;
                s = ++taken;
            } else {
                return false;
            }
        }
        return p == pattern.length || p == pattern.length - 1 && pattern[p] == STAR;
    }

    /** The pattern as it was written. */
    @Override
    public String toString() {
        return text;
    }
}
