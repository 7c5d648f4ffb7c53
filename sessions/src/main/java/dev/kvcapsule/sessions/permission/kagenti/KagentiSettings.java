package dev.kvcapsule.sessions.permission.kagenti;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/**
 * A platform, and who issues its tokens.
 *
 * @param url of the platform's API, without {@code /api/v1}
 * @param issuer that a token must name, such as {@code https://keycloak.example.com/realms/kagenti}
 * @param jwks where the issuer's keys are
 * @param audience that a token must be for
 * @param algorithms that a token may be signed with, all of them asymmetric; what a token's header says chooses among these only
 * @param tenant where the tenant's name comes from
 * @param rolePrefix what names of roles begin with: {@code kagenti}, or {@code rossoctl} since the project's change of name
 * @param tokenFile file of the session's access token
 * @param timeLimit of one resolution
 */
public record KagentiSettings(URI url, String issuer, URI jwks, String audience, Set<String> algorithms, Tenant tenant, String rolePrefix, Path tokenFile, Duration timeLimit) {
    /** Algorithms that can be configured. */
    public static final Set<String> ALGORITHMS = Set.of("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512");

    /**
     * The tenant, which is a Kubernetes namespace of the platform.
     *
     * @param name where it is fixed
     * @param claim of the token that names it otherwise
     */
    public record Tenant(Optional<String> name, Optional<String> claim) {
        /** @throws IllegalArgumentException if not exactly one is given */
        public Tenant {
            if (name.isPresent() == claim.isPresent()) {
                throw new IllegalArgumentException("a tenant is named, or a claim that names it");
            }
        }
    }

    /** @throws IllegalArgumentException if there is no algorithm, or one that is not among {@link #ALGORITHMS} */
    public KagentiSettings {
        algorithms = Set.copyOf(algorithms);
        if (algorithms.isEmpty() || !ALGORITHMS.containsAll(algorithms)) {
            throw new IllegalArgumentException("algorithms are among " + ALGORITHMS);
        }
    }
}
