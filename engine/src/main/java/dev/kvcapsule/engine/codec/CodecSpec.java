package dev.kvcapsule.engine.codec;

import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A codec's name and parameters as users write them: {@code kivi:bits=4,group=32}. The canonical form, with every parameter spelled out, is
 * what a capsule's manifest carries.
 *
 * @param name the codec's name, lower-case letters, digits and dashes
 * @param parameters values by parameter name
 */
public record CodecSpec(String name, SortedMap<String, String> parameters) {
    /** Longest text that is parsed. */
    private static final int MAX_LENGTH = 1024;

    /** Copies the map. */
    public CodecSpec {
        Objects.requireNonNull(name);
        parameters = Collections.unmodifiableSortedMap(new TreeMap<>(parameters));
    }

    /** A codec with its defaults. */
    public static CodecSpec of(String name) {
        return new CodecSpec(name, new TreeMap<>());
    }

    /**
     * @param text {@code NAME} or {@code NAME:key=value,key=value}
     * @throws IllegalArgumentException if the text is not of that form
     */
    public static CodecSpec parse(String text) {
        if (text.length() > MAX_LENGTH) {
            throw new IllegalArgumentException("codec of " + text.length() + " characters, " + MAX_LENGTH + " at most");
        }
        int colon = text.indexOf(':');
        String name = colon < 0 ? text : text.substring(0, colon);
        if (!name.matches("[a-z][a-z0-9-]*")) {
            throw new IllegalArgumentException("'" + name + "' is not a codec's name; write NAME or NAME:key=value,key=value");
        }
        TreeMap<String, String> parameters = new TreeMap<>();
        if (colon >= 0) {
            for (String pair : text.substring(colon + 1).split(",", -1)) {
                int equals = pair.indexOf('=');
                if (equals < 1) {
                    throw new IllegalArgumentException("'" + pair + "' in codec '" + text + "' is not key=value");
                }
                if (parameters.put(pair.substring(0, equals), pair.substring(equals + 1)) != null) {
                    throw new IllegalArgumentException("codec '" + text + "' sets " + pair.substring(0, equals) + " twice");
                }
            }
        }
        return new CodecSpec(name, parameters);
    }

    /** This codec with one more parameter, or another value of it. */
    public CodecSpec with(String key, Object value) {
        TreeMap<String, String> copy = new TreeMap<>(parameters);
        copy.put(key, String.valueOf(value));
        return new CodecSpec(name, copy);
    }

    /** The text that {@link #parse} reads. */
    @Override
    public String toString() {
        if (parameters.isEmpty()) {
            return name;
        }
        StringBuilder text = new StringBuilder(name);
        char separator = ':';
        for (Map.Entry<String, String> entry : parameters.entrySet()) {
            text.append(separator).append(entry.getKey()).append('=').append(entry.getValue());
            separator = ',';
        }
        return text.toString();
    }
}
