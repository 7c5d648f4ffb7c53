package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A tool call that the model made.
 *
 * @param id as the model's server gave it; unique in a session
 * @param name of the tool
 * @param arguments JSON, as the model wrote it: not always well-formed
 */
public record ToolCall(String id, String name, String arguments) {
    /** @throws IllegalArgumentException if a text is not valid Unicode, or there is no id or name */
    public ToolCall {
        Texts.require(id, "a tool call's id");
        Texts.require(name, "a tool's name");
        Texts.requireUnicode(arguments, "a tool call's arguments");
    }

    static ToolCall read(Fields fields) throws MalformedDataException {
        return new ToolCall(fields.required("id"), fields.required("name"), fields.text("arguments").orElse("{}"));
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("id", id);
        map.put("name", name);
        map.put("arguments", arguments);
        return map;
    }
}
