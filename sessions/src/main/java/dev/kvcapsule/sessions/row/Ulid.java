package dev.kvcapsule.sessions.row;

import java.security.SecureRandom;
import java.time.Instant;
import java.util.regex.Pattern;

/**
 * Identifiers that sort by when they were made: 26 characters of Crockford's base 32, 48 bits of milliseconds and 80 random ones. Those of one program grow strictly, also within
 * a millisecond. Source: github.com/ulid/spec.
 */
public final class Ulid {
    private static final String DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    private static final Pattern FORM = Pattern.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}");
    private static final int RANDOM_HIGH_BITS = 16;
    private static final SecureRandom RANDOM = new SecureRandom();

    private static long lastMillis = -1;
    private static long high;
    private static long low;

    private Ulid() {}

    /** The next one. */
    public static String next() {
        return next(System.currentTimeMillis());
    }

    static synchronized String next(long millis) {
        if (millis > lastMillis) {
            lastMillis = millis;
            high = RANDOM.nextInt(1 << RANDOM_HIGH_BITS);
            low = RANDOM.nextLong();
        } else if (++low == 0 && ++high == 1 << RANDOM_HIGH_BITS) {
            // 2^80 in one millisecond: the next one is borrowed.
            high = 0;
            lastMillis++;
        }
        char[] text = new char[26];
        long time = lastMillis;
        for (int i = 9; i >= 0; i--) {
            text[i] = DIGITS.charAt((int) (time & 31));
            time >>>= 5;
        }
        long upper = high;
        long lower = low;
        for (int i = 25; i >= 10; i--) {
            text[i] = DIGITS.charAt((int) (lower & 31));
            lower = lower >>> 5 | (upper & 31) << 59;
            upper >>>= 5;
        }
        return new String(text);
    }

    /** Whether a text is one. */
    public static boolean isUlid(String text) {
        return FORM.matcher(text).matches();
    }

    /** When one was made, to the millisecond. */
    public static Instant time(String ulid) {
        long millis = 0;
        for (int i = 0; i < 10; i++) {
            millis = millis << 5 | DIGITS.indexOf(ulid.charAt(i));
        }
        return Instant.ofEpochMilli(millis);
    }
}
