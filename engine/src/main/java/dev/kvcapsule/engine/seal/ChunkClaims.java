package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.CborMap;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What the signed manifest of a chunk binds it to. It is its organisation's, no user's: it is opened for whoever has a capsule that names it, and for nobody else.
 *
 * @param capsuleId 16 random bytes
 * @param issuer who sealed it
 * @param org whose it is
 * @param address 32 bytes: a keyed digest of its tokens and all before them, of model, structure and codec
 * @param model the model that made the cache
 * @param positions first token position, and the one after the last
 * @param created when it was sealed; it is valid from then on
 * @param expires until when it is valid
 * @param tenant whose wrapping key its data key is under
 * @param epoch which of the tenant's keys
 * @param aead how it is encrypted
 * @param wrappedKey its data key, as the key provider wrapped it
 * @param keyCommitment 32 bytes that only this data key gives
 */
public record ChunkClaims(byte[] capsuleId, String issuer, String org, byte[] address, Optional<ModelIdentity> model, PositionRange positions, Instant created, Instant expires,
        String tenant, long epoch, AeadAlgorithm aead, byte[] wrappedKey, byte[] keyCommitment) implements Claims {
    /** Times in whole seconds, as capsules hold them. */
    public ChunkClaims {
        created = created.truncatedTo(ChronoUnit.SECONDS);
        expires = expires.truncatedTo(ChronoUnit.SECONDS);
    }

    @Override
    public Instant notBefore() {
        return created;
    }

    /** The address in hexadecimal. */
    public String addressText() {
        return HexFormat.of().formatHex(address);
    }

    Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("capsule_id", capsuleId);
        map.put("issuer", issuer);
        map.put("org", org);
        map.put("address", address);
        model.ifPresent(known -> known.put(map));
        map.put("first_position", positions.first());
        map.put("end_position", positions.end());
        map.put("created", created.getEpochSecond());
        map.put("expires", expires.getEpochSecond());
        map.put("tenant", tenant);
        map.put("epoch", epoch);
        map.put("aead", aead.label());
        map.put("wrapped_key", wrappedKey);
        map.put("key_commitment", keyCommitment);
        return map;
    }

    /** @throws MalformedDataException if a field is missing, wrong or unknown */
    static ChunkClaims of(CborMap map) throws MalformedDataException {
        try {
            ChunkClaims claims = new ChunkClaims(SealClaims.bytes(map, "capsule_id", SealClaims.ID_BYTES), map.text("issuer"), map.text("org"),
                    SealClaims.bytes(map, "address", SealClaims.DIGEST_BYTES), ModelIdentity.of(map),
                    new PositionRange(map.number("first_position", 0, Long.MAX_VALUE), map.number("end_position", 0, Long.MAX_VALUE)), SealClaims.time(map, "created"),
                    SealClaims.time(map, "expires"), map.text("tenant"), map.number("epoch", 1, Long.MAX_VALUE), AeadAlgorithm.ofLabel(map.text("aead")),
                    SealClaims.wrappedKey(map), SealClaims.bytes(map, "key_commitment", SealClaims.DIGEST_BYTES));
            map.end();
            return claims;
        } catch (IllegalArgumentException e) {
            throw map.malformed(e.getMessage());
        }
    }
}
