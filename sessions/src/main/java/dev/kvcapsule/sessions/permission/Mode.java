package dev.kvcapsule.sessions.permission;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** Whether verdicts bind. */
public enum Mode {
    /** They do. */
    ENFORCE,
    /** Everything is allowed, and the record says what would have become of it: how a policy is tried out. */
    OBSERVE;

    /** As in policies and records: {@code enforce}, {@code observe}. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The mode of a label; empty if it is none. */
    public static Optional<Mode> ofLabel(String label) {
        return Arrays.stream(values()).filter(mode -> mode.label().equals(label)).findFirst();
    }
}
