package dev.kvcapsule.store;

import java.util.HexFormat;
import java.util.regex.Pattern;

/** What a record is found by: 64 bytes, as text. */
public record StoreKey(String hex) {
    /** Hexadecimal digits of a key. */
    public static final int DIGITS = 128;

    static final int BYTES = DIGITS / 2;
    private static final Pattern HEX = Pattern.compile("[0-9a-f]{" + DIGITS + "}");

    /** @throws IllegalArgumentException if these are not 128 lower-case hexadecimal digits */
    public StoreKey {
        if (!HEX.matcher(hex).matches()) {
            throw new IllegalArgumentException("a key has " + DIGITS + " lower-case hexadecimal digits");
        }
    }

    static StoreKey of(byte[] bytes) {
        return new StoreKey(HexFormat.of().formatHex(bytes));
    }

    byte[] bytes() {
        return HexFormat.of().parseHex(hex);
    }
}
