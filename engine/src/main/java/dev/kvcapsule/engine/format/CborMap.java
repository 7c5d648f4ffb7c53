package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A decoded CBOR map whose fields are asked for by name and type; what is missing, of another type or unknown is malformed. */
final class CborMap {
    private final Map<?, ?> map;
    private final String path;
    private final long offset;
    private final Set<String> seen = new HashSet<>();

    CborMap(Object value, String path, long offset) throws MalformedDataException {
        this.path = path;
        this.offset = offset;
        if (!(value instanceof Map<?, ?> fields)) {
            throw malformed("is not a map");
        }
        this.map = fields;
    }

    MalformedDataException malformed(String reason) {
        return MalformedDataException.at(offset, path, reason);
    }

    private <T> T get(String key, Class<T> type) throws MalformedDataException {
        seen.add(key);
        Object value = map.get(key);
        if (!type.isInstance(value)) {
            throw malformed(value == null ? "has no field '" + key + "'" : "field '" + key + "' is not a " + type.getSimpleName());
        }
        return type.cast(value);
    }

    boolean has(String key) {
        return map.containsKey(key);
    }

    long number(String key, long min, long max) throws MalformedDataException {
        long number = get(key, Long.class);
        if (number < min || number > max) {
            throw malformed("field '" + key + "' is " + number + ", outside " + min + ".." + max);
        }
        return number;
    }

    int integer(String key, int min, int max) throws MalformedDataException {
        return (int) number(key, min, max);
    }

    double real(String key) throws MalformedDataException {
        return get(key, Double.class);
    }

    String text(String key) throws MalformedDataException {
        return get(key, String.class);
    }

    byte[] bytes(String key) throws MalformedDataException {
        return get(key, byte[].class);
    }

    CborMap map(String key) throws MalformedDataException {
        return new CborMap(get(key, Map.class), path + "." + key, offset);
    }

    List<CborMap> maps(String key) throws MalformedDataException {
        List<CborMap> maps = new ArrayList<>();
        for (Object element : get(key, List.class)) {
            maps.add(new CborMap(element, path + "." + key + "[" + maps.size() + "]", offset));
        }
        return maps;
    }

    long[] numbers(String key) throws MalformedDataException {
        List<?> list = get(key, List.class);
        long[] numbers = new long[list.size()];
        for (int i = 0; i < numbers.length; i++) {
            if (!(list.get(i) instanceof Long number)) {
                throw malformed("field '" + key + "' is not an array of numbers");
            }
            numbers[i] = number;
        }
        return numbers;
    }

    List<Double> reals(String key) throws MalformedDataException {
        List<Double> reals = new ArrayList<>();
        for (Object element : get(key, List.class)) {
            if (!(element instanceof Double real)) {
                throw malformed("field '" + key + "' is not an array of reals");
            }
            reals.add(real);
        }
        return reals;
    }

    /** Every field as text. */
    Map<String, String> texts(String key) throws MalformedDataException {
        CborMap inner = map(key);
        Map<String, String> texts = new java.util.TreeMap<>();
        for (Object name : inner.map.keySet()) {
            texts.put((String) name, inner.text((String) name));
        }
        return texts;
    }

    /** @throws MalformedDataException if there is a field that nobody asked for: a later version's, or an attack */
    void end() throws MalformedDataException {
        for (Object key : map.keySet()) {
            if (!seen.contains((String) key)) {
                throw malformed("unknown field '" + key + "'");
            }
        }
    }
}
