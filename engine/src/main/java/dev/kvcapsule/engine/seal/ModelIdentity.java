package dev.kvcapsule.engine.seal;

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
}
