package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * What a resume came to.
 *
 * @param at when
 * @param verdict {@code restored}, or {@code prefill}: the model evaluates its prompt as it would have without a capsule
 * @param code why: {@code ok}, or what stood in the way
 * @param message the same in words
 * @param tokensReused tokens that the server did not evaluate, by its own timings; empty if it was not asked
 * @param tokensEvaluated tokens that it evaluated nonetheless
 * @param seconds from the first byte of the capsule until the slot was ready
 * @param prefillSeconds what evaluating the reused tokens would have taken, at the measured rate; empty if none was measured
 * @param cut where the capsule was cut, since the conversation has been compacted; empty if it was used as a whole
 */
public record ResumeNote(Instant at, String verdict, String code, String message, OptionalLong tokensReused, OptionalLong tokensEvaluated, double seconds,
        OptionalDouble prefillSeconds, Optional<CapsuleCut> cut) {
    /** The cache is in the slot, and is reused. */
    public static final String RESTORED = "restored";

    /** It is not. */
    public static final String PREFILL = "prefill";

    static ResumeNote prefill(Instant at, String code, String message, double seconds) {
        return new ResumeNote(at, PREFILL, code, message, OptionalLong.empty(), OptionalLong.empty(), seconds, OptionalDouble.empty(), Optional.empty());
    }

    /** What was gained: negative if the capsule took longer than evaluating would have. */
    public OptionalDouble prefillSecondsSaved() {
        return prefillSeconds.isPresent() ? OptionalDouble.of(prefillSeconds.getAsDouble() - seconds) : OptionalDouble.empty();
    }

    static ResumeNote read(Fields fields) throws MalformedDataException {
        // Computed from the others.
        fields.real("prefill_seconds_saved");
        Optional<Fields> cut = fields.object("cut");
        return new ResumeNote(fields.time("at").orElse(Instant.EPOCH), fields.required("verdict"), fields.required("code"), fields.text("message").orElse(""),
                fields.number("tokens_reused"), fields.number("tokens_evaluated"), fields.real("seconds").orElse(0), fields.real("prefill_seconds"),
                cut.isPresent() ? Optional.of(CapsuleCut.read(cut.get())) : Optional.empty());
    }

    /** The fields by name; null where nothing was measured. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("at", at.toString());
        map.put("verdict", verdict);
        map.put("code", code);
        map.put("message", message);
        map.put("tokens_reused", tokensReused.isPresent() ? tokensReused.getAsLong() : null);
        map.put("tokens_evaluated", tokensEvaluated.isPresent() ? tokensEvaluated.getAsLong() : null);
        map.put("seconds", seconds);
        map.put("prefill_seconds", prefillSeconds.isPresent() ? prefillSeconds.getAsDouble() : null);
        map.put("prefill_seconds_saved", prefillSecondsSaved().isPresent() ? prefillSecondsSaved().getAsDouble() : null);
        cut.ifPresent(known -> map.put("cut", known.toMap()));
        return map;
    }
}
