package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PermissionCommandTest {
    @TempDir
    private Path work;

    private Path policy;

    @BeforeEach
    void write() throws IOException {
        policy = Files.writeString(work.resolve("policy.yaml"), """
                permissions:
                  mode: enforce
                  source: static
                  rules:
                    - {id: careful, tool: "kubectl_*", args_match: {verb: [delete, drain]}, action: ask}
                    - {id: reads, tool: "read_*", scope: research, action: allow}
                    - {id: rest, tool: "*", action: deny}
                """);
    }

    private Run check(Object... more) {
        Object[] args = new Object[5 + more.length];
        System.arraycopy(new Object[] {"sessions", "permission", "check", "--config", policy}, 0, args, 0, 5);
        System.arraycopy(more, 0, args, 5, more.length);
        return Run.of(args);
    }

    @Test
    void theExitCodeSaysWhetherItMayRun() {
        assertEquals(ExitCode.DONE, check("--tool", "read_file", "--scope", "research").exit());
        assertEquals(ExitCode.REFUSED, check("--tool", "read_file").exit());
        assertEquals(ExitCode.REFUSED, check("--tool", "kubectl_x", "--arg", "verb=drain").exit());
        assertEquals(ExitCode.REFUSED, check("--tool", "").exit());
        assertEquals("deny\nrule        rest\nreason      the rule in line 7 says deny\n", check("--tool", "read_file").out());
    }

    @Test
    void jsonHasTheVerdictTheQuestionAndTheRecord() throws IOException {
        Path audit = work.resolve("audit.jsonl");
        Run run = check("--tool", "kubectl_x", "--args", "{\"verb\":[\"drain\"],\"password\":\"hunter2\"}", "--as", "ann", "--audit", audit, "--json");
        assertEquals(ExitCode.REFUSED, run.exit());
        Map<String, Object> json = run.json();
        assertEquals("ask careful", json.get("action") + " " + json.get("rule_id"));
        Map<?, ?> question = (Map<?, ?>) json.get("question");
        assertEquals(Map.of("verb", List.of("drain"), "password", "hunter2"), question.get("tool_args"));
        assertEquals(json.get("audit"), Json.readObject(Files.readString(audit).strip()));
        assertFalse(Files.readString(audit).contains("hunter2"));
        assertEquals("ann", ((Map<?, ?>) json.get("audit")).get("identity"));
    }

    @Test
    void observingRunsAndSaysSo() throws IOException {
        Files.writeString(policy, Files.readString(policy).replace("enforce", "observe"));
        Run run = check("--tool", "shell");
        assertEquals(ExitCode.DONE, run.exit());
        assertTrue(run.out().startsWith("allow, but observed only: would be deny\n"), run.out());
        assertTrue(run.err().contains("the mode is observe"), run.err());
    }

    @Test
    void aMalformedPolicyIsSaidWithItsPlace() throws IOException {
        Files.writeString(policy, Files.readString(policy).replace("action: deny", "action: refuse"));
        Run run = check("--tool", "shell", "--json");
        assertEquals(ExitCode.MALFORMED, run.exit());
        assertEquals("malformed", run.error("code"));
        assertTrue(run.error("message").endsWith("permissions.rules[2].action (line 7, column 37): allow, deny or ask was expected"), run.error("message"));
    }

    @Test
    void wrongUseIsSaid() {
        for (Object[] args : new Object[][] {{"--tool", "t", "--arg", "novalue"}, {"--tool", "t", "--arg", "a=1", "--arg", "a=2"}, {"--tool", "t", "--args", "[]"}, {"--tool", "t", "--as", ""}, {}}) {
            assertEquals(ExitCode.USAGE, check(args).exit());
        }
        assertEquals(ExitCode.INPUT_OUTPUT, Run.of("sessions", "permission", "check", "--config", work.resolve("none.yaml"), "--tool", "t").exit());
        assertEquals(ExitCode.INPUT_OUTPUT, check("--tool", "t", "--audit", work.resolve("none/audit.jsonl")).exit());
    }

    /** Nobody there: denied, with the reason, and soon. */
    @Test
    void aPlatformThatIsDownDenies() throws IOException {
        Files.writeString(policy, "permissions:\n  mode: enforce\n  source: ogx\n  ogx: {url: 'http://127.0.0.1:1', shield: guard}\n");
        Run run = check("--tool", "shell", "--json");
        assertEquals(ExitCode.REFUSED, run.exit());
        assertEquals("ogx:unreachable", run.json().get("rule_id"));
    }
}
