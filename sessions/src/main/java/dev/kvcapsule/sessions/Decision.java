package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Something that was decided.
 *
 * @param choice what
 * @param reason why
 * @param rejected what else there was
 */
public record Decision(String choice, Optional<String> reason, List<String> rejected) {
    /** Copies the list. */
    public Decision {
        rejected = List.copyOf(rejected);
    }

    static Decision read(Fields fields) throws MalformedDataException {
        return new Decision(fields.required("choice"), fields.text("reason"), fields.texts("rejected"));
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("choice", choice);
        reason.ifPresent(text -> map.put("reason", text));
        map.put("rejected", rejected);
        return map;
    }
}
