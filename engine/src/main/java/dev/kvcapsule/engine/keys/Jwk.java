package dev.kvcapsule.engine.keys;

import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * JSON Web Keys (RFC 7517): Ed25519 as in RFC 8037, ML-DSA-65 as in RFC 9964, tenants' keys as {@code oct} (RFC 7518). Members of our own: {@code nbf} and
 * {@code exp} in unix seconds, {@code status}, {@code pair}, {@code tenant}, {@code epoch}.
 */
final class Jwk {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]{0,63}");
    private static final Base64.Encoder ENCODER = Base64.getUrlEncoder().withoutPadding();

    private Jwk() {}

    /** Whether a text can name a key or a tenant; such a name is also a file's. */
    static boolean isName(String text) {
        return NAME.matcher(text).matches();
    }

    /** @throws IllegalArgumentException if it cannot */
    static String name(String text) {
        if (!isName(text)) {
            throw new IllegalArgumentException("a name of a key or tenant has 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter, digit or _");
        }
        return text;
    }

    /** The public members of a signing key. */
    static Map<String, Object> of(VerificationKey key) {
        Map<String, Object> jwk = new LinkedHashMap<>();
        byte[] raw = KeyPairs.raw(key.algorithm(), key.key());
        if (key.algorithm() == SignatureAlgorithm.ED25519) {
            jwk.put("kty", "OKP");
            jwk.put("crv", "Ed25519");
            jwk.put("x", encode(raw));
        } else {
            jwk.put("kty", "AKP");
            jwk.put("pub", encode(raw));
        }
        jwk.put("alg", key.algorithm().label());
        jwk.put("kid", key.kid());
        jwk.put("use", "sig");
        jwk.put("nbf", key.notBefore().getEpochSecond());
        key.notAfter().ifPresent(end -> jwk.put("exp", end.getEpochSecond()));
        jwk.put("status", key.status().name());
        key.pair().ifPresent(pair -> jwk.put("pair", pair));
        return jwk;
    }

    /** @throws IllegalArgumentException if it is no signing key that we know */
    static VerificationKey signing(Map<String, Object> jwk) {
        SignatureAlgorithm algorithm = SignatureAlgorithm.ofLabel(text(jwk, "alg"));
        boolean ed = algorithm == SignatureAlgorithm.ED25519;
        if (!text(jwk, "kty").equals(ed ? "OKP" : "AKP") || ed && !text(jwk, "crv").equals("Ed25519")) {
            throw new IllegalArgumentException("'kty' and 'crv' are not those of " + algorithm.label());
        }
        byte[] raw = bytes(jwk, ed ? "x" : "pub");
        Optional<Instant> end = jwk.containsKey("exp") ? Optional.of(Instant.ofEpochSecond(number(jwk, "exp"))) : Optional.empty();
        Optional<String> pair = jwk.containsKey("pair") ? Optional.of(name(text(jwk, "pair"))) : Optional.empty();
        return new VerificationKey(name(text(jwk, "kid")), algorithm, KeyPairs.ofRaw(algorithm, raw), Instant.ofEpochSecond(jwk.containsKey("nbf") ? number(jwk, "nbf") : 0),
                end, status(jwk), pair);
    }

    /** Members of a tenant's key without the key. */
    static Map<String, Object> of(TenantKey key) {
        Map<String, Object> jwk = new LinkedHashMap<>();
        jwk.put("kty", "oct");
        jwk.put("use", "enc");
        jwk.put("tenant", key.tenant());
        jwk.put("epoch", key.epoch());
        jwk.put("status", key.status().name());
        return jwk;
    }

    /** A tenant's key as far as its file tells, which does not say whether it is held. @throws IllegalArgumentException if it is no tenant's key */
    static TenantKey tenant(Map<String, Object> jwk) {
        if (!text(jwk, "kty").equals("oct")) {
            throw new IllegalArgumentException("'kty' of a tenant's key is oct");
        }
        return new TenantKey(name(text(jwk, "tenant")), number(jwk, "epoch"), status(jwk), false);
    }

    /** The member that holds the secret of such a key. */
    static String secretMember(Map<String, Object> jwk) {
        return switch (text(jwk, "kty")) {
            case "OKP" -> "d";
            case "AKP" -> "priv";
            default -> "k";
        };
    }

    /** Base64url without padding (RFC 7515). */
    static String encode(byte[] bytes) {
        return ENCODER.encodeToString(bytes);
    }

    /** @throws IllegalArgumentException if it is not there or no base64url */
    static byte[] bytes(Map<String, Object> jwk, String name) {
        String text = text(jwk, name);
        byte[] bytes;
        try {
            bytes = Base64.getUrlDecoder().decode(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("'" + name + "' is not base64url");
        }
        // The JDK also takes padding, and bits behind the last byte that are not 0: RFC 7515 has one text for some bytes.
        if (!encode(bytes).equals(text)) {
            Arrays.fill(bytes, (byte) 0);
            throw new IllegalArgumentException("'" + name + "' is not base64url without padding");
        }
        return bytes;
    }

    private static String text(Map<String, Object> jwk, String name) {
        if (jwk.get(name) instanceof String text) {
            return text;
        }
        throw new IllegalArgumentException("'" + name + "' is missing or no text");
    }

    private static long number(Map<String, Object> jwk, String name) {
        if (jwk.get(name) instanceof Long number && number >= 0 && number <= Instant.MAX.getEpochSecond()) {
            return number;
        }
        throw new IllegalArgumentException("'" + name + "' is missing or out of range");
    }

    private static KeyStatus status(Map<String, Object> jwk) {
        if (!jwk.containsKey("status")) {
            return KeyStatus.VERIFY_ONLY;
        }
        try {
            return KeyStatus.valueOf(text(jwk, "status"));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("'status' is none of ACTIVE, VERIFY_ONLY, REVOKED");
        }
    }
}
