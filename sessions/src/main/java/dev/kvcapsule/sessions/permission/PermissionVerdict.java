package dev.kvcapsule.sessions.permission;

/**
 * What becomes of a tool call.
 *
 * @param action what the caller has to do; allow where the mode is observe
 * @param audit what was found, by which rule, and why
 */
public record PermissionVerdict(Action action, AuditRecord audit) {
    /** Stable name of the rule that decided. */
    public String ruleId() {
        return audit.ruleId();
    }

    /** Why, in a sentence; free of secrets. */
    public String reason() {
        return audit.reason();
    }

    /** Whether the call is allowed only because the mode is observe. */
    public boolean wouldHaveStopped() {
        return action == Action.ALLOW && audit.found() != Action.ALLOW;
    }
}
