package dev.kvcapsule.sessions.permission.kagenti;

import com.nimbusds.jwt.JWTClaimsSet;
import dev.kvcapsule.sessions.permission.Identity;
import dev.kvcapsule.sessions.permission.platform.PlatformException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What a token says whose signature, issuer, audience and times held.
 *
 * @param username {@code preferred_username}, or {@code sub} where there is none, as the platform reads it
 * @param roles of {@code realm_access} and of every client in {@code resource_access}
 * @param realmRoles of {@code realm_access} only
 * @param tenant that the configured claim names; empty if no claim is configured
 */
record VerifiedToken(String username, Set<String> roles, Set<String> realmRoles, Optional<String> tenant) {
    VerifiedToken {
        roles = Set.copyOf(roles);
        realmRoles = Set.copyOf(realmRoles);
    }

    /** @throws PlatformException if it names nobody, or no tenant, or several */
    static VerifiedToken of(JWTClaimsSet claims, Optional<String> tenantClaim) throws PlatformException {
        Object name = claims.getClaim("preferred_username") == null ? claims.getSubject() : claims.getClaim("preferred_username");
        if (!(name instanceof String username) || !Identity.isName(username)) {
            throw new PlatformException("token", "the token names no user");
        }
        Set<String> realm = roles(claims.getClaim("realm_access"));
        Set<String> all = new HashSet<>(realm);
        if (claims.getClaim("resource_access") instanceof Map<?, ?> clients) {
            clients.values().forEach(client -> all.addAll(roles(client)));
        }
        return new VerifiedToken(username, all, realm, tenantClaim.isPresent() ? Optional.of(tenant(claims.getClaim(tenantClaim.get()))) : Optional.empty());
    }

    private static Set<String> roles(Object access) {
        Set<String> roles = new HashSet<>();
        if (access instanceof Map<?, ?> map && map.get("roles") instanceof List<?> list) {
            for (Object role : list) {
                if (role instanceof String text) {
                    roles.add(text);
                }
            }
        }
        return roles;
    }

    /** A text, or a list of one: of several it cannot be told which is meant. */
    private static String tenant(Object claim) throws PlatformException {
        Object one = claim instanceof List<?> list && list.size() == 1 ? list.getFirst() : claim;
        if (one instanceof String text) {
            return text;
        }
        throw new PlatformException("token", "the token's claim for the tenant is not one text");
    }
}
