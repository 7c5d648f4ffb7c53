package dev.kvcapsule.sessions.permission;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.row.QuestionState;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class PermissionQuestionTest {
    private static PermissionVerdict verdict(Action action, String tool, Arguments args) {
        return new AuditedSource("static", Mode.ENFORCE, "s", call -> new Ruling(action, "r1", "why"), AuditSink.NONE, InstantSource.fixed(Instant.EPOCH))
                .resolve(Optional.empty(), Identity.of("ann"), tool, args.values());
    }

    @Test
    void aQuestionHasAllThatASessionNeeds() throws MalformedDataException {
        Arguments args = Arguments.of(Map.of("verb", "delete"));
        PermissionQuestion question = PermissionQuestion.of(verdict(Action.ASK, "kubectl", args), "kubectl", args);
        assertEquals("Run the tool kubectl with {\"verb\":\"delete\"}? (rule r1)", question.prompt());
        Map<String, Object> map = question.toMap();
        assertEquals(List.of("prompt", "options", "multiple", "allow_custom", "permission_ask", "tool_name", "tool_args", "rule_id"), List.copyOf(map.keySet()));
        assertEquals(Map.of("verb", "delete"), map.get("tool_args"));
        assertEquals(List.of("allow", "deny"), question.options().stream().map(QuestionState.Option::value).toList());
    }

    @Test
    void onlyAllowAllows() {
        assertEquals(Optional.of(Action.ALLOW), PermissionQuestion.answer("allow"));
        assertEquals(Optional.of(Action.DENY), PermissionQuestion.answer("deny"));
        for (String other : new String[] {"", "Allow", "allow ", "yes", "ask", "true", null}) {
            assertEquals(Optional.empty(), PermissionQuestion.answer(other));
        }
    }

    /** What turns the reading direction, hides or breaks lines cannot make a call look like another one. */
    @Test
    void aPromptDoesNotDeceive() throws MalformedDataException {
        Arguments args = Arguments.of(Map.of("c", "rm -rf /\u202e\u200b\r\n\u001b[2K\u2028\u009b\ud800"));
        String prompt = PermissionQuestion.of(verdict(Action.ASK, "sh", args), "sh", args).prompt();
        assertTrue(prompt.contains("rm -rf /\\u202e\\u200b\\r\\n\\u001B[2K\\u2028\\u009b\\ud800"), prompt);
    }

    @Test
    void longArgumentsAreCutAndSaidToBe() throws MalformedDataException {
        Arguments args = Arguments.of(Map.of("c", "x".repeat(5000)));
        PermissionQuestion question = PermissionQuestion.of(verdict(Action.ASK, "sh", args), "sh", args);
        assertTrue(question.prompt().length() < 2200 && question.prompt().contains("... (3008 characters more)"), question.prompt());
        assertEquals(args.values(), question.args());
    }

    @Test
    void onlyAskAsks() throws MalformedDataException {
        Arguments args = Arguments.of(Map.of());
        assertThrows(IllegalArgumentException.class, () -> PermissionQuestion.of(verdict(Action.DENY, "sh", args), "sh", args));
        assertThrows(IllegalArgumentException.class, () -> PermissionQuestion.of(verdict(Action.ASK, "sh", args), "other", args));
    }

    @Test
    void itIsAPendingQuestion() throws Exception {
        PermissionQuestion asked = new PermissionQuestion("Run it?", List.of(new QuestionState.Option("Allow", "", "allow"), new QuestionState.Option("Deny", "", "deny")), "rm", Map.of("path", "a"), "rule-1");
        QuestionState question = asked.toQuestion("call-1");
        assertEquals("call-1", question.toolCallId());
        assertEquals("rule-1", question.permission().orElseThrow().ruleId().orElseThrow());
        assertEquals(Map.of("path", "a"), question.permission().orElseThrow().toolArgs());
        question.requireAnswers(List.of("deny"));
        assertThrows(IllegalArgumentException.class, () -> question.requireAnswers(List.of("ask")));
        assertTrue(question.toMap().entrySet().containsAll(asked.toMap().entrySet()), () -> question.toMap() + ", " + asked.toMap());
    }
}
