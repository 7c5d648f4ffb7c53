package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.PromptTokens;
import dev.kvcapsule.sessions.fields.Fields;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * How far a capsule that was made before a compaction holds after it: the first tokens of the prompt are those that it had before. Digests are those of {@link PromptTokens#digest};
 * whoever restores a capsule compares them with the tokens that it really holds.
 *
 * @param tokens that both prompts begin with
 * @param digest of them
 * @param markTokens tokens at the beginning of the new prompt that no prompt before the last compaction begins with
 * @param markDigest of them: a capsule that begins so was made after the compaction, and all of it holds
 * @param promptTokens of the new prompt
 * @param tokensBefore of the prompt before
 */
public record CapsuleBoundary(long tokens, String digest, long markTokens, String markDigest, long promptTokens, long tokensBefore) {
    private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");

    /** @throws IllegalArgumentException if a count is out of its range, or a digest is none */
    public CapsuleBoundary {
        if (tokens < 0 || markTokens <= tokens || promptTokens < markTokens || tokensBefore < tokens || promptTokens > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("capsule_boundary: its counts contradict each other");
        }
        if (!DIGEST.matcher(digest).matches() || !DIGEST.matcher(markDigest).matches()) {
            throw new IllegalArgumentException("capsule_boundary: a digest is 64 hexadecimal digits");
        }
    }

    /**
     * Where two prompts part.
     *
     * @param before token ids before the compaction
     * @param after token ids after it
     * @return empty if the new prompt is the beginning of the old one, so that no boundary is needed
     */
    public static Optional<CapsuleBoundary> between(int[] before, int[] after) {
        int parted = Arrays.mismatch(before, after);
        if (parted < 0 || parted >= after.length) {
            return Optional.empty();
        }
        return Optional.of(new CapsuleBoundary(parted, PromptTokens.digest(after, parted), parted + 1L, PromptTokens.digest(after, parted + 1), after.length, before.length));
    }

    /** This one, of a capsule that an earlier compaction left valid up to another: the shorter part holds. */
    public CapsuleBoundary behind(CapsuleBoundary earlier) {
        return tokens <= earlier.tokens ? this : new CapsuleBoundary(earlier.tokens, earlier.digest, markTokens, markDigest, promptTokens, tokensBefore);
    }

    /** Tokens that are left to evaluate of the new prompt, once the valid ones are in a slot. */
    public long evaluatedTokens() {
        return promptTokens - tokens;
    }

    static CapsuleBoundary read(Fields fields) throws MalformedDataException {
        // Computed from the others.
        fields.number("evaluated_tokens");
        CapsuleBoundary boundary = new CapsuleBoundary(fields.number("tokens").orElse(-1), fields.required("digest"), fields.number("mark_tokens").orElse(-1), fields.required("mark_digest"),
                fields.number("prompt_tokens").orElse(-1), fields.number("prompt_tokens_before").orElse(-1));
        fields.end();
        return boundary;
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("tokens", tokens);
        map.put("digest", digest);
        map.put("mark_tokens", markTokens);
        map.put("mark_digest", markDigest);
        map.put("prompt_tokens", promptTokens);
        map.put("prompt_tokens_before", tokensBefore);
        map.put("evaluated_tokens", evaluatedTokens());
        return map;
    }
}
