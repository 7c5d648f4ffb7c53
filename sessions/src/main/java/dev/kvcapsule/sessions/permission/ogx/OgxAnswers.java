package dev.kvcapsule.sessions.permission.ogx;

import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.Ruling;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a platform's answers mean. Only an answer that follows its contract to the letter, and says in every place where it could say otherwise that nothing is wrong, allows; anything
 * else denies. Of the platform's words none but short names of categories get into a reason, and none that were in the call: platforms repeat what they were sent.
 */
final class OgxAnswers {
    static final String CONTRACT = "ogx:contract";

    private static final Set<String> VIOLATION = Set.of("violation_level", "user_message", "metadata");
    private static final Set<String> MODERATION = Set.of("id", "model", "results");
    private static final Set<String> RESULT = Set.of("flagged", "categories", "category_applied_input_types", "category_scores", "user_message", "metadata");
    private static final int MAX_NAMES = 8;

    private OgxAnswers() {}

    /**
     * The answer of {@code run-shield}: {@code RunShieldResponse}, {@code SafetyViolation} and {@code ViolationLevel} in {@code llama_stack_api/safety/datatypes.py} of Llama Stack 0.7.
     * There {@code info} "does not require action", {@code warn} "suggests caution but allows continuation", {@code error} "requires blocking".
     *
     * @param sent what was judged
     */
    static Ruling shield(Map<String, Object> answer, String sent) {
        if (!answer.keySet().equals(Set.of("violation"))) {
            return contract("run-shield's answer is not one field \"violation\"");
        }
        return switch (answer.get("violation")) {
            case null -> new Ruling(Action.ALLOW, "ogx:shield:clear", "the shield finds no violation");
            case Map<?, ?> violation when VIOLATION.containsAll(violation.keySet()) && isTextOrNull(violation.get("user_message")) && isMapOrNull(violation.get("metadata")) ->
                violation(violation, sent);
            default -> contract("run-shield's violation has another form");
        };
    }

    private static Ruling violation(Map<?, ?> violation, String sent) {
        Object type = violation.get("metadata") instanceof Map<?, ?> metadata ? metadata.get("violation_type") : null;
        Map<String, Object> details = details(type instanceof List<?> several ? several : type == null ? List.of() : List.of(type), sent);
        return switch (violation.get("violation_level") instanceof String level ? level : "") {
            case "error" -> new Ruling(Action.DENY, "ogx:shield:error", "the shield finds a violation", details);
            case "warn" -> new Ruling(Action.ASK, "ogx:shield:warn", "the shield warns", details);
            case "info" -> new Ruling(Action.ALLOW, "ogx:shield:info", "the shield remarks on something that requires no action", details);
            default -> contract("run-shield's violation has no known level");
        };
    }

    /**
     * The answer of a moderation endpoint about one input: {@code ModerationObject} and {@code ModerationObjectResults} in the same file, which OpenAI's moderation object fits into. Metadata
     * of a result that is not flagged denies: Llama Stack's code scanner says {@code flagged: false} with {@code metadata.scanner_error} where it could not scan.
     *
     * @param sent what was judged
     */
    static Ruling moderation(Map<String, Object> answer, String sent) {
        if (!MODERATION.equals(answer.keySet()) || !(answer.get("id") instanceof String) || !(answer.get("model") instanceof String) || !(answer.get("results") instanceof List<?> results)) {
            return contract("the moderation's answer is not id, model and results");
        }
        if (results.size() != 1 || !(results.getFirst() instanceof Map<?, ?> result) || !RESULT.containsAll(result.keySet())) {
            return contract("the moderation has not one result for one input");
        }
        if (!(result.get("flagged") instanceof Boolean flagged) || !isMapOrNull(result.get("categories")) || !isMapOrNull(result.get("category_scores"))
                || !isMapOrNull(result.get("category_applied_input_types")) || !isTextOrNull(result.get("user_message")) || !isMapOrNull(result.get("metadata"))) {
            return contract("the moderation's result has another form");
        }
        Map<?, ?> categories = result.get("categories") instanceof Map<?, ?> map ? map : Map.of();
        List<?> raised = categories.entrySet().stream().filter(entry -> !Boolean.FALSE.equals(entry.getValue())).map(Map.Entry::getKey).toList();
        if (flagged) {
            return new Ruling(Action.DENY, "ogx:moderation:flagged", "the moderation flags it", details(raised, sent));
        }
        if (!raised.isEmpty()) {
            return contract("the moderation contradicts itself: not flagged, but a category is");
        }
        if (result.get("metadata") instanceof Map<?, ?> metadata && !metadata.isEmpty()) {
            return contract("the moderation flags nothing, but has a remark: it may not have looked");
        }
        return new Ruling(Action.ALLOW, "ogx:moderation:clear", "the moderation flags nothing");
    }

    private static Ruling contract(String reason) {
        return Ruling.deny(CONTRACT, reason);
    }

    private static boolean isTextOrNull(Object value) {
        return value == null || value instanceof String;
    }

    private static boolean isMapOrNull(Object value) {
        return value == null || value instanceof Map<?, ?>;
    }

    private static Map<String, Object> details(List<?> names, String sent) {
        String judged = sent.toLowerCase(Locale.ROOT);
        Set<String> known = new TreeSet<>();
        for (Object name : names) {
            if (known.size() < MAX_NAMES && name instanceof String text && text.matches("[A-Za-z0-9][A-Za-z0-9 _/.,-]{0,47}") && !judged.contains(text.toLowerCase(Locale.ROOT))) {
                known.add(text);
            }
        }
        return known.isEmpty() ? Map.of() : Map.of("categories", List.copyOf(known));
    }
}
