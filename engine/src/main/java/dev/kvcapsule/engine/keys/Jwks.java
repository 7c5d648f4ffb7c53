package dev.kvcapsule.engine.keys;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * A JSON Web Key Set (RFC 7517, section 5) of public keys: what operators give to those who only verify. Its member {@code revoked_capsules} lists revoked
 * capsules by id in hexadecimal.
 */
public final class Jwks implements VerificationKeys {
    private static final long MAX_BYTES = 4 << 20;
    private static final String REVOKED = "revoked_capsules";

    private final Map<String, VerificationKey> keys = new LinkedHashMap<>();
    private final Set<String> revoked = new TreeSet<>();

    /**
     * A set of those keys.
     *
     * @param revoked ids of revoked capsules, 32 hexadecimal digits each
     * @throws IllegalArgumentException if one is no such id
     */
    public Jwks(List<VerificationKey> keys, Set<String> revoked) {
        keys.forEach(key -> this.keys.put(key.kid(), key));
        this.revoked.addAll(CapsuleIds.of(REVOKED, List.copyOf(revoked)));
    }

    /**
     * Reads a set.
     *
     * @throws KeyException if it is none, or holds a private key
     */
    public static Jwks read(Path file) throws IOException {
        if (Files.size(file) > MAX_BYTES) {
            throw new KeyException(file + " is too large for a key set");
        }
        try {
            return parse(Files.readString(file));
        } catch (IllegalArgumentException | CharacterCodingException e) {
            throw new KeyException(file + ": " + e.getMessage());
        }
    }

    private static Jwks parse(String text) {
        Map<String, Object> set = Json.readObject(text);
        if (!(set.get("keys") instanceof List<?> list)) {
            throw new IllegalArgumentException("has no member 'keys': it is no JSON Web Key Set");
        }
        List<VerificationKey> keys = new ArrayList<>();
        for (Object element : list) {
            if (!(element instanceof Map<?, ?> map)) {
                throw new IllegalArgumentException("a key that is no object");
            }
            Map<String, Object> jwk = new LinkedHashMap<>();
            map.forEach((name, value) -> jwk.put((String) name, value));
            if (jwk.containsKey(Jwk.secretMember(jwk))) {
                throw new IllegalArgumentException("holds a private key; key sets are for public ones");
            }
            VerificationKey key = Jwk.signing(jwk);
            if (keys.stream().anyMatch(other -> other.kid().equals(key.kid()))) {
                throw new IllegalArgumentException("two keys of one name");
            }
            keys.add(key);
        }
        return new Jwks(keys, set.containsKey(REVOKED) ? CapsuleIds.of(REVOKED, set.get(REVOKED)) : Set.of());
    }

    /** The set as text. */
    public String toJson() {
        Map<String, Object> set = new LinkedHashMap<>();
        set.put("keys", keys.values().stream().map(Jwk::of).toList());
        set.put(REVOKED, List.copyOf(revoked));
        return Json.write(set);
    }

    /** All keys. */
    public List<VerificationKey> keys() {
        return List.copyOf(keys.values());
    }

    /** Ids of revoked capsules, in hexadecimal. */
    public Set<String> revokedCapsules() {
        return Set.copyOf(revoked);
    }

    @Override
    public Optional<VerificationKey> publicKey(String kid) {
        return Optional.ofNullable(keys.get(kid));
    }

    /** Empty: a set holds no tenants' keys. */
    @Override
    public Optional<KeyStatus> epochStatus(String tenant, long epoch) {
        return Optional.empty();
    }

    @Override
    public boolean isRevoked(byte[] capsuleId) {
        return revoked.contains(HexFormat.of().formatHex(capsuleId));
    }
}
