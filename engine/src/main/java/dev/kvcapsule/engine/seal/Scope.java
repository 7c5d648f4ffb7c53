package dev.kvcapsule.engine.seal;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Whose a capsule is, and what it takes to use it.
 *
 * @param org organisation
 * @param user user
 * @param session session; empty if it is not bound to one
 * @param permission what the caller must be allowed; empty if nothing in particular
 */
public record Scope(String org, String user, Optional<String> session, Optional<String> permission) {
    private static final int LONGEST = 256;

    /** Control and format characters, which could pass for other lines where a scope is shown. */
    private static final Pattern UNPRINTABLE = Pattern.compile("[\\p{Cc}\\p{Cf}\\u2028\\u2029]");

    /** @throws IllegalArgumentException if a part is empty, longer than 256 characters, or has control characters */
    public Scope {
        check("org", org);
        check("user", user);
        session.ifPresent(text -> check("session", text));
        permission.ifPresent(text -> check("permission", text));
    }

    private static void check(String name, String text) {
        if (text.isBlank() || text.length() > LONGEST) {
            throw new IllegalArgumentException(name + " has 1 to " + LONGEST + " characters");
        }
        if (UNPRINTABLE.matcher(text).find()) {
            throw new IllegalArgumentException(name + " has control characters");
        }
    }
}
