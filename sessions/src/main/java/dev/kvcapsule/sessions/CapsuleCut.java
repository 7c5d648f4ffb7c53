package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import dev.kvcapsule.sessions.row.CapsuleBoundary;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What a compaction leaves of a capsule: the frozen prefix is kept, summary and tail are evaluated.
 *
 * @param capsuleTokens that the capsule holds
 * @param keptTokens of them that the compacted conversation begins with, too
 * @param promptTokens of the compacted conversation, as it was then
 */
public record CapsuleCut(long capsuleTokens, long keptTokens, long promptTokens) {
    /** The cut of a capsule; empty if all of it holds. */
    public static Optional<CapsuleCut> of(CapsuleNote capsule, Optional<CapsuleBoundary> boundary) {
        return boundary.filter(parted -> parted.tokens() < capsule.tokens()).map(parted -> new CapsuleCut(capsule.tokens(), parted.tokens(), parted.promptTokens()));
    }

    /** Tokens of the compacted conversation that are evaluated. */
    public long evaluatedTokens() {
        return promptTokens - keptTokens;
    }

    static CapsuleCut read(Fields fields) throws MalformedDataException {
        return new CapsuleCut(fields.number("capsule_tokens").orElse(0), fields.number("kept_tokens").orElse(0), fields.number("prompt_tokens").orElse(0));
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("capsule_tokens", capsuleTokens);
        map.put("kept_tokens", keptTokens);
        map.put("prompt_tokens", promptTokens);
        map.put("evaluated_tokens", evaluatedTokens());
        map.put("saved_tokens", keptTokens);
        return map;
    }

    /** One line. */
    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%d of %d tokens kept, %d to evaluate; a full prefill evaluates %d: %d saved (%.0f%%)", keptTokens, capsuleTokens, evaluatedTokens(), promptTokens,
                keptTokens, 100.0 * keptTokens / Math.max(1, promptTokens));
    }
}
