package dev.kvcapsule.sessions.permission;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The arguments of a tool call: a copy of what the model wrote, as text, Long, Double, Boolean, null, lists and maps of those, within bounds. Models write anything; whoever holds one of
 * these need not look again.
 */
public final class Arguments {
    /** Deepest nesting. */
    public static final int MAX_DEPTH = 64;

    /** Most values, containers included. */
    public static final int MAX_VALUES = 100_000;

    /** Most characters of texts and names together. */
    public static final int MAX_CHARS = 4 << 20;

    private final Map<String, Object> values;

    private Arguments(Map<String, Object> values) {
        this.values = values;
    }

    /**
     * Copies arguments.
     *
     * @param values as {@link Json#readObject} gives them; numbers of other integer types and Float will do
     * @throws MalformedDataException if they are beyond the bounds, or have a value that JSON does not have; the message names no value
     */
    public static Arguments of(Map<String, ?> values) throws MalformedDataException {
        return new Arguments(new Copy().map(values, 1));
    }

    /** The values by name, in the model's order; not to be changed. */
    public Map<String, Object> values() {
        return values;
    }

    /** Their names. */
    public Set<String> names() {
        return values.keySet();
    }

    /** They as JSON on one line. */
    public String json() {
        return Json.line(values);
    }

    /** How many there are: values may be secrets. */
    @Override
    public String toString() {
        return values.size() + " arguments";
    }

    private static final class Copy {
        private int count;
        private long chars;

        Map<String, Object> map(Map<?, ?> map, int depth) throws MalformedDataException {
            deeper(depth);
            Map<String, Object> copy = new LinkedHashMap<>();
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                if (!(entry.getKey() instanceof String name)) {
                    throw new MalformedDataException("an argument has no name");
                }
                copy.put(text(name), value(entry.getValue(), depth));
            }
            return Collections.unmodifiableMap(copy);
        }

        private Object value(Object value, int depth) throws MalformedDataException {
            if (++count > MAX_VALUES) {
                throw new MalformedDataException("more than " + MAX_VALUES + " values in the arguments");
            }
            return switch (value) {
                case null -> null;
                case String text -> text(text);
                case Boolean flag -> flag;
                case Long number -> number;
                case Integer number -> number.longValue();
                case Short number -> number.longValue();
                case Byte number -> number.longValue();
                case Double number when Double.isFinite(number) -> number;
                case Float number when Float.isFinite(number) -> number.doubleValue();
                case Map<?, ?> map -> map(map, depth + 1);
                case List<?> list -> list(list, depth + 1);
                default -> throw new MalformedDataException("an argument has a value that JSON does not have");
            };
        }

        private List<Object> list(List<?> list, int depth) throws MalformedDataException {
            deeper(depth);
            List<Object> copy = new ArrayList<>();
            for (Object element : list) {
                copy.add(value(element, depth));
            }
            return Collections.unmodifiableList(copy);
        }

        private String text(String text) throws MalformedDataException {
            chars += text.length();
            if (chars > MAX_CHARS) {
                throw new MalformedDataException("more than " + MAX_CHARS + " characters in the arguments");
            }
            return text;
        }

        private static void deeper(int depth) throws MalformedDataException {
            if (depth > MAX_DEPTH) {
                throw new MalformedDataException("arguments nested deeper than " + MAX_DEPTH);
            }
        }
    }
}
