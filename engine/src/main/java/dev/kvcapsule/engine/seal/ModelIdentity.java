package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.CborMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Which model made a cache, or is to use it.
 *
 * @param id its name
 * @param weights SHA-256 of its file, 64 lower-case hexadecimal digits
 * @param tokenizer SHA-256 of its tokenizer, the same
 */
public record ModelIdentity(String id, Optional<String> weights, Optional<String> tokenizer) {
    private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");

    /** @throws IllegalArgumentException if a digest is none */
    public ModelIdentity {
        weights.ifPresent(ModelIdentity::check);
        tokenizer.ifPresent(ModelIdentity::check);
    }

    private static void check(String digest) {
        if (!DIGEST.matcher(digest).matches()) {
            throw new IllegalArgumentException("a SHA-256 digest has 64 lower-case hexadecimal digits");
        }
    }

    /** Writes the fields of a manifest's claims. */
    void put(Map<String, Object> map) {
        map.put("model_id", id);
        weights.ifPresent(digest -> map.put("weight_digest", HexFormat.of().parseHex(digest)));
        tokenizer.ifPresent(digest -> map.put("tokenizer_digest", HexFormat.of().parseHex(digest)));
    }

    /** Reads them; empty if there are none. */
    static Optional<ModelIdentity> of(CborMap map) throws MalformedDataException {
        return map.has("model_id") ? Optional.of(new ModelIdentity(map.text("model_id"), SealClaims.digest(map, "weight_digest").map(HexFormat.of()::formatHex),
                SealClaims.digest(map, "tokenizer_digest").map(HexFormat.of()::formatHex))) : Optional.empty();
    }
}
