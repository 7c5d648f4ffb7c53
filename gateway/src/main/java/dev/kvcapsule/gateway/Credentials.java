package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.TextYaml;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Bearer tokens and clients' certificates, and who they stand for. The file is YAML, one entry each: {@code TOKEN: {org: O, user: U, permissions: [infer, export, ...]}}. A token of
 * the form {@code sha256:HEX} is the digest of one that the file does not tell; {@code cert:HEX} is the SHA-256 of a certificate (its DER form, as {@code openssl x509 -fingerprint -sha256}
 * gives it, with or without colons), which TLS must have found to be valid and the client's. Only digests are kept in memory.
 */
public final class Credentials {
    private static final String DIGEST_PREFIX = "sha256:";
    private static final String CERTIFICATE_PREFIX = "cert:";
    private static final int SHORTEST = 16;
    private static final long MAX_BYTES = 1 << 20;
    private static final String SCHEME = "Bearer ";

    /** @param certificate whether the digest is a certificate's, not a token's */
    private record Entry(byte[] digest, boolean certificate, Principal principal) {}

    private final List<Entry> entries;

    private Credentials(List<Entry> entries) {
        this.entries = List.copyOf(entries);
    }

    /**
     * Reads a tokens file.
     *
     * @throws MalformedDataException if it is not of that form; the message never quotes a token
     * @throws IOException if it cannot be read, or holds tokens in clear and can be read by others
     */
    public static Credentials read(Path file) throws IOException {
        if (Files.size(file) > MAX_BYTES) {
            throw new MalformedDataException(file + " is too large for a tokens file");
        }
        Object document;
        try {
            document = TextYaml.read(Files.readString(file));
        } catch (MalformedDataException | CharacterCodingException e) {
            // The library's message quotes the line, which holds a token.
            throw new MalformedDataException(file + " is not YAML of the form TOKEN: {org: O, user: U, permissions: [infer]}");
        }
        if (!(document instanceof Map<?, ?> map) || map.isEmpty()) {
            throw new MalformedDataException(file + " holds no tokens: each is an entry TOKEN: {org: O, user: U, permissions: [infer]}");
        }
        List<Entry> entries = new ArrayList<>();
        boolean clear = false;
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            String where = file + ", entry " + (entries.size() + 1);
            String token = String.valueOf(entry.getKey());
            boolean certificate = token.startsWith(CERTIFICATE_PREFIX);
            clear |= !certificate && !token.startsWith(DIGEST_PREFIX);
            entries.add(new Entry(certificate ? hex(token, CERTIFICATE_PREFIX, where) : digest(token, where), certificate, principal(entry.getValue(), where)));
        }
        if (clear) {
            PrivateFiles.require(file, "holds tokens (sha256:HEX in place of one keeps it out of the file)");
        }
        return new Credentials(entries);
    }

    /** The organisations that tokens stand for: each needs a key of its own to seal with. */
    public Set<String> organisations() {
        return entries.stream().map(entry -> entry.principal.org()).collect(Collectors.toUnmodifiableSet());
    }

    private static byte[] digest(String token, String where) throws IOException {
        if (token.startsWith(DIGEST_PREFIX)) {
            return hex(token, DIGEST_PREFIX, where);
        }
        if (token.length() < SHORTEST) {
            throw new MalformedDataException(where + ": a token of less than " + SHORTEST + " characters can be guessed");
        }
        return sha256(token.getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] hex(String entry, String prefix, String where) throws IOException {
        try {
            byte[] digest = HexFormat.of().parseHex(entry.substring(prefix.length()).replace(":", ""));
            if (digest.length == 32) {
                return digest;
            }
        } catch (IllegalArgumentException e) {
            // Said below, together with digests that are too short.
        }
        throw new MalformedDataException(where + ": " + prefix + " takes 64 hexadecimal digits");
    }

    private static Principal principal(Object value, String where) throws IOException {
        if (!(value instanceof Map<?, ?> fields) || !Set.of("org", "user", "permissions").containsAll(fields.keySet())
                || !(fields.get("org") instanceof String org) || !(fields.get("user") instanceof String user)
                || !(fields.get("permissions") instanceof List<?> names)) {
            throw new MalformedDataException(where + ": expected {org: O, user: U, permissions: [infer, export, restore, manage, sessions, metrics]}");
        }
        try {
            EnumSet<Permission> permissions = EnumSet.noneOf(Permission.class);
            for (Object name : names) {
                permissions.add(Permission.ofLabel(String.valueOf(name)));
            }
            return new Principal(org, user, permissions);
        } catch (IllegalArgumentException e) {
            throw new MalformedDataException(where + ": " + e.getMessage());
        }
    }

    /**
     * Whom a request's credentials stand for. Every entry is compared, each in a time that does not depend on where the digests differ.
     *
     * @param authorization value of the Authorization header; null if there is none
     */
    Optional<Principal> authenticate(String authorization) {
        if (authorization == null || !authorization.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return Optional.empty();
        }
        return find(sha256(authorization.substring(SCHEME.length()).strip().getBytes(StandardCharsets.UTF_8)), false);
    }

    /** Whom a client's certificate stands for, which TLS has found to be valid and the client's own. */
    Optional<Principal> authenticate(X509Certificate certificate) {
        try {
            return find(sha256(certificate.getEncoded()), true);
        } catch (CertificateEncodingException e) {
            return Optional.empty();
        }
    }

    private Optional<Principal> find(byte[] digest, boolean certificate) {
        Principal found = null;
        for (Entry entry : entries) {
            if (MessageDigest.isEqual(entry.digest, digest) && entry.certificate == certificate) {
                found = entry.principal;
            }
        }
        return Optional.ofNullable(found);
    }

    private static byte[] sha256(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }
}
