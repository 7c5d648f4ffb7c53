package dev.kvcapsule.engine.keys;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * JSON (RFC 8259) as key files need it: objects, arrays, strings, whole numbers, booleans. Names that come twice, fractions and null are refused, since no
 * key file has them. It is our own since this module depends on nothing but Agrona and the JDK, which has no JSON, and since messages of libraries quote the
 * text, which may be a secret.
 */
final class Json {
    private static final int MAX_DEPTH = 8;
    private static final Pattern WHOLE_NUMBER = Pattern.compile("-?(0|[1-9][0-9]*)");

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /**
     * Reads a value: a {@code Map}, {@code List}, {@code String}, {@code Long} or {@code Boolean}.
     *
     * @throws IllegalArgumentException saying where it is no JSON; never quotes it, since it may hold a secret
     */
    static Object read(String text) {
        Json json = new Json(text);
        Object value = json.value(0);
        json.space();
        if (json.at != text.length()) {
            throw json.malformed("text after the value");
        }
        return value;
    }

    /**
     * Reads an object.
     *
     * @throws IllegalArgumentException if it is none
     */
    @SuppressWarnings("unchecked")
    static Map<String, Object> readObject(String text) {
        if (read(text) instanceof Map<?, ?> map) {
            return (Map<String, Object>) map;
        }
        throw new IllegalArgumentException("is not a JSON object");
    }

    private IllegalArgumentException malformed(String reason) {
        return new IllegalArgumentException("malformed JSON at character " + at + ": " + reason);
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private boolean take(char wanted) {
        space();
        if (at < text.length() && text.charAt(at) == wanted) {
            at++;
            return true;
        }
        return false;
    }

    private void expect(char wanted) {
        if (!take(wanted)) {
            throw malformed("'" + wanted + "' expected");
        }
    }

    private Object value(int depth) {
        if (depth > MAX_DEPTH) {
            throw malformed("nested too deep");
        }
        if (take('{')) {
            return object(depth);
        }
        if (take('[')) {
            return array(depth);
        }
        if (take('"')) {
            return string();
        }
        for (boolean flag : new boolean[] {true, false}) {
            if (text.startsWith(Boolean.toString(flag), at)) {
                at += Boolean.toString(flag).length();
                return flag;
            }
        }
        return number();
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> map = new LinkedHashMap<>();
        if (take('}')) {
            return map;
        }
        do {
            expect('"');
            String name = string();
            expect(':');
            if (map.put(name, value(depth + 1)) != null) {
                throw malformed("a name that comes twice");
            }
        } while (take(','));
        expect('}');
        return map;
    }

    private List<Object> array(int depth) {
        List<Object> list = new ArrayList<>();
        if (take(']')) {
            return list;
        }
        do {
            list.add(value(depth + 1));
        } while (take(','));
        expect(']');
        return list;
    }

    private Long number() {
        Matcher number = WHOLE_NUMBER.matcher(text).region(at, text.length());
        try {
            if (number.lookingAt()) {
                Long value = Long.valueOf(number.group());
                at = number.end();
                return value;
            }
        } catch (NumberFormatException e) {
            // More than 64 bits: as bad as a fraction.
        }
        throw malformed("a value that key files do not have");
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        while (at < text.length()) {
            char c = text.charAt(at++);
            if (c == '"') {
                return out.toString();
            }
            if (c < ' ') {
                throw malformed("a control character in a string");
            }
            out.append(c == '\\' ? escaped() : c);
        }
        throw malformed("a string without an end");
    }

    private char escaped() {
        char c = at < text.length() ? text.charAt(at++) : ' ';
        return switch (c) {
            case '"', '\\', '/' -> c;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> {
                int code = 0;
                for (int i = 0; i < 4; i++) {
                    if (at == text.length() || !HexFormat.isHexDigit(text.charAt(at))) {
                        throw malformed("four hexadecimal digits expected");
                    }
                    code = 16 * code + HexFormat.fromHexDigit(text.charAt(at++));
                }
                yield (char) code;
            }
            default -> throw malformed("an escape that there is not");
        };
    }

    /** Maps, lists, strings, whole numbers and booleans as text, with line breaks. */
    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, "\n", out);
        return out.append('\n').toString();
    }

    private static void write(Object value, String line, StringBuilder out) {
        switch (value) {
            case Map<?, ?> map -> {
                out.append('{');
                String separator = "";
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    out.append(separator).append(line).append("  ");
                    write(entry.getKey(), line, out);
                    out.append(": ");
                    write(entry.getValue(), line + "  ", out);
                    separator = ",";
                }
                out.append(map.isEmpty() ? "" : line).append('}');
            }
            case List<?> list -> {
                out.append('[');
                String separator = "";
                for (Object element : list) {
                    out.append(separator).append(line).append("  ");
                    write(element, line + "  ", out);
                    separator = ",";
                }
                out.append(list.isEmpty() ? "" : line).append(']');
            }
            case String text -> {
                out.append('"');
                for (char c : text.toCharArray()) {
                    if (c < ' ' || c == '"' || c == '\\') {
                        out.append(String.format("\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
                out.append('"');
            }
            default -> out.append(value);
        }
    }
}
