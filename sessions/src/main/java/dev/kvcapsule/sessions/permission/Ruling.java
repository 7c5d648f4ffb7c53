package dev.kvcapsule.sessions.permission;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a policy found.
 *
 * @param action what should become of the call
 * @param ruleId stable name of the rule that decided
 * @param reason why, in a sentence; free of secrets
 * @param details more for the record, as JSON has it; free of secrets
 */
public record Ruling(Action action, String ruleId, String reason, Map<String, Object> details) {
    /** Copies the details. */
    public Ruling {
        details = Collections.unmodifiableMap(new LinkedHashMap<>(details));
    }

    /** One without details. */
    public Ruling(Action action, String ruleId, String reason) {
        this(action, ruleId, reason, Map.of());
    }

    /** A deny. */
    public static Ruling deny(String ruleId, String reason) {
        return new Ruling(Action.DENY, ruleId, reason);
    }
}
