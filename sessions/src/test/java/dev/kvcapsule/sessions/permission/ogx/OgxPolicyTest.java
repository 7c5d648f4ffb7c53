package dev.kvcapsule.sessions.permission.ogx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.Arguments;
import dev.kvcapsule.sessions.permission.Identity;
import dev.kvcapsule.sessions.permission.Ruling;
import dev.kvcapsule.sessions.permission.ToolCall;
import dev.kvcapsule.sessions.permission.platform.TestPlatform;
import dev.kvcapsule.sessions.permission.platform.TestPlatform.Reply;
import dev.kvcapsule.sessions.permission.rules.Glob;
import dev.kvcapsule.sessions.permission.rules.Rule;
import dev.kvcapsule.sessions.permission.rules.Rules;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 1, unit = TimeUnit.MINUTES)
class OgxPolicyTest {
    private static final String CLEAR = "{\"violation\":null}";
    private static final String WARNS = "{\"violation\":{\"violation_level\":\"warn\",\"user_message\":null,\"metadata\":{}}}";

    @TempDir
    private Path folder;

    private static Rules rules(String... toolAndAction) throws MalformedDataException {
        List<Rule> rules = new ArrayList<>();
        for (int i = 0; i < toolAndAction.length; i += 2) {
            rules.add(new Rule(Optional.of("r" + i / 2), Glob.of(toolAndAction[i]), Optional.empty(), Map.of(), Action.ofLabel(toolAndAction[i + 1]).orElseThrow(), i));
        }
        return new Rules(rules);
    }

    private static Ruling ask(OgxSettings.Check check, Optional<Path> token, Rules rules, String tool, Map<String, ?> args) throws MalformedDataException {
        try (OgxPolicy policy = new OgxPolicy(new OgxSettings(check, token, Duration.ofSeconds(20)), rules)) {
            return policy.rule(new ToolCall("s", Identity.of("ann"), tool, Arguments.of(args)));
        }
    }

    private static Ruling shield(TestPlatform platform, Rules rules, String tool) throws MalformedDataException {
        return ask(new OgxSettings.Shield(platform.url(), "guard"), Optional.empty(), rules, tool, Map.of("a", "b"));
    }

    @Test
    void aShieldIsAskedAsItsContractSays() throws IOException {
        Path token = Files.writeString(folder.resolve("token"), "secret-token");
        try (TestPlatform platform = new TestPlatform(request -> Reply.ok(CLEAR))) {
            assertEquals(Action.ALLOW, ask(new OgxSettings.Shield(platform.url(), "guard"), Optional.of(token), rules(), "sh", Map.of("c", "ls\nid")).action());
            TestPlatform.Request request = platform.requests().getFirst();
            assertEquals("POST /v1/safety/run-shield Bearer secret-token", request.method() + " " + request.path() + " " + request.authorization());
            assertEquals(Map.of("shield_id", "guard", "messages", List.of(Map.of("role", "user", "content", "{\"tool\":\"sh\",\"arguments\":{\"c\":\"ls\\nid\"}}\n\nls\nid"))),
                    Json.readObject(request.body()));
        }
    }

    @Test
    void aModerationIsAskedAsItsContractSays() throws IOException {
        try (TestPlatform platform = new TestPlatform(request -> Reply.ok("{\"id\":\"m\",\"model\":\"g\",\"results\":[{\"flagged\":false}]}"))) {
            URI endpoint = URI.create(platform.url() + "/v1/moderations");
            assertEquals(Action.ALLOW, ask(new OgxSettings.Moderation(endpoint, Optional.of("g")), Optional.empty(), rules(), "sh", Map.of()).action());
            assertEquals(Action.ALLOW, ask(new OgxSettings.Moderation(endpoint, Optional.empty()), Optional.empty(), rules(), "sh", Map.of()).action());
            assertEquals(Map.of("input", "{\"tool\":\"sh\",\"arguments\":{}}", "model", "g"), Json.readObject(platform.requests().get(0).body()));
            assertEquals(Map.of("input", "{\"tool\":\"sh\",\"arguments\":{}}"), Json.readObject(platform.requests().get(1).body()));
        }
    }

    /** A local deny sends nothing; a local ask is asked though the platform clears it; a local allow clears nothing. */
    @Test
    void theStricterHolds() throws IOException {
        Rules rules = rules("rm", "deny", "sh", "ask", "*", "allow");
        try (TestPlatform platform = new TestPlatform(request -> Reply.ok(CLEAR))) {
            assertEquals("r0", shield(platform, rules, "rm").ruleId());
            assertEquals(List.of(), platform.requests());
            assertEquals(Action.ASK, shield(platform, rules, "sh").action());
            assertEquals("r1", shield(platform, rules, "sh").ruleId());
            assertEquals("ogx:shield:clear", shield(platform, rules, "ls").ruleId());
            assertEquals("ogx:shield:clear", shield(platform, rules(), "ls").ruleId());
        }
        try (TestPlatform platform = new TestPlatform(request -> Reply.ok(WARNS))) {
            assertEquals("ogx:shield:warn", shield(platform, rules, "ls").ruleId());
            assertEquals(Action.ASK, shield(platform, rules, "ls").action());
        }
    }

    @Test
    void whoeverDoesNotAnswerDenies() throws IOException {
        URI nobody;
        try (TestPlatform platform = new TestPlatform(request -> new Reply(500, CLEAR))) {
            assertEquals("ogx:status-500", shield(platform, rules("*", "allow"), "ls").ruleId());
            assertEquals(Action.DENY, shield(platform, rules("*", "allow"), "ls").action());
            nobody = platform.url();
        }
        Ruling ruling = ask(new OgxSettings.Shield(nobody, "guard"), Optional.empty(), rules("*", "allow"), "ls", Map.of());
        assertEquals("ogx:unreachable", ruling.ruleId());
        assertEquals(Action.DENY, ruling.action());
        assertEquals("ogx:token", ask(new OgxSettings.Shield(nobody, "guard"), Optional.of(folder.resolve("none")), rules("*", "allow"), "ls", Map.of()).ruleId());
    }

    /** What would not be looked at whole is not sent at all. */
    @Test
    void whatIsTooLongToJudgeIsDenied() throws IOException {
        try (TestPlatform platform = new TestPlatform(request -> Reply.ok(CLEAR))) {
            Ruling ruling = ask(new OgxSettings.Shield(platform.url(), "guard"), Optional.empty(), rules(), "ls", Map.of("a", "x".repeat(OgxPolicy.MAX_JUDGED)));
            assertEquals("ogx:too-large", ruling.ruleId());
            assertEquals(List.of(), platform.requests());
            assertFalse(ruling.toString().contains("xxx"));
        }
    }
}
