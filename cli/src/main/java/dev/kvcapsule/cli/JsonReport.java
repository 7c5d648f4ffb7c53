package dev.kvcapsule.cli;

import dev.kvcapsule.serving.json.Json;
import java.util.LinkedHashMap;
import java.util.Map;

/** One JSON object: what {@code --json} prints. Numbers that JSON does not have (infinities, NaN) become null. */
final class JsonReport {
    private final Map<String, Object> fields = new LinkedHashMap<>();

    JsonReport put(String name, Object value) {
        fields.put(name, value);
        return this;
    }

    static String error(String code, String message) {
        Map<String, Object> error = new LinkedHashMap<>();
        error.put("code", code);
        error.put("message", message);
        return new JsonReport().put("error", error).toString();
    }

    @Override
    public String toString() {
        return Json.line(fields);
    }
}
