package dev.kvcapsule.serving.json;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON as maps, lists, strings, numbers (Long, Double), booleans and nulls. Numbers that JSON does not have (infinities, NaN) become null. */
public final class Json {
    private static final JsonFactory FACTORY = JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

    private Json() {}

    /**
     * Reads an object.
     *
     * @throws MalformedDataException if the text is not one JSON object
     */
    @SuppressWarnings("unchecked") // an object's value is a map
    public static Map<String, Object> readObject(String text) throws MalformedDataException {
        return (Map<String, Object>) read(text, JsonToken.START_OBJECT, "object");
    }

    /**
     * Reads an array.
     *
     * @throws MalformedDataException if the text is not one JSON array
     */
    public static List<?> readArray(String text) throws MalformedDataException {
        return (List<?>) read(text, JsonToken.START_ARRAY, "array");
    }

    private static Object read(String text, JsonToken start, String expected) throws MalformedDataException {
        try (JsonParser parser = FACTORY.createParser(text)) {
            if (parser.nextToken() == start) {
                Object value = value(parser);
                if (parser.nextToken() == null) {
                    return value;
                }
            }
        } catch (IOException e) {
            // Said below: the library's message would quote what it read.
        }
        throw new MalformedDataException("not a JSON " + expected);
    }

    private static Object value(JsonParser parser) throws IOException {
        return switch (parser.currentToken()) {
            case START_OBJECT -> {
                Map<String, Object> fields = new LinkedHashMap<>();
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    String name = parser.currentName();
                    parser.nextToken();
                    fields.put(name, value(parser));
                }
                yield fields;
            }
            case START_ARRAY -> {
                List<Object> elements = new ArrayList<>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    elements.add(value(parser));
                }
                yield elements;
            }
            case VALUE_NUMBER_INT -> parser.getLongValue();
            case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
            case VALUE_TRUE, VALUE_FALSE -> parser.getBooleanValue();
            case VALUE_NULL -> null;
            default -> parser.getText();
        };
    }

    /** An object on one line, without an end of line. */
    public static String line(Map<String, Object> object) {
        return text(object);
    }

    /** An array on one line, without an end of line. */
    public static String line(List<?> array) {
        return text(array);
    }

    private static String text(Object value) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = FACTORY.createGenerator(text)) {
            write(json, value);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.toString();
    }

    /** An object over several lines, as people read it. */
    public static String lines(Map<String, Object> object) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = FACTORY.createGenerator(text).useDefaultPrettyPrinter()) {
            write(json, object);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.append('\n').toString();
    }

    private static void write(JsonGenerator json, Object value) throws IOException {
        switch (value) {
            case null -> json.writeNull();
            case Map<?, ?> map -> {
                json.writeStartObject();
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    json.writeFieldName((String) entry.getKey());
                    write(json, entry.getValue());
                }
                json.writeEndObject();
            }
            case List<?> list -> {
                json.writeStartArray();
                for (Object element : list) {
                    write(json, element);
                }
                json.writeEndArray();
            }
            case Double number when !Double.isFinite(number) -> json.writeNull();
            case Double number -> json.writeNumber(number);
            case Long number -> json.writeNumber(number);
            case Integer number -> json.writeNumber(number);
            case Boolean flag -> json.writeBoolean(flag);
            default -> json.writeString(value.toString());
        }
    }
}
