package dev.kvcapsule.bench;

import java.util.Locale;

/**
 * A figure that a case has to reach; issue 3 of the project lists them.
 *
 * @param kind what is compared
 * @param least the least that will do
 * @param other name of the case to compare with, for {@link Kind#TIMES}
 */
record Target(Kind kind, double least, String other) {
    /** What is compared. */
    enum Kind {
        /** Speed over that of a copy in the same round. */
        OF_COPY,
        /** Speed in units of 10^9 a second. */
        RATE,
        /** Speed over that of another case. */
        TIMES,
        /** Compression ratio. */
        RATIO
    }

    static Target ofCopy(double least) {
        return new Target(Kind.OF_COPY, least, "");
    }

    static Target rate(double least) {
        return new Target(Kind.RATE, least, "");
    }

    static Target times(double least, String other) {
        return new Target(Kind.TIMES, least, other);
    }

    static Target ratio(double least) {
        return new Target(Kind.RATIO, least, "");
    }

    /** In words; {@code unit} is what rates are counted in. */
    String text(String unit) {
        return switch (kind) {
            case OF_COPY -> String.format(Locale.ROOT, "%.2f x copy", least);
            case RATE -> String.format(Locale.ROOT, "%.2f %s", least, unit);
            case TIMES -> String.format(Locale.ROOT, "%.0f x %s", least, other);
            case RATIO -> String.format(Locale.ROOT, "ratio %.2f", least);
        };
    }
}
