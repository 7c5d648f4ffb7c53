package dev.kvcapsule.sessions.permission.rules;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.Arguments;
import dev.kvcapsule.sessions.permission.Identity;
import dev.kvcapsule.sessions.permission.ToolCall;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RulesTest {
    private static ToolCall call(String scope, String tool, String args) throws MalformedDataException {
        return new ToolCall(scope, Identity.of("ann"), tool, Arguments.of(Json.readObject(args)));
    }

    private static Rule rule(String tool, Action action, Map<String, List<String>> arguments) throws MalformedDataException {
        Map<String, List<Glob>> globs = new LinkedHashMap<>();
        for (Map.Entry<String, List<String>> entry : arguments.entrySet()) {
            List<Glob> values = new ArrayList<>();
            for (String value : entry.getValue()) {
                values.add(Glob.of(value));
            }
            globs.put(entry.getKey(), values);
        }
        return new Rule(Optional.empty(), Glob.of(tool), Optional.empty(), globs, action, 1);
    }

    @Test
    void theFirstThatMatchesDecidesAndNoneDenies() throws MalformedDataException {
        Rules rules = new Rules(List.of(rule("kubectl_*", Action.ASK, Map.of("verb", List.of("delete", "drain"))), rule("kubectl_*", Action.ALLOW, Map.of()), rule("k*", Action.DENY, Map.of())));
        assertEquals(Action.ASK, rules.rule(call("s", "kubectl_run", "{\"verb\":\"drain\"}")).action());
        assertEquals(Action.ALLOW, rules.rule(call("s", "kubectl_run", "{\"verb\":\"get\"}")).action());
        assertEquals(Action.DENY, rules.rule(call("s", "kill", "{}")).action());
        assertEquals(Rules.NO_MATCH, rules.rule(call("s", "shell", "{}")).ruleId());
        assertEquals(Action.DENY, rules.rule(call("s", "shell", "{}")).action());
        assertEquals(Rules.NO_MATCH, new Rules(List.of()).rule(call("s", "shell", "{}")).ruleId());
    }

    /** What matches where the rule denies or asks, and where it allows: the second is never easier than the first. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "{\"path\":\"/tmp/a\"}               | true  | true", "{\"path\":\"/etc/a\"}               | false | false", "{}                                 | false | false",
        "{\"path\":[\"/tmp/a\",\"/etc/p\"]}   | true  | false", "{\"path\":[\"/tmp/a\",\"/tmp/p\"]}   | true  | true", "{\"path\":[]}                       | false | false",
        "{\"path\":{\"x\":[\"/tmp/a\"]}}      | true  | true", "{\"path\":{\"x\":[\"/tmp/a\",1]}}    | true  | false", "{\"path\":null}                     | false | false",
        "{\"Path\":\"/tmp/a\"}               | false | false"})
    void allOfAnArgumentMustMatchToAllow(String args, boolean denies, boolean allows) throws MalformedDataException {
        Map<String, List<String>> pattern = Map.of("path", List.of("/tmp/*"));
        assertEquals(denies, rule("*", Action.DENY, pattern).matches(call("s", "t", args)));
        assertEquals(denies, rule("*", Action.ASK, pattern).matches(call("s", "t", args)));
        assertEquals(allows, rule("*", Action.ALLOW, pattern).matches(call("s", "t", args)));
    }

    @Test
    void scalarsAreMatchedAsJsonWritesThem() throws MalformedDataException {
        ToolCall call = call("s", "t", "{\"n\":7,\"d\":0.5,\"b\":true,\"z\":null}");
        for (Map.Entry<String, String> entry : Map.of("n", "7", "d", "0.5", "b", "true", "z", "null").entrySet()) {
            assertTrue(rule("*", Action.DENY, Map.of(entry.getKey(), List.of(entry.getValue()))).matches(call), entry.getKey());
        }
    }

    @Test
    void everyArgumentOfARuleMustMatch() throws MalformedDataException {
        Rule rule = rule("*", Action.DENY, Map.of("a", List.of("1", "2"), "b", List.of("x")));
        assertTrue(rule.matches(call("s", "t", "{\"a\":2,\"b\":\"x\",\"c\":0}")));
        assertFalse(rule.matches(call("s", "t", "{\"a\":3,\"b\":\"x\"}")));
        assertFalse(rule.matches(call("s", "t", "{\"a\":2}")));
    }

    @Test
    void aScopeNarrows() throws MalformedDataException {
        Rule rule = new Rule(Optional.of("r"), Glob.of("*"), Optional.of(Glob.of("prod*")), Map.of(), Action.DENY, 1);
        assertTrue(rule.matches(call("production", "t", "{}")));
        assertFalse(rule.matches(call("research", "t", "{}")));
    }

    /** An id is of what the rule says, not of where it stands; these are what logs of today refer to. */
    @Test
    void derivedIdsAreStable() throws MalformedDataException {
        Rule rule = rule("kubectl_*", Action.ASK, Map.of("verb", List.of("delete", "drain")));
        assertEquals("rule-07c627609116", rule.id());
        assertEquals(rule.id(), rule("kubectl_*", Action.ASK, Map.of("verb", List.of("drain", "delete"))).id());
        assertNotEquals(rule.id(), rule("kubectl_*", Action.DENY, Map.of("verb", List.of("delete", "drain"))).id());
        assertNotEquals(rule("a", Action.ASK, Map.of("b", List.of("c 1:d"))).id(), rule("a", Action.ASK, Map.of("b", List.of("c", "d"))).id());
    }
}
