package dev.kvcapsule.sessions.permission.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.AuditSink;
import dev.kvcapsule.sessions.permission.Identity;
import dev.kvcapsule.sessions.permission.PermissionSource;
import dev.kvcapsule.sessions.permission.PermissionVerdict;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class PermissionConfigTest {
    private static final Path HERE = Path.of("").toAbsolutePath();
    private static final String HEAD = "permissions:\n  mode: enforce\n  source: static\n";
    private static final String GOOD = """
            permissions:
              mode: enforce
              source: static
              default_scope: research-readonly
              rules:
                - tool: "kubectl_*"
                  args_match: { verb: ["delete", "drain", "cordon"], count: [007] }
                  action: ask
                - id: reads
                  scope: research-*
                  tool: read_*
                  action: allow
            """;

    @TempDir
    private Path folder;

    @Test
    void theSchemaWorks() throws IOException {
        Path file = Files.writeString(folder.resolve("policy.yaml"), GOOD);
        try (PermissionSource source = PermissionConfig.read(file).open(AuditSink.NONE, InstantSource.system())) {
            assertEquals(Action.ALLOW, resolve(source, Optional.empty(), "read_file", Map.of()).action());
            assertEquals("reads", resolve(source, Optional.empty(), "read_file", Map.of()).ruleId());
            assertEquals("research-readonly", resolve(source, Optional.empty(), "read_file", Map.of()).audit().scope());
            assertEquals(Action.DENY, resolve(source, Optional.of("production"), "read_file", Map.of()).action());
            assertEquals(Action.ASK, resolve(source, Optional.empty(), "kubectl_x", Map.of("verb", "drain", "count", "007")).action());
            // Scalars are text: 007 is not 7.
            assertEquals(Action.DENY, resolve(source, Optional.empty(), "kubectl_x", Map.of("verb", "drain", "count", 7L)).action());
        }
    }

    private static PermissionVerdict resolve(PermissionSource source, Optional<String> scope, String tool, Map<String, ?> args) {
        return source.resolve(scope, Identity.of("ann"), tool, args);
    }

    static List<Arguments> wrong() {
        String kagenti = "permissions:\n  mode: enforce\n  source: kagenti\n  kagenti:\n    url: https://k.example\n    issuer: https://i.example/realms/k\n    audience: api\n    token_file: token\n";
        String ogx = "permissions:\n  mode: enforce\n  source: ogx\n  ogx:\n";
        return List.of(
                Arguments.of("", "the file is empty"),
                Arguments.of("- a", "(line 1, column 1): a mapping was expected"),
                Arguments.of("permissions:\n  rules: []\n  mode: enforce\n", "(line 2, column 3): it has no field 'source'"),
                Arguments.of("permissions:\n  source: static\n  rules: []\n", "(line 2, column 3): it has no field 'mode'"),
                Arguments.of("permissions:\n  mode: enforced\n  source: static\n  rules: []\n", "permissions.mode (line 2, column 9): enforce or observe was expected"),
                Arguments.of("permissions:\n  mode: enforce\n  source: opa\n", "permissions.source (line 3, column 11): static, kagenti or ogx was expected"),
                Arguments.of(HEAD, "it has no field 'rules'"),
                Arguments.of(HEAD + "  rulez: []\n", "(line 4, column 3): there is no field 'rulez'"),
                Arguments.of(HEAD + "  rules: {}\n", "permissions.rules (line 4, column 10): a list was expected"),
                Arguments.of(HEAD + "  rules:\n", "permissions.rules (line 4, column 9): a list was expected"),
                Arguments.of(HEAD + "  rules:\n    - {tool: x}\n", "permissions.rules[0] (line 5, column 7): a rule has a tool and an action"),
                Arguments.of(HEAD + "  rules:\n    - {tool: x, action: allow}\n    - {tool: y, action: Allow}\n", "permissions.rules[1].action (line 6, column 25): allow, deny or ask was expected"),
                Arguments.of(HEAD + "  rules:\n    - {tool: \"[ab]*\", action: deny}\n", "permissions.rules[0].tool (line 5, column 14): patterns have no sets"),
                Arguments.of(HEAD + "  rules:\n    - {tool: x, action: deny, args_match: {a: b}}\n", "rules[0].args_match.a (line 5, column 47): a list was expected"),
                Arguments.of(HEAD + "  rules:\n    - {tool: x, action: deny, args_match: {a: []}}\n", "at least one value was expected"),
                Arguments.of(HEAD + "  rules:\n    - {tool: x, action: deny, args_match: {}}\n", "at least one argument was expected"),
                Arguments.of(HEAD + "  rules:\n    - {tool: x, action: deny, args_match: {a: [b], a: [c]}}\n", "(line 5, column 52): 'a' is there twice"),
                Arguments.of(HEAD + "  rules:\n    - {tool: x, action: deny, tool: y}\n", "(line 5, column 31): 'tool' is there twice"),
                Arguments.of(HEAD + "  rules:\n    - {tool: , action: deny}\n", "rules[0].tool (line 5, column 13): text was expected"),
                Arguments.of(HEAD + "  rules:\n    - {id: no-match, tool: x, action: deny}\n", "rules[0].id (line 5, column 12): an id is"),
                Arguments.of(HEAD + "  rules:\n    - {id: 'a:b', tool: x, action: deny}\n", "an id is"),
                Arguments.of(HEAD + "  rules:\n    - {tool: x, action: deny}\n    - {tool: x, action: deny}\n", "rules[1] (line 6, column 7): has the id"),
                Arguments.of(HEAD + "  rules:\n    - {tool: !!int 1, action: deny}\n", "text was expected"),
                Arguments.of(HEAD + "  rules: &a\n    - *a\n", "line 5, column 7: aliases are not taken"),
                Arguments.of(HEAD + "  rules: []\n---\na: b\n", "policy (line 5, column 1): not YAML"),
                Arguments.of(HEAD + "  rules: [\n", "policy (line 5, column 1): not YAML"),
                Arguments.of("[".repeat(100_000), "line 1, column 33: nested deeper than 32"),
                Arguments.of("permissions:\n  mode: enforce\n  source: kagenti\n", "it has no field 'kagenti'"),
                Arguments.of(kagenti, "kagenti (line 5, column 5): either a 'tenant' or a 'tenant_claim' was expected"),
                Arguments.of(kagenti + "    tenant: t\n    algorithms: [HS256]\n", "kagenti.algorithms[0] (line 10, column 18): one of ES256"),
                Arguments.of(kagenti + "    tenant: t\n    algorithms: [none]\n", "one of ES256"),
                Arguments.of(kagenti + "    tenant: t\n    algorithms: []\n", "at least one algorithm was expected"),
                Arguments.of(kagenti + "    tenant: t\n    time_limit_seconds: 0\n", "kagenti.time_limit_seconds (line 10, column 25): a whole number from 1 to 120 was expected"),
                Arguments.of(kagenti.replace("https://k.example", "https://me:secret@k.example") + "    tenant: t\n", "kagenti.url (line 5, column 10): http://HOST"),
                Arguments.of(ogx + "    url: http://127.0.0.1\n", "ogx (line 5, column 5): 'url' and 'shield'"),
                Arguments.of(ogx + "    url: http://127.0.0.1\n    shield: g\n    moderation_endpoint: http://127.0.0.1\n", "'url' and 'shield'"),
                Arguments.of(ogx + "    moderation_endpoint: file:///etc/passwd\n", "http://HOST"));
    }

    @ParameterizedTest
    @MethodSource("wrong")
    void whatIsWrongIsSaidWithItsPlace(String yaml, String message) {
        String said = assertThrows(MalformedDataException.class, () -> PermissionConfig.parse(yaml, HERE)).getMessage();
        assertTrue(said.contains(message), said);
    }

    /** A password in an address is a mistake; it is not repeated. */
    @Test
    void anAddressIsNotQuoted() {
        String yaml = "permissions:\n  mode: enforce\n  source: ogx\n  ogx: {moderation_endpoint: 'https://me:hunter2@x.example/v1'}\n";
        String said = assertThrows(MalformedDataException.class, () -> PermissionConfig.parse(yaml, HERE)).getMessage();
        assertTrue(!said.contains("hunter2"), said);
    }

    @Test
    void whatOneShouldKnowIsWarnedOf() throws MalformedDataException {
        assertEquals(List.of("the source is kagenti: the 1 local rules are ignored", "k.example is asked over plain http: whoever is on the way can answer in its place",
                "the mode is observe: nothing is stopped, records say what would have been"),
                PermissionConfig.parse("""
                        permissions:
                          mode: observe
                          source: kagenti
                          rules: [{tool: "*", action: allow}]
                          kagenti: {url: http://k.example, issuer: https://i.example/realms/k, audience: api, tenant: team1, token_file: token}
                        """, HERE).warnings());
        assertEquals(List.of(), PermissionConfig.parse(GOOD, HERE).warnings());
    }

    /** A good file with something cut out, put in or swapped is a policy or refused, and nothing else. */
    @Property(tries = 3000)
    void damageIsRefusedOrHarmless(@ForAll @IntRange(max = 400) int from, @ForAll @IntRange(max = 12) int length, @ForAll String put) {
        int start = Math.min(from, GOOD.length());
        int end = Math.min(start + length, GOOD.length());
        try {
            PermissionConfig.parse(GOOD.substring(0, start) + put + GOOD.substring(end), HERE);
        } catch (MalformedDataException e) {
            assertTrue(e.getMessage().length() < 500);
        }
    }
}
