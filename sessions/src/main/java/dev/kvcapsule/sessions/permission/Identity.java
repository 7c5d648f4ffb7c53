package dev.kvcapsule.sessions.permission;

import dev.kvcapsule.engine.MalformedDataException;
import java.util.Optional;

/**
 * For whom a tool would run. It holds no credential: those stay with the source that checks them.
 *
 * @param name of the user or service
 * @param tenant the organisation or team, if there are several
 */
public record Identity(String name, Optional<String> tenant) {
    /** Longest name and tenant, in characters. */
    public static final int MAX_LENGTH = 256;

    /** @throws IllegalArgumentException if the name or tenant is empty, too long, or has characters that do not print */
    public Identity {
        if (!isName(name) || tenant.isPresent() && !isName(tenant.get())) {
            throw new IllegalArgumentException("a name is 1 to " + MAX_LENGTH + " printable characters");
        }
    }

    /** Somebody without a tenant. */
    public static Identity of(String name) {
        return new Identity(name, Optional.empty());
    }

    /** Whether a text can be a name: 1 to {@link #MAX_LENGTH} characters, none of them of those that {@link MalformedDataException#oneLine} replaces. */
    public static boolean isName(String text) {
        return text != null && !text.isBlank() && text.length() <= MAX_LENGTH && MalformedDataException.oneLine(text).equals(text);
    }
}
