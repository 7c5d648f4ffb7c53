package dev.kvcapsule.sessions.row;

/** What texts must be, so that every store can keep them. */
final class Texts {
    private static final int LONGEST_NAME = 256;

    private Texts() {}

    /** @throws IllegalArgumentException if it is empty, longer than 256 characters, or has control characters */
    static void require(String name, String what) {
        requireUnicode(name, what);
        if (name.isEmpty() || name.length() > LONGEST_NAME || name.chars().anyMatch(Character::isISOControl)) {
            throw new IllegalArgumentException(what + " has 1 to " + LONGEST_NAME + " characters, none of them a control character");
        }
    }

    /** @throws IllegalArgumentException if it has half a surrogate pair, which is no character and has no UTF-8 */
    static void requireUnicode(String text, String what) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                throw new IllegalArgumentException(what + " is not valid Unicode: character " + i + " is half a surrogate pair");
            }
        }
    }
}
