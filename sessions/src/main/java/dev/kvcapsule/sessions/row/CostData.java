package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What a session has cost, by the model's server's own counts.
 *
 * @param promptTokens evaluated or reused, all requests together
 * @param cachedTokens of them, reused
 * @param completionTokens generated
 * @param contextTokens how long the conversation was after the last request; 0 if nothing was counted since it last changed by more than that
 * @param model that answered last
 */
public record CostData(long promptTokens, long cachedTokens, long completionTokens, long contextTokens, Optional<String> model) {
    /** Nothing yet. */
    public static final CostData NONE = new CostData(0, 0, 0, 0, Optional.empty());

    /** @throws IllegalArgumentException if a count is negative, or the model's name is none */
    public CostData {
        if (promptTokens < 0 || cachedTokens < 0 || completionTokens < 0 || contextTokens < 0) {
            throw new IllegalArgumentException("token counts are not negative");
        }
        model.ifPresent(name -> Texts.require(name, "a model's name"));
    }

    /** One request's. */
    public static CostData of(long promptTokens, long cachedTokens, long completionTokens, Optional<String> model) {
        return new CostData(promptTokens, cachedTokens, completionTokens, promptTokens + completionTokens, model);
    }

    /** Both together: counts add up, the context is the later one's. */
    public CostData plus(CostData later) {
        return new CostData(promptTokens + later.promptTokens, cachedTokens + later.cachedTokens, completionTokens + later.completionTokens, later.contextTokens,
                later.model.or(() -> model));
    }

    /** The same after the conversation has become another one, which is as many tokens long. */
    public CostData measured(long tokens) {
        return new CostData(promptTokens, cachedTokens, completionTokens, tokens, model);
    }

    /** The same after the conversation has become another one, whose length nobody has counted. */
    public CostData uncounted() {
        return new CostData(promptTokens, cachedTokens, completionTokens, 0, model);
    }

    /** Reads what {@link #toMap} made. */
    public static CostData read(Fields fields) throws MalformedDataException {
        try {
            return new CostData(fields.number("prompt_tokens").orElse(0), fields.number("cached_tokens").orElse(0), fields.number("completion_tokens").orElse(0),
                    fields.number("context_tokens").orElse(0), fields.text("model"));
        } catch (IllegalArgumentException e) {
            throw new MalformedDataException(e.getMessage());
        }
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("prompt_tokens", promptTokens);
        map.put("cached_tokens", cachedTokens);
        map.put("completion_tokens", completionTokens);
        map.put("context_tokens", contextTokens);
        model.ifPresent(name -> map.put("model", name));
        return map;
    }
}
