package dev.kvcapsule.engine.seal;

import java.util.Optional;
import java.util.Set;

/**
 * Who asks for a capsule, as the server has found out by itself: never as the request says.
 *
 * @param org organisation
 * @param user user
 * @param session session; empty if the caller is in none
 * @param permissions what it is allowed
 */
public record Caller(String org, String user, Optional<String> session, Set<String> permissions) {
    /** Copies the set. */
    public Caller {
        permissions = Set.copyOf(permissions);
    }
}
