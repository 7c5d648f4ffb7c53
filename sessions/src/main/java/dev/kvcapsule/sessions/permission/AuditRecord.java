package dev.kvcapsule.sessions.permission;

import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What is kept of a verdict. It holds names of arguments, never values: those may be secrets, and the session's trace has them. No credential and no free text of a platform gets here.
 *
 * @param at when it was decided
 * @param source {@code static}, {@code kagenti} or {@code ogx}
 * @param mode whether it binds
 * @param scope the permission scope
 * @param identity for whom
 * @param tool its name, fit for one line
 * @param arguments names of the arguments, the first {@value #MAX_NAMES}
 * @param argumentsDigest tells equal arguments from others within one source's life: HMAC-SHA-256 under a key that only it has, so that nobody can guess values against a log
 * @param found what the policy said
 * @param action what became of it: differs from {@code found} where the mode is observe
 * @param ruleId stable name of the rule that decided
 * @param reason why
 * @param seconds that it took
 * @param details more, as JSON has it
 */
public record AuditRecord(Instant at, String source, Mode mode, String scope, Identity identity, String tool, List<String> arguments, String argumentsDigest, Action found, Action action,
        String ruleId, String reason, double seconds, Map<String, Object> details) {
    /** Most names of arguments. */
    public static final int MAX_NAMES = 64;

    /** Copies the names; details are a {@link Ruling}'s. */
    public AuditRecord {
        arguments = List.copyOf(arguments);
    }

    /** As it goes into a log: one object of JSON. */
    public Map<String, Object> toMap() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("at", at.toString());
        fields.put("source", source);
        fields.put("mode", mode.label());
        fields.put("scope", scope);
        fields.put("identity", identity.name());
        fields.put("tenant", identity.tenant().orElse(null));
        fields.put("tool", tool);
        fields.put("arguments", arguments);
        fields.put("arguments_digest", argumentsDigest);
        fields.put("found", found.label());
        fields.put("action", action.label());
        fields.put("rule_id", ruleId);
        fields.put("reason", reason);
        fields.put("seconds", seconds);
        fields.put("details", details);
        return fields;
    }
}
