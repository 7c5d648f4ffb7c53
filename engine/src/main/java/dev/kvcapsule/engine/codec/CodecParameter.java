package dev.kvcapsule.engine.codec;

import java.util.List;

/**
 * One parameter of a codec, described well enough to check a value and to print help.
 *
 * @param name the key in {@code NAME:key=value}
 * @param fallback the value used when none is given
 * @param kind what values look like
 * @param choices the values allowed, of a choice
 * @param min smallest number
 * @param max largest number
 * @param description one line, with the unit
 */
public record CodecParameter(String name, String fallback, Kind kind, List<String> choices, double min, double max, String description) {
    /** What values look like. */
    public enum Kind {
        /** One of a few words. */
        CHOICE,
        /** A whole number. */
        NUMBER,
        /** A decimal number such as 0.75; or {@code auto}. */
        DECIMAL,
        /** A name; the codec says which there are. */
        NAME
    }

    /** The value of a decimal that is left to the codec. */
    public static final String AUTO = "auto";

    /** Copies the list. */
    public CodecParameter {
        choices = List.copyOf(choices);
    }

    /** A parameter that takes one of a few values. */
    public static CodecParameter choice(String name, String fallback, List<String> choices, String description) {
        return new CodecParameter(name, fallback, Kind.CHOICE, choices, 0, 0, description);
    }

    /** A parameter that takes a whole number. */
    public static CodecParameter number(String name, long fallback, long min, long max, String description) {
        return new CodecParameter(name, Long.toString(fallback), Kind.NUMBER, List.of(), min, max, description);
    }

    /** A parameter that takes a decimal number, or is left to the codec, which is the default. */
    public static CodecParameter decimal(String name, double min, double max, String description) {
        return new CodecParameter(name, AUTO, Kind.DECIMAL, List.of(), min, max, description);
    }

    /** A parameter that takes a name of up to 64 letters, digits and dashes. */
    public static CodecParameter name(String name, String fallback, String values, String description) {
        return new CodecParameter(name, fallback, Kind.NAME, List.of(values), 0, 0, description);
    }

    /** What values are allowed, for messages and help. */
    public String range() {
        return switch (kind) {
            case CHOICE, NAME -> String.join("|", choices);
            case NUMBER -> (long) min + ".." + (long) max;
            case DECIMAL -> AUTO + "|" + min + ".." + max + " (digits before the point)";
        };
    }

    /** @throws IllegalArgumentException if the value is not allowed */
    void check(String codec, String value) {
        boolean allowed = switch (kind) {
            case CHOICE -> choices.contains(value);
            case NUMBER -> value.matches("[0-9]{1,18}") && Long.parseLong(value) >= (long) min && Long.parseLong(value) <= (long) max;
            case DECIMAL -> value.equals(AUTO) || value.matches("[0-9]{1,9}(\\.[0-9]{1,9})?") && Double.parseDouble(value) >= min && Double.parseDouble(value) <= max;
            case NAME -> value.matches("[A-Za-z0-9-]{1,64}");
        };
        if (!allowed) {
            throw new IllegalArgumentException("codec " + codec + ": " + name + "=" + value + " is not one of " + range());
        }
    }
}
