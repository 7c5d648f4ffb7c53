package dev.kvcapsule.engine.codec;

import java.util.List;

/**
 * One parameter of a codec, described well enough to check a value and to print help.
 *
 * @param name the key in {@code NAME:key=value}
 * @param fallback the value used when none is given
 * @param choices the values allowed; empty means any whole number from {@code min} to {@code max}
 * @param min smallest number
 * @param max largest number
 * @param description one line, with the unit
 */
public record CodecParameter(String name, String fallback, List<String> choices, long min, long max, String description) {
    /** Copies the list. */
    public CodecParameter {
        choices = List.copyOf(choices);
    }

    /** A parameter that takes one of a few values. */
    public static CodecParameter choice(String name, String fallback, List<String> choices, String description) {
        return new CodecParameter(name, fallback, choices, 0, 0, description);
    }

    /** A parameter that takes a whole number. */
    public static CodecParameter number(String name, long fallback, long min, long max, String description) {
        return new CodecParameter(name, Long.toString(fallback), List.of(), min, max, description);
    }

    /** What values are allowed, for messages and help. */
    public String range() {
        return choices.isEmpty() ? min + ".." + max : String.join("|", choices);
    }

    /** @throws IllegalArgumentException if the value is not allowed */
    void check(String codec, String value) {
        boolean allowed;
        if (choices.isEmpty()) {
            allowed = value.matches("[0-9]{1,18}") && Long.parseLong(value) >= min && Long.parseLong(value) <= max;
        } else {
            allowed = choices.contains(value);
        }
        if (!allowed) {
            throw new IllegalArgumentException("codec " + codec + ": " + name + "=" + value + " is not one of " + range());
        }
    }
}
