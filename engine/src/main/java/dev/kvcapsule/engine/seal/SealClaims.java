package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.CborMap;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the signed manifest binds a capsule to, beside codec and structure: its map {@code seal}. Public: whoever has the capsule can read it.
 *
 * @param capsuleId 16 random bytes
 * @param issuer who sealed it
 * @param scope whose it is
 * @param model the model that made the cache
 * @param runtime the program it is for
 * @param prefixDigest chain of digests over its tokens that starts from a secret of the capsule's
 * @param prefixTokens how many tokens that is over
 * @param positions first token position, and the one after the last
 * @param created when it was sealed
 * @param notBefore from when on it is valid
 * @param expires until when it is valid
 * @param generation number of the state within its session
 * @param tenant whose wrapping key its data key is under
 * @param epoch which of the tenant's keys
 * @param aead how it is encrypted
 * @param wrappedKey its data key, as the key provider wrapped it
 * @param keyCommitment 32 bytes that only this data key gives
 * @param chunks what it goes on from, in the order of their tokens; none if it holds all of its tokens itself
 */
public record SealClaims(byte[] capsuleId, String issuer, Scope scope, Optional<ModelIdentity> model, Optional<RuntimeRange> runtime, Optional<byte[]> prefixDigest,
        long prefixTokens, PositionRange positions, Instant created, Instant notBefore, Instant expires, long generation, String tenant, long epoch, AeadAlgorithm aead,
        byte[] wrappedKey, byte[] keyCommitment, List<ChunkRef> chunks) implements Claims {
    static final int ID_BYTES = 16;
    static final int DIGEST_BYTES = 32;
    private static final int MOST_CHUNKS = 1 << 16;
    private static final int MOST_WRAPPED_BYTES = 4096;
    private static final long LAST_SECOND = 253_402_300_799L; // 9999-12-31T23:59:59Z

    /**
     * Times in whole seconds, as capsules hold them: what was sealed and what is read are equal.
     *
     * @throws IllegalArgumentException if there are more chunks than 65,536
     */
    public SealClaims {
        chunks = List.copyOf(chunks);
        if (chunks.size() > MOST_CHUNKS) {
            throw new IllegalArgumentException(chunks.size() + " chunks");
        }
        created = created.truncatedTo(ChronoUnit.SECONDS);
        notBefore = notBefore.truncatedTo(ChronoUnit.SECONDS);
        expires = expires.truncatedTo(ChronoUnit.SECONDS);
    }

    /** The id in hexadecimal, as it is revoked by. */
    public String id() {
        return HexFormat.of().formatHex(capsuleId);
    }

    /** Tokens of the chunks that it goes on from. */
    public long chunkTokens() {
        return chunks.stream().mapToLong(ChunkRef::tokens).sum();
    }

    /** Position of the first token of one of those chunks. */
    public long firstToken(int chunk) {
        return chunks.subList(0, chunk).stream().mapToLong(ChunkRef::tokens).sum();
    }

    /** The fields by name, as {@link dev.kvcapsule.engine.format.Cbor} takes them; what is not known has no field. */
    Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("capsule_id", capsuleId);
        map.put("issuer", issuer);
        map.put("org", scope.org());
        map.put("user", scope.user());
        scope.session().ifPresent(session -> map.put("session", session));
        scope.permission().ifPresent(permission -> map.put("permission", permission));
        model.ifPresent(known -> known.put(map));
        runtime.ifPresent(range -> {
            map.put("runtime", range.name());
            map.put("runtime_min", range.min());
            map.put("runtime_max", range.max());
        });
        prefixDigest.ifPresent(digest -> {
            map.put("prefix_digest", digest);
            map.put("prefix_tokens", prefixTokens);
        });
        map.put("first_position", positions.first());
        map.put("end_position", positions.end());
        map.put("created", created.getEpochSecond());
        map.put("not_before", notBefore.getEpochSecond());
        map.put("expires", expires.getEpochSecond());
        map.put("generation", generation);
        map.put("tenant", tenant);
        map.put("epoch", epoch);
        map.put("aead", aead.label());
        map.put("wrapped_key", wrappedKey);
        map.put("key_commitment", keyCommitment);
        if (!chunks.isEmpty()) {
            map.put("chunks", chunks.stream().map(ChunkRef::toMap).toList());
        }
        return map;
    }

    /** @throws MalformedDataException if a field is missing, wrong or unknown */
    static SealClaims of(CborMap map) throws MalformedDataException {
        try {
            Scope scope = new Scope(map.text("org"), map.text("user"), text(map, "session"), text(map, "permission"));
            Optional<ModelIdentity> model = ModelIdentity.of(map);
            Optional<RuntimeRange> runtime = map.has("runtime") ? Optional.of(new RuntimeRange(map.text("runtime"), map.text("runtime_min"), map.text("runtime_max")))
                    : Optional.empty();
            Optional<byte[]> prefix = digest(map, "prefix_digest");
            SealClaims claims = new SealClaims(bytes(map, "capsule_id", ID_BYTES), map.text("issuer"), scope, model, runtime, prefix,
                    prefix.isPresent() ? map.number("prefix_tokens", 0, Integer.MAX_VALUE) : 0,
                    new PositionRange(map.number("first_position", 0, Long.MAX_VALUE), map.number("end_position", 0, Long.MAX_VALUE)), time(map, "created"),
                    time(map, "not_before"), time(map, "expires"), map.number("generation", 0, Long.MAX_VALUE), map.text("tenant"), map.number("epoch", 1, Long.MAX_VALUE),
                    AeadAlgorithm.ofLabel(map.text("aead")), wrappedKey(map), bytes(map, "key_commitment", DIGEST_BYTES), chunks(map));
            map.end();
            return claims;
        } catch (IllegalArgumentException e) {
            throw map.malformed(e.getMessage());
        }
    }

    private static List<ChunkRef> chunks(CborMap map) throws MalformedDataException {
        if (!map.has("chunks")) {
            return List.of();
        }
        List<ChunkRef> chunks = new ArrayList<>();
        for (CborMap chunk : map.maps("chunks")) {
            chunks.add(ChunkRef.of(chunk));
        }
        if (chunks.isEmpty()) {
            throw map.malformed("field 'chunks' is empty");
        }
        return chunks;
    }

    static byte[] wrappedKey(CborMap map) throws MalformedDataException {
        byte[] wrapped = map.bytes("wrapped_key");
        if (wrapped.length > MOST_WRAPPED_BYTES) {
            throw map.malformed("a wrapped key of " + wrapped.length + " bytes");
        }
        return wrapped;
    }

    private static Optional<String> text(CborMap map, String name) throws MalformedDataException {
        return map.has(name) ? Optional.of(map.text(name)) : Optional.empty();
    }

    static Instant time(CborMap map, String name) throws MalformedDataException {
        return Instant.ofEpochSecond(map.number(name, 0, LAST_SECOND));
    }

    static Optional<byte[]> digest(CborMap map, String name) throws MalformedDataException {
        return map.has(name) ? Optional.of(bytes(map, name, DIGEST_BYTES)) : Optional.empty();
    }

    static byte[] bytes(CborMap map, String name, int length) throws MalformedDataException {
        byte[] bytes = map.bytes(name);
        if (bytes.length != length) {
            throw map.malformed("field '" + name + "' has " + bytes.length + " bytes, not " + length);
        }
        return bytes;
    }
}
