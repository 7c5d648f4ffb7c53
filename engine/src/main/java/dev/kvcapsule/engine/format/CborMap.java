package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A decoded CBOR map whose fields are asked for by name and type; what is missing, of another type or unknown is malformed. */
public final class CborMap {
    private final Map<?, ?> map;
    private final String path;
    private final long offset;
    private final Set<String> seen = new HashSet<>();

    /**
     * @param value a value that {@link Cbor#read} gave
     * @param path its name, for messages
     * @param offset where it began, for messages
     * @throws MalformedDataException if it is not a map
     */
    public CborMap(Object value, String path, long offset) throws MalformedDataException {
        this.path = path;
        this.offset = offset;
        if (!(value instanceof Map<?, ?> fields)) {
            throw malformed("is not a map");
        }
        this.map = fields;
    }

    /** What to throw about this map. */
    public MalformedDataException malformed(String reason) {
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

    /** Whether there is a field of that name. */
    public boolean has(String key) {
        return map.containsKey(key);
    }

    /** A whole number in a range. */
    public long number(String key, long min, long max) throws MalformedDataException {
        long number = get(key, Long.class);
        if (number < min || number > max) {
            throw malformed("field '" + key + "' is " + number + ", outside " + min + ".." + max);
        }
        return number;
    }

    /** A whole number in a range. */
    public int integer(String key, int min, int max) throws MalformedDataException {
        return (int) number(key, min, max);
    }

    /** A binary64 number. */
    public double real(String key) throws MalformedDataException {
        return get(key, Double.class);
    }

    /** A truth value. */
    public boolean bool(String key) throws MalformedDataException {
        return get(key, Boolean.class);
    }

    /** A text. */
    public String text(String key) throws MalformedDataException {
        return get(key, String.class);
    }

    /** A byte string. */
    public byte[] bytes(String key) throws MalformedDataException {
        return get(key, byte[].class);
    }

    /** A map. */
    public CborMap map(String key) throws MalformedDataException {
        return new CborMap(get(key, Map.class), path + "." + key, offset);
    }

    /** An array of maps. */
    public List<CborMap> maps(String key) throws MalformedDataException {
        List<CborMap> maps = new ArrayList<>();
        for (Object element : get(key, List.class)) {
            maps.add(new CborMap(element, path + "." + key + "[" + maps.size() + "]", offset));
        }
        return maps;
    }

    /** An array of whole numbers. */
    public long[] numbers(String key) throws MalformedDataException {
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

    /** An array of binary64 numbers. */
    public List<Double> reals(String key) throws MalformedDataException {
        List<Double> reals = new ArrayList<>();
        for (Object element : get(key, List.class)) {
            if (!(element instanceof Double real)) {
                throw malformed("field '" + key + "' is not an array of reals");
            }
            reals.add(real);
        }
        return reals;
    }

    /** An array of texts. */
    public List<String> textList(String key) throws MalformedDataException {
        List<String> texts = new ArrayList<>();
        for (Object element : get(key, List.class)) {
            if (!(element instanceof String text)) {
                throw malformed("field '" + key + "' is not an array of texts");
            }
            texts.add(text);
        }
        return texts;
    }

    /** Every field as text. */
    public Map<String, String> texts(String key) throws MalformedDataException {
        CborMap inner = map(key);
        Map<String, String> texts = new java.util.TreeMap<>();
        for (Object name : inner.map.keySet()) {
            texts.put((String) name, inner.text((String) name));
        }
        return texts;
    }

    /** @throws MalformedDataException if there is a field that nobody asked for: a later version's, or an attack */
    public void end() throws MalformedDataException {
        for (Object key : map.keySet()) {
            if (!seen.contains((String) key)) {
                throw malformed("unknown field '" + key + "'");
            }
        }
    }
}
