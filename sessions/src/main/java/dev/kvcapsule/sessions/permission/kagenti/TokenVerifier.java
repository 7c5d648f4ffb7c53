package dev.kvcapsule.sessions.permission.kagenti;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.Resource;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.BadJWTException;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.permission.platform.BearerToken;
import dev.kvcapsule.sessions.permission.platform.PlatformClient;
import dev.kvcapsule.sessions.permission.platform.PlatformException;
import java.net.MalformedURLException;
import java.net.URI;
import java.text.ParseException;
import java.time.InstantSource;
import java.util.Date;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Verifies access tokens of an OpenID Connect issuer against its keys (RFC 7515, 7517, 7519). The platform itself takes RS256 only, looks for a key by the token's kid, and does not look at
 * the audience (app/core/auth.py); here the audience counts. Algorithms are those of the configuration, each key is used for its own kind only, and keys that a header brings along are not
 * looked at. Keys are fetched again where a token names one that is not known: {@link KagentiPolicy} sees to it that this is not often.
 */
final class TokenVerifier {
    /** How far clocks may be apart. */
    static final int SKEW_SECONDS = 30;

    private static final long KEYS_LIVE_MILLIS = 5 * 60_000;

    private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
    private final Optional<String> tenantClaim;

    TokenVerifier(KagentiSettings settings, PlatformClient client, InstantSource clock) {
        this.tenantClaim = settings.tenant().claim();
        try {
            // Nothing is fetched ahead: a background thread would outlive the session.
            var keys = JWKSourceBuilder.<SecurityContext>create(settings.jwks().toURL(), url -> new Resource(client.text(URI.create(url.toString()), Optional.empty(), settings.timeLimit()),
                    "application/json")).cache(KEYS_LIVE_MILLIS, settings.timeLimit().toMillis()).refreshAheadCache(false).rateLimited(false).build();
            Set<JWSAlgorithm> algorithms = settings.algorithms().stream().map(JWSAlgorithm::parse).collect(Collectors.toSet());
            processor.setJWSKeySelector(new JWSVerificationKeySelector<>(algorithms, keys));
        } catch (MalformedURLException e) {
            throw new IllegalArgumentException("not the address of keys: " + settings.jwks());
        }
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(JOSEObjectType.JWT, new JOSEObjectType("at+jwt"), null));
        JWTClaimsSet exact = new JWTClaimsSet.Builder().issuer(settings.issuer()).build();
        DefaultJWTClaimsVerifier<SecurityContext> claims = new DefaultJWTClaimsVerifier<>(settings.audience(), exact, Set.of("sub", "exp", "iat")) {
            @Override
            protected Date currentTime() {
                return Date.from(clock.instant());
            }
        };
        claims.setMaxClockSkew(SKEW_SECONDS);
        processor.setJWTClaimsSetVerifier(claims);
    }

    /** @throws PlatformException if it is not to be believed, or the keys cannot be had */
    VerifiedToken verify(BearerToken token) throws PlatformException {
        SignedJWT jwt;
        try {
            jwt = SignedJWT.parse(token.reveal());
        } catch (ParseException e) {
            throw new PlatformException("token", "the token is no signed JWT");
        }
        if (jwt.getHeader().getKeyID() == null) {
            throw new PlatformException("token", "the token names no key");
        }
        try {
            JWTClaimsSet claims = processor.process(jwt, null);
            // Keycloak signs ID tokens with the same keys; they say who somebody is, not what may be done for them.
            if (claims.getClaim("typ") != null && !"Bearer".equals(claims.getClaim("typ"))) {
                throw new PlatformException("token", "the token is no access token");
            }
            return VerifiedToken.of(claims, tenantClaim);
        } catch (BadJWTException e) {
            throw new PlatformException("token", "the token is refused: " + MalformedDataException.oneLine(String.valueOf(e.getMessage())));
        } catch (BadJOSEException e) {
            throw new PlatformException("token", "the token is refused: no key of the issuer verifies it with an algorithm that is configured");
        } catch (JOSEException e) {
            throw keys(e);
        }
    }

    private static PlatformException keys(JOSEException e) {
        for (Throwable cause = e.getCause(); cause != null; cause = cause.getCause()) {
            if (cause instanceof PlatformException reason) {
                return new PlatformException(reason.code(), "the issuer's keys: " + reason.getMessage());
            }
        }
        return new PlatformException("token", "the issuer's keys cannot be used (" + e.getClass().getSimpleName() + ")");
    }
}
