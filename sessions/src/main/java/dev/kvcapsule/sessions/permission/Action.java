package dev.kvcapsule.sessions.permission;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** What becomes of a tool call. */
public enum Action {
    /** It runs. */
    ALLOW,
    /** It does not run. */
    DENY,
    /** An operator is asked first. */
    ASK;

    /** As in policies and records: {@code allow}, {@code deny}, {@code ask}. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The action of a label; empty if it is none. */
    public static Optional<Action> ofLabel(String label) {
        return Arrays.stream(values()).filter(action -> action.label().equals(label)).findFirst();
    }
}
