package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import dev.kvcapsule.serving.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Fields of a row as the JSON that a table keeps, and back. */
public final class SessionRows {
    private SessionRows() {}

    /** Reads an object of the row. */
    public interface Reader<T> {
        /** @throws MalformedDataException if it is none */
        T read(Fields fields) throws MalformedDataException;
    }

    /** @throws MalformedDataException if it is no object of that kind; the message says which column */
    public static <T> T object(String json, String column, Reader<T> reader) throws MalformedDataException {
        try {
            return reader.read(new Fields(Json.readObject(json), column));
        } catch (IllegalArgumentException e) {
            throw new MalformedDataException(column + ": " + e.getMessage());
        }
    }

    /** The same of a column that may be null. */
    public static <T> Optional<T> optional(String json, String column, Reader<T> reader) throws MalformedDataException {
        return json == null ? Optional.empty() : Optional.of(object(json, column, reader));
    }

    private static <T> List<T> list(String json, String column, Reader<T> reader) throws MalformedDataException {
        List<T> list = new ArrayList<>();
        for (Object value : Json.readArray(json)) {
            list.add(reader.read(new Fields(value, column + "[" + list.size() + "]")));
        }
        return list;
    }

    /** The column {@code open_tool_calls}. */
    public static List<OpenToolCall> openToolCalls(String json) throws MalformedDataException {
        return list(json, "open_tool_calls", OpenToolCall::read);
    }

    /** The column {@code pending_subagent_calls}. */
    public static List<SubagentCall> subagentCalls(String json) throws MalformedDataException {
        return list(json, "pending_subagent_calls", SubagentCall::read);
    }

    /** A message's body. */
    public static Message message(String json) throws MalformedDataException {
        return object(json, "message", Message::read);
    }

    /** The JSON of a list's elements. */
    public static String json(List<Map<String, Object>> elements) {
        return Json.line(elements);
    }
}
