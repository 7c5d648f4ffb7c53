package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import java.util.Locale;

/** Who a message is from. */
public enum Role {
    /** Instructions that stand before the conversation. */
    SYSTEM,
    /** Begins a turn. */
    USER,
    /** The model. */
    ASSISTANT,
    /** The result of one tool call. */
    TOOL;

    /** The name in JSON. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    static Role ofLabel(String label) throws MalformedDataException {
        for (Role role : values()) {
            if (role.label().equals(label)) {
                return role;
            }
        }
        throw new MalformedDataException("role: is none of system, user, assistant, tool");
    }
}
