package dev.kvcapsule.sessions.permission.kagenti;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.OctetSequenceKey;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.PlainJWT;
import com.nimbusds.jwt.SignedJWT;
import dev.kvcapsule.sessions.permission.platform.BearerToken;
import dev.kvcapsule.sessions.permission.platform.PlatformClient;
import dev.kvcapsule.sessions.permission.platform.PlatformException;
import dev.kvcapsule.sessions.permission.platform.TestPlatform.Reply;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 1, unit = TimeUnit.MINUTES)
class TokenVerifierTest {
    @TempDir
    private Path folder;

    private KagentiFixture kagenti;
    private PlatformClient client;
    private TokenVerifier verifier;

    @BeforeEach
    void start() throws IOException {
        kagenti = new KagentiFixture(folder);
        client = new PlatformClient(1 << 20);
        verifier = new TokenVerifier(kagenti.settings(), client, () -> kagenti.now);
    }

    @AfterEach
    void stop() throws IOException {
        client.close();
        kagenti.close();
    }

    private VerifiedToken verify(String token) throws PlatformException {
        return verifier.verify(new BearerToken(token));
    }

    private VerifiedToken verify(JWTClaimsSet.Builder claims) throws PlatformException {
        return verify(KagentiFixture.signed(claims.build(), KagentiFixture.FIRST));
    }

    private void refused(String token, String why) {
        PlatformException refused = assertThrows(PlatformException.class, () -> verify(token));
        assertEquals("token", refused.code());
        assertTrue(refused.getMessage().contains(why), refused.getMessage());
        assertFalse(refused.getMessage().contains(token));
    }

    private void refused(JWTClaimsSet.Builder claims, String why) {
        refused(KagentiFixture.signed(claims.build(), KagentiFixture.FIRST), why);
    }

    private JWTClaimsSet.Builder ann() {
        return kagenti.claims("ann", "kagenti-operator");
    }

    @Test
    void aGoodTokenSaysWhoAndWhat() throws PlatformException {
        VerifiedToken token = verify(ann().claim("resource_access", Map.of("account", Map.of("roles", List.of("view-profile")))));
        assertEquals(new VerifiedToken("ann", Set.of("kagenti-operator", "view-profile"), Set.of("kagenti-operator"), Optional.empty()), token);
        assertEquals("f:ann", verify(ann().claim("preferred_username", null)).username());
    }

    @Test
    void claimsThatDoNotHoldAreRefused() {
        refused(ann().issuer("https://evil.example/realms/kagenti"), "iss");
        refused(ann().issuer(null), "iss");
        refused(ann().audience("account"), "audience");
        refused(ann().audience((String) null), "aud");
        refused(ann().subject(null), "sub");
        refused(ann().expirationTime(null), "exp");
        refused(ann().issueTime(null), "iat");
        refused(ann().expirationTime(Date.from(kagenti.now.minusSeconds(TokenVerifier.SKEW_SECONDS + 1))), "Expired");
        refused(ann().notBeforeTime(Date.from(kagenti.now.plusSeconds(TokenVerifier.SKEW_SECONDS + 1))), "before use time");
        refused(ann().claim("typ", "ID"), "no access token");
        refused(ann().claim("preferred_username", "a\nb"), "names no user");
    }

    /** Times go by the clock that was given, with some seconds between clocks. */
    @Test
    void aTokenAgesByTheClock() throws PlatformException {
        String token = KagentiFixture.signed(ann().build(), KagentiFixture.FIRST);
        kagenti.now = KagentiFixture.NOW.plusSeconds(300 + TokenVerifier.SKEW_SECONDS - 1);
        assertEquals("ann", verify(token).username());
        kagenti.now = KagentiFixture.NOW.plusSeconds(300 + TokenVerifier.SKEW_SECONDS + 1);
        refused(token, "Expired");
    }

    @Test
    void aTokenWithoutASignatureIsRefused() {
        refused(new PlainJWT(ann().build()).serialize(), "no signed JWT");
        String[] parts = KagentiFixture.signed(ann().build(), KagentiFixture.FIRST).split("\\.");
        String none = Base64.getUrlEncoder().withoutPadding().encodeToString("{\"alg\":\"none\",\"kid\":\"k1\"}".getBytes(StandardCharsets.UTF_8));
        refused(none + "." + parts[1] + ".", "no signed JWT");
        refused(none + "." + parts[1] + "." + parts[2], "no signed JWT");
        refused(parts[0] + "." + parts[1] + ".", "token");
        refused("not.a.token", "no signed JWT");
    }

    /** The public key as the secret of an HMAC: the oldest confusion of them. */
    @Test
    void aPublicKeyIsNoSecret() throws Exception {
        RSAKey key = KagentiFixture.FIRST;
        for (byte[] secret : List.of(key.toRSAPublicKey().getEncoded(), key.toPublicJWK().toJSONString().getBytes(StandardCharsets.UTF_8))) {
            refused(KagentiFixture.signed(ann().build(), JWSAlgorithm.HS256, "k1", new MACSigner(secret)), "no key");
        }
        // Not even where the issuer publishes a secret.
        byte[] secret = new byte[32];
        kagenti.keys = List.of(new OctetSequenceKey.Builder(secret).keyID("s1").build());
        refused(KagentiFixture.signed(ann().build(), JWSAlgorithm.HS256, "s1", new MACSigner(secret)), "no key");
    }

    /** The configuration says which algorithms; a token's header does not. */
    @Test
    void onlyConfiguredAlgorithmsCount() throws Exception {
        refused(KagentiFixture.signed(ann().build(), JWSAlgorithm.RS512, "k1", new RSASSASigner(KagentiFixture.FIRST)), "no key");
        refused(KagentiFixture.signed(ann().build(), JWSAlgorithm.PS256, "k1", new RSASSASigner(KagentiFixture.FIRST)), "no key");
        ECKey curve = new ECKeyGenerator(Curve.P_256).keyID("e1").generate();
        kagenti.keys = List.of(KagentiFixture.FIRST, curve);
        String token = KagentiFixture.signed(ann().build(), JWSAlgorithm.ES256, "e1", new ECDSASigner(curve));
        refused(token, "no key");
        TokenVerifier both = new TokenVerifier(kagenti.settings(kagenti.settings().tenant(), Set.of("RS256", "ES256")), client, () -> kagenti.now);
        assertEquals("ann", both.verify(new BearerToken(token)).username());
        assertThrows(IllegalArgumentException.class, () -> kagenti.settings(kagenti.settings().tenant(), Set.of("HS256")));
        assertThrows(IllegalArgumentException.class, () -> kagenti.settings(kagenti.settings().tenant(), Set.of()));
    }

    @Test
    void keysAreTheIssuersOnly() throws Exception {
        refused(KagentiFixture.signed(ann().build(), KagentiFixture.SECOND), "no key");
        // Another's key under a name of the issuer's.
        refused(KagentiFixture.signed(ann().build(), JWSAlgorithm.RS256, "k1", new RSASSASigner(KagentiFixture.SECOND)), "no key");
        refused(KagentiFixture.signed(ann().build(), JWSAlgorithm.RS256, null, new RSASSASigner(KagentiFixture.FIRST)), "names no key");
        // One that the token brings along.
        SignedJWT own = new SignedJWT(new JWSHeader.Builder(JWSAlgorithm.RS256).type(JOSEObjectType.JWT).keyID("k2").jwk(KagentiFixture.SECOND.toPublicJWK())
                .jwkURL(kagenti.platform.url()).build(), ann().build());
        own.sign(new RSASSASigner(KagentiFixture.SECOND));
        refused(own.serialize(), "no key");
        // One that is for encrypting.
        JWK encrypting = new RSAKey.Builder(KagentiFixture.SECOND.toRSAPublicKey()).keyID("k2").keyUse(KeyUse.ENCRYPTION).build();
        kagenti.keys = List.of(encrypting);
        refused(KagentiFixture.signed(ann().build(), KagentiFixture.SECOND), "no key");
        SignedJWT critical = new SignedJWT(new JWSHeader.Builder(JWSAlgorithm.RS256).keyID("k1").criticalParams(Set.of("x")).customParam("x", "y").build(), ann().build());
        critical.sign(new RSASSASigner(KagentiFixture.FIRST));
        refused(critical.serialize(), "no key");
    }

    /** A new key is fetched when a token names it; one that the issuer has dropped does not count any more once keys were fetched anew. */
    @Test
    void keysRotate() throws Exception {
        assertEquals("ann", verify(ann()).username());
        kagenti.keys = List.of(KagentiFixture.SECOND);
        String second = KagentiFixture.signed(ann().build(), KagentiFixture.SECOND);
        assertEquals("ann", verify(second).username());
        refused(ann(), "no key");
        long fetches = kagenti.platform.requests().stream().filter(request -> request.path().endsWith("/certs")).count();
        assertTrue(fetches >= 2 && fetches <= 3, fetches + " fetches");
    }

    @Test
    void keysThatCannotBeHadRefuseWithTheReason() {
        String path = "/realms/kagenti/protocol/openid-connect/certs";
        Map<String, Reply> replies = Map.of("status-500", new Reply(500, ""), "too-large", Reply.ok("x".repeat(2 << 20)));
        replies.forEach((code, reply) -> {
            kagenti.instead.put(path, reply);
            TokenVerifier fresh = new TokenVerifier(kagenti.settings(), client, () -> kagenti.now);
            assertEquals(code, assertThrows(PlatformException.class, () -> fresh.verify(new BearerToken(KagentiFixture.signed(ann().build(), KagentiFixture.FIRST)))).code());
        });
        for (String body : List.of("", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[{\"kty\":\"RSA\"}]}", "{\"keys\":[null]}", "{\"keys\":[]}")) {
            kagenti.instead.put(path, Reply.ok(body));
            TokenVerifier fresh = new TokenVerifier(kagenti.settings(), client, () -> kagenti.now);
            assertEquals("token", assertThrows(PlatformException.class, () -> fresh.verify(new BearerToken(KagentiFixture.signed(ann().build(), KagentiFixture.FIRST))), body).code());
        }
    }

    @Test
    void aTenantIsOneText() throws PlatformException {
        verifier = new TokenVerifier(kagenti.settings(new KagentiSettings.Tenant(Optional.empty(), Optional.of("team")), Set.of("RS256")), client, () -> kagenti.now);
        assertEquals(Optional.of("team1"), verify(ann()).tenant());
        assertEquals(Optional.of("team2"), verify(ann().claim("team", List.of("team2"))).tenant());
        refused(ann().claim("team", List.of("team1", "team2")), "not one text");
        refused(ann().claim("team", null), "not one text");
    }
}
