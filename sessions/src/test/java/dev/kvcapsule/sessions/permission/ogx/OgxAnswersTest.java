package dev.kvcapsule.sessions.permission.ogx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.Ruling;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OgxAnswersTest {
    /** As Llama Stack 0.7.3 answered, with a shield of its provider remote::passthrough, and what differs from that. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        "{\"violation\":null} | ALLOW",
        "{\"violation\":{\"violation_level\":\"error\",\"user_message\":\"Content was flagged by the safety service.\",\"metadata\":{\"violation_type\":\"harm\"}}} | DENY",
        "{\"violation\":{\"violation_level\":\"warn\",\"user_message\":null,\"metadata\":{}}} | ASK",
        "{\"violation\":{\"violation_level\":\"info\",\"user_message\":null,\"metadata\":{}}} | ALLOW",
        "{\"violation\":{\"violation_level\":\"INFO\",\"user_message\":null,\"metadata\":{}}} | DENY",
        "{\"violation\":{\"violation_level\":null}} | DENY",
        "{\"violation\":{}} | DENY",
        "{\"violation\":false} | DENY",
        "{\"violation\":\"\"} | DENY",
        "{\"violation\":[]} | DENY",
        "{} | DENY",
        "{\"Violation\":null} | DENY",
        "{\"violation\":null,\"error\":\"down\"} | DENY",
        "{\"error\":{\"message\":\"Internal server error: An unexpected error occurred.\"}} | DENY"})
    void shields(String answer, Action action) throws MalformedDataException {
        assertEquals(action, OgxAnswers.shield(Json.readObject(answer), "").action());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        // Llama Stack 0.7.3
        "{'id':'modr-1','model':'guard','results':[{'flagged':false,'categories':{'harm':false},'category_applied_input_types':null,'category_scores':{'harm':0.1},'user_message':null,'metadata':{}}]} | ALLOW",
        "{'id':'modr-1','model':'guard','results':[{'flagged':true,'categories':{'harm':true},'category_applied_input_types':null,'category_scores':{'harm':0.9},'user_message':null,'metadata':{}}]} | DENY",
        // OpenAI's form
        "{'id':'m','model':'omni-moderation-2024-09-26','results':[{'flagged':false,'categories':{'hate':false},'category_scores':{'hate':0.01},'category_applied_input_types':{'hate':['text']}}]} | ALLOW",
        // The code scanner of Llama Stack 0.7, when it could not scan
        "{'id':'m','model':'code-scanner','results':[{'flagged':false,'categories':{},'category_scores':{},'category_applied_input_types':{},'user_message':null,'metadata':{'scanner_error':'x'}}]} | DENY",
        "{'id':'m','model':'g','results':[{'flagged':false,'categories':{'harm':true}}]} | DENY",
        "{'id':'m','model':'g','results':[{'flagged':false,'categories':{'harm':null}}]} | DENY",
        "{'id':'m','model':'g','results':[{'flagged':'false'}]} | DENY",
        "{'id':'m','model':'g','results':[{'flagged':0}]} | DENY",
        "{'id':'m','model':'g','results':[{}]} | DENY",
        "{'id':'m','model':'g','results':[]} | DENY",
        "{'id':'m','model':'g','results':[{'flagged':false},{'flagged':false}]} | DENY",
        "{'id':'m','model':'g','results':{'flagged':false}} | DENY",
        "{'id':'m','model':'g','flagged':false} | DENY",
        "{'model':'g','results':[{'flagged':false}]} | DENY",
        "{'id':'m','model':'g','results':[{'flagged':false,'blocked':true}]} | DENY",
        "{'id':'m','model':'g','results':[{'flagged':false}]} | ALLOW"})
    void moderations(String answer, Action action) throws MalformedDataException {
        assertEquals(action, OgxAnswers.moderation(Json.readObject(answer.replace('\'', '"')), "").action());
    }

    /** Names of the contracts and values near theirs, in any arrangement. */
    @Provide
    Arbitrary<Map<String, Object>> answers() {
        Arbitrary<String> names = Arbitraries.of("violation", "violation_level", "user_message", "metadata", "id", "model", "results", "flagged", "categories", "category_scores", "error", "x");
        Arbitrary<Object> scalars = Arbitraries.of(false, true, "error", "warn", "info", "false", "", 0L, 1L, 0.5, "null").map(Object.class::cast).injectNull(0.3);
        return objects(names, scalars, 2);
    }

    private static Arbitrary<Map<String, Object>> objects(Arbitrary<String> names, Arbitrary<Object> scalars, int depth) {
        Arbitrary<Object> values = depth == 0 ? scalars : Arbitraries.oneOf(scalars, objects(names, scalars, depth - 1).map(Object.class::cast),
                objects(names, scalars, depth - 1).list().ofMaxSize(2).map(Object.class::cast));
        return Combinators.combine(names.list().uniqueElements().ofMaxSize(4), values.list().ofSize(4)).as((keys, list) -> {
            Map<String, Object> object = new HashMap<>();
            for (int i = 0; i < keys.size(); i++) {
                object.put(keys.get(i), list.get(i));
            }
            return object;
        });
    }

    @Property(tries = 5000, edgeCases = EdgeCasesMode.NONE)
    void noOtherAnswerAllows(@ForAll("answers") Map<String, Object> answer) {
        assertEquals(shieldAllows(answer), OgxAnswers.shield(answer, "").action() == Action.ALLOW);
        assertEquals(moderationAllows(answer), OgxAnswers.moderation(answer, "").action() == Action.ALLOW);
    }

    /** A good answer, one place of which is anything. */
    @Property(tries = 5000, edgeCases = EdgeCasesMode.NONE)
    void nothingInAGoodAnswerMayBeOtherwise(@ForAll("answers") Map<String, Object> other, @ForAll("answers") Map<String, Object> inside, @ForAll boolean list) {
        for (String place : List.of("id", "model", "results", "x")) {
            Map<String, Object> answer = new HashMap<>(Map.of("id", "m", "model", "g", "results", List.of(Map.of("flagged", false))));
            answer.put(place, list ? List.of(other) : other.isEmpty() ? other : other.values().iterator().next());
            assertEquals(moderationAllows(answer), OgxAnswers.moderation(answer, "").action() == Action.ALLOW, answer.toString());
        }
        for (String place : inside.keySet()) {
            Map<String, Object> result = new HashMap<>(Map.of("flagged", false, "categories", Map.of("harm", false)));
            result.put(place, inside.get(place));
            Map<String, Object> answer = Map.of("id", "m", "model", "g", "results", List.of(result));
            assertEquals(moderationAllows(answer), OgxAnswers.moderation(answer, "").action() == Action.ALLOW, answer.toString());
            Map<String, Object> violation = new HashMap<>(Map.of("violation_level", "info", "metadata", Map.of()));
            violation.put(place, inside.get(place));
            Map<String, Object> shield = Collections.singletonMap("violation", violation);
            assertEquals(shieldAllows(shield), OgxAnswers.shield(shield, "").action() == Action.ALLOW, shield.toString());
        }
    }

    /** The contract once more, by what is left when all that may be there is taken away. */
    private static boolean shieldAllows(Map<String, Object> answer) {
        if (answer.equals(Collections.singletonMap("violation", null))) {
            return true;
        }
        if (answer.size() != 1 || !(answer.get("violation") instanceof Map<?, ?> violation)) {
            return false;
        }
        Map<Object, Object> rest = new HashMap<>(violation);
        Object message = rest.remove("user_message");
        Object metadata = rest.remove("metadata");
        return (message == null || message instanceof String) && (metadata == null || metadata instanceof Map) && rest.equals(Map.of("violation_level", "info"));
    }

    private static boolean moderationAllows(Map<String, Object> answer) {
        Map<String, Object> rest = new HashMap<>(answer);
        boolean text = rest.remove("id") instanceof String & rest.remove("model") instanceof String;
        if (!text || rest.size() != 1 || !(rest.get("results") instanceof List<?> results) || results.size() != 1 || !(results.getFirst() instanceof Map<?, ?> map)) {
            return false;
        }
        Map<Object, Object> result = new HashMap<>(map);
        Object categories = result.remove("categories");
        Object metadata = result.remove("metadata");
        Object message = result.remove("user_message");
        Object scores = result.remove("category_scores");
        Object types = result.remove("category_applied_input_types");
        return (categories == null || categories instanceof Map<?, ?> each && each.values().stream().allMatch(Boolean.FALSE::equals)) && (metadata == null || metadata.equals(Map.of()))
                && (message == null || message instanceof String) && (scores == null || scores instanceof Map) && (types == null || types instanceof Map) && result.equals(Map.of("flagged", false));
    }

    /** A platform that repeats what it was sent, in any field, does not get it into a record. */
    @ParameterizedTest
    @CsvSource({"hunter2", "HUNTER2", "a very long name that goes on and on beyond what names of categories have"})
    void whatAPlatformRepeatsIsNotRecorded(String repeated) throws MalformedDataException {
        Map<String, Object> shield = Map.of("violation", Map.of("violation_level", "error", "user_message", repeated, "metadata", Map.of("violation_type", List.of(repeated, "S1"), repeated, repeated)));
        Map<String, Object> moderation = Map.of("id", repeated, "model", repeated, "results", List.of(Map.of("flagged", true, "user_message", repeated, "categories", Map.of(repeated, true, "harm", true))));
        Ruling first = OgxAnswers.shield(shield, "{\"password\":\"hunter2\"}");
        Ruling second = OgxAnswers.moderation(moderation, "{\"password\":\"hunter2\"}");
        assertFalse((first + " " + second).contains(repeated), first + " " + second);
        assertEquals(Map.of("categories", List.of("S1")), first.details());
        assertEquals(Map.of("categories", List.of("harm")), second.details());
        assertNotEquals(Action.ALLOW, first.action());
        assertTrue(second.reason().startsWith("the moderation"));
    }
}
