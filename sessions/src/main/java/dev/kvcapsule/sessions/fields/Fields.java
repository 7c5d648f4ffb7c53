package dev.kvcapsule.sessions.fields;

import dev.kvcapsule.engine.MalformedDataException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;

/** An object of JSON or YAML, by name: what is missing or of another kind is said with its place. */
public final class Fields {
    private final Map<?, ?> map;
    private final String where;
    private final Set<String> taken = new HashSet<>();

    /**
     * @param value a map, or the object is malformed
     * @param where the place of the object, for messages
     */
    public Fields(Object value, String where) throws MalformedDataException {
        if (!(value instanceof Map<?, ?> object)) {
            throw new MalformedDataException(where + ": an object was expected");
        }
        this.map = object;
        this.where = where;
    }

    private Object value(String name) {
        taken.add(name);
        return map.get(name);
    }

    private MalformedDataException wrong(String name, String expected) {
        return new MalformedDataException(where + "." + name + ": " + expected + " was expected");
    }

    /** A text. */
    public Optional<String> text(String name) throws MalformedDataException {
        return switch (value(name)) {
            case null -> Optional.empty();
            case String text -> Optional.of(text);
            default -> throw wrong(name, "text");
        };
    }

    /** A text that must be there. */
    public String required(String name) throws MalformedDataException {
        return text(name).orElseThrow(() -> wrong(name, "text"));
    }

    /** A whole number. */
    public OptionalLong number(String name) throws MalformedDataException {
        return switch (value(name)) {
            case null -> OptionalLong.empty();
            case Long number -> OptionalLong.of(number);
            default -> throw wrong(name, "a whole number");
        };
    }

    /** A number. */
    public OptionalDouble real(String name) throws MalformedDataException {
        return switch (value(name)) {
            case null -> OptionalDouble.empty();
            case Number number -> OptionalDouble.of(number.doubleValue());
            default -> throw wrong(name, "a number");
        };
    }

    /** True or false; false if it is not there. */
    public boolean flag(String name) throws MalformedDataException {
        return switch (value(name)) {
            case null -> false;
            case Boolean flag -> flag;
            default -> throw wrong(name, "true or false");
        };
    }

    /** A time of ISO 8601. */
    public Optional<Instant> time(String name) throws MalformedDataException {
        Optional<String> text = text(name);
        try {
            return text.map(Instant::parse);
        } catch (DateTimeException e) {
            throw wrong(name, "a time such as 2026-11-22T10:00:00Z");
        }
    }

    /** An object. */
    public Optional<Fields> object(String name) throws MalformedDataException {
        Object value = value(name);
        return value == null ? Optional.empty() : Optional.of(new Fields(value, where + "." + name));
    }

    /** An object of any fields; empty if it is not there. */
    @SuppressWarnings("unchecked") // an object's names are text
    public Map<String, Object> any(String name) throws MalformedDataException {
        return switch (value(name)) {
            case null -> Map.of();
            case Map<?, ?> object -> (Map<String, Object>) object;
            default -> throw wrong(name, "an object");
        };
    }

    /** Reads an element of a list. */
    public interface Element<T> {
        /** @throws MalformedDataException if it is none */
        T read(Fields fields) throws MalformedDataException;
    }

    /** A list of objects; empty if it is not there. */
    public <T> List<T> list(String name, Element<T> element) throws MalformedDataException {
        List<T> list = new ArrayList<>();
        for (Object value : elements(name)) {
            Fields fields = new Fields(value, where + "." + name + "[" + list.size() + "]");
            list.add(element.read(fields));
            fields.end();
        }
        return list;
    }

    /** A list of texts; empty if it is not there. */
    public List<String> texts(String name) throws MalformedDataException {
        List<String> list = new ArrayList<>();
        for (Object value : elements(name)) {
            if (!(value instanceof String text)) {
                throw wrong(name, "a list of texts");
            }
            list.add(text);
        }
        return list;
    }

    private List<?> elements(String name) throws MalformedDataException {
        return switch (value(name)) {
            case null -> List.of();
            case List<?> list -> list;
            default -> throw wrong(name, "a list");
        };
    }

    /** @throws MalformedDataException if there is a field that nobody asked for: most likely a misspelt one */
    public void end() throws MalformedDataException {
        for (Object name : map.keySet()) {
            if (!taken.contains(name)) {
                throw new MalformedDataException(where + ": there is no field '" + name + "'");
            }
        }
    }
}
