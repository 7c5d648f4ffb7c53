package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.seal.Caller;
import dev.kvcapsule.engine.seal.Scope;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;

/**
 * Who a token stands for. Whatever a request says, this is whose capsules are made and opened.
 *
 * @param org organisation: also the tenant under whose key capsules are encrypted
 * @param user user
 * @param permissions what it may do
 */
public record Principal(String org, String user, Set<Permission> permissions) {
    /** @throws IllegalArgumentException if a name is empty, longer than 256 characters, or has control characters */
    public Principal {
        new Scope(org, user, Optional.empty(), Optional.empty());
        permissions = permissions.isEmpty() ? Set.of() : Set.copyOf(EnumSet.copyOf(permissions));
    }

    /** Whose slots and capsules: two tokens of one user are the same owner. */
    record Owner(String org, String user) {}

    Owner owner() {
        return new Owner(org, user);
    }

    /** @throws RequestException if it may not */
    void require(Permission permission) {
        if (!permissions.contains(permission)) {
            throw new RequestException(403, "permission", "the token does not allow " + permission.label());
        }
    }

    Scope scope(Optional<String> session) {
        try {
            return new Scope(org, user, session, Optional.empty());
        } catch (IllegalArgumentException e) {
            throw new RequestException(400, "usage", e.getMessage());
        }
    }

    Caller caller(Optional<String> session) {
        return new Caller(org, user, session, Set.of());
    }
}
