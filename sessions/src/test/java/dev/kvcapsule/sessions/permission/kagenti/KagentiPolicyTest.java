package dev.kvcapsule.sessions.permission.kagenti;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import com.nimbusds.jwt.JWTClaimsSet;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.Arguments;
import dev.kvcapsule.sessions.permission.Identity;
import dev.kvcapsule.sessions.permission.Policy;
import dev.kvcapsule.sessions.permission.Ruling;
import dev.kvcapsule.sessions.permission.ToolCall;
import dev.kvcapsule.sessions.permission.platform.TestPlatform.Reply;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(value = 2, unit = TimeUnit.MINUTES)
class KagentiPolicyTest {
    private static final Identity ANN = new Identity("ann", Optional.of("team1"));

    @TempDir
    private Path folder;

    private KagentiFixture kagenti;

    @BeforeEach
    void start() throws IOException {
        kagenti = new KagentiFixture(folder);
    }

    @AfterEach
    void stop() throws IOException {
        kagenti.close();
    }

    private static Ruling rule(Policy policy, Identity identity, String tool) throws MalformedDataException {
        return policy.rule(new ToolCall("s", identity, tool, Arguments.of(Map.of())));
    }

    private String ruleId(String tool) throws MalformedDataException {
        try (KagentiPolicy policy = kagenti.policy()) {
            policy.start(Identity.of("whoever"));
            Ruling ruling = rule(policy, ANN, tool);
            assertEquals(ruling.ruleId().startsWith("kagenti:role:"), ruling.action() == Action.ALLOW);
            return ruling.ruleId();
        }
    }

    @Test
    void anOperatorMayUseTheTenantsTools() throws IOException {
        kagenti.login("ann", "kagenti-operator");
        try (KagentiPolicy policy = kagenti.policy()) {
            assertEquals(ANN, policy.start(Identity.of("whoever")));
            Ruling ruling = rule(policy, ANN, "get_weather");
            assertEquals(new Ruling(Action.ALLOW, "kagenti:role:kagenti-operator", "the role kagenti-operator may invoke tools of the tenant",
                    Map.of("resolved_at", "2026-11-22T10:00:00Z", "server", "weather-tool")), ruling);
            assertEquals(Action.ALLOW, rule(policy, ANN, "slack-tool/search").action());
            assertEquals("kagenti:ambiguous", rule(policy, ANN, "search").ruleId());
            assertEquals("kagenti:tool", rule(policy, ANN, "shell").ruleId());
            assertEquals("kagenti:tool", rule(policy, ANN, "half-tool").ruleId());
            assertEquals("kagenti:identity", rule(policy, Identity.of("ann"), "get_weather").ruleId());
            assertEquals("kagenti:identity", rule(policy, new Identity("bob", Optional.of("team1")), "get_weather").ruleId());
            assertEquals("kagenti:identity", rule(policy, new Identity("ann", Optional.of("team2")), "get_weather").ruleId());
        }
    }

    @ParameterizedTest
    @CsvSource({"kagenti-operator,kagenti:role:kagenti-operator", "kagenti-admin,kagenti:role:kagenti-operator", "admin,kagenti:role:kagenti-operator", "kagenti-viewer,kagenti:role",
        "rossoctl-operator,kagenti:role", "Kagenti-operator,kagenti:role"})
    void rolesAreThePlatforms(String role, String ruleId) throws IOException {
        kagenti.login("ann", role);
        assertEquals(ruleId, ruleId("get_weather"));
    }

    /** Neither a platform that gives a role which the token has not, nor a token alone. */
    @Test
    void bothTheTokenAndThePlatformMustGiveTheRole() throws IOException {
        kagenti.login("ann", "kagenti-viewer");
        kagenti.instead.put("/api/v1/auth/userinfo", Reply.ok("{\"username\":\"ann\",\"email\":null,\"roles\":[\"kagenti-admin\"],\"authenticated\":true}"));
        assertEquals("kagenti:role", ruleId("get_weather"));
        kagenti.login("ann", "kagenti-operator");
        kagenti.instead.put("/api/v1/auth/userinfo", Reply.ok("{\"username\":\"ann\",\"email\":null,\"roles\":[\"kagenti-viewer\"],\"authenticated\":true}"));
        assertEquals("kagenti:role", ruleId("get_weather"));
    }

    /** Every other answer than the API's denies, of each endpoint. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        "/api/v1/auth/userinfo | 401 | {\"detail\":\"Invalid token\"} | kagenti:status-401",
        "/api/v1/auth/userinfo | 503 | {\"detail\":\"Authentication service unavailable\"} | kagenti:status-503",
        "/api/v1/auth/userinfo | 200 | {\"username\":\"admin\",\"email\":\"admin@example.com\",\"roles\":[\"kagenti-admin\"],\"authenticated\":true} | kagenti:refused",
        "/api/v1/auth/userinfo | 200 | {\"username\":\"ann\",\"roles\":[\"kagenti-operator\"],\"authenticated\":false} | kagenti:malformed",
        "/api/v1/auth/userinfo | 200 | {\"username\":\"ann\",\"roles\":[\"kagenti-operator\"],\"authenticated\":\"true\"} | kagenti:malformed",
        "/api/v1/auth/userinfo | 200 | {\"username\":\"ann\",\"roles\":\"kagenti-operator\",\"authenticated\":true} | kagenti:malformed",
        "/api/v1/auth/userinfo | 200 | {\"username\":\"ann\",\"roles\":[1],\"authenticated\":true} | kagenti:malformed",
        "/api/v1/auth/userinfo | 200 | {\"username\":\"ann\",\"roles\":[],\"authenticated\":true,\"suspended\":true} | kagenti:malformed",
        "/api/v1/auth/userinfo | 200 | [] | kagenti:malformed",
        "/api/v1/namespaces | 200 | {\"namespaces\":[\"team2\"]} | kagenti:refused",
        "/api/v1/namespaces | 200 | {\"namespaces\":{\"team1\":true}} | kagenti:malformed",
        "/api/v1/namespaces | 500 | {} | kagenti:status-500",
        "/api/v1/tools?namespace=team1 | 403 | {\"detail\":\"Permission denied. Check RBAC configuration.\"} | kagenti:status-403",
        "/api/v1/tools?namespace=team1 | 200 | {\"items\":[{\"name\":\"weather-tool\",\"namespace\":\"team2\",\"status\":\"Ready\"}]} | kagenti:malformed",
        "/api/v1/tools?namespace=team1 | 200 | {\"items\":[{\"name\":\"../../auth\",\"namespace\":\"team1\",\"status\":\"Ready\"}]} | kagenti:malformed",
        "/api/v1/tools?namespace=team1 | 200 | {\"items\":[{\"name\":\"weather-tool\",\"namespace\":\"team1\",\"status\":\"Failed\"}]} | kagenti:tool",
        "/api/v1/tools?namespace=team1 | 200 | {\"items\":[]} | kagenti:tool",
        "/api/v1/tools?namespace=team1 | 200 | {\"items\":null} | kagenti:malformed",
        "/api/v1/tools/team1/weather-tool/connect | 200 | {\"tools\":[{\"name\":7}]} | kagenti:tool",
        "/api/v1/tools/team1/weather-tool/connect | 504 | {} | kagenti:tool"})
    void anAnswerOfAnotherFormDenies(String path, int status, String body, String ruleId) throws IOException {
        kagenti.login("ann", "kagenti-operator");
        kagenti.instead.put(path, new Reply(status, body));
        assertEquals(ruleId, ruleId("get_weather"));
    }

    @Test
    void aToolThatIsDownTakesNoOtherWithIt() throws IOException {
        kagenti.login("ann", "kagenti-operator");
        kagenti.down.add("slack-tool");
        try (KagentiPolicy policy = kagenti.policy()) {
            assertEquals(Action.ALLOW, rule(policy, ANN, "get_weather").action());
            assertEquals("no tool server of the tenant that is ready has this tool (1 did not answer)", rule(policy, ANN, "post_message").reason());
        }
    }

    @Test
    void withoutATokenOrAPlatformNothingIsAllowed() throws IOException {
        assertEquals("kagenti:token", ruleId("get_weather"));
        kagenti.token(KagentiFixture.signed(new JWTClaimsSet.Builder().subject("ann").build(), KagentiFixture.SECOND));
        assertEquals("kagenti:token", ruleId("get_weather"));
        assertEquals(0, kagenti.platform.requests().stream().filter(request -> request.path().startsWith("/api")).count());
        kagenti.login("ann", "kagenti-operator");
        kagenti.close();
        assertEquals("kagenti:unreachable", ruleId("get_weather"));
        try (KagentiPolicy policy = kagenti.policy()) {
            assertEquals(Identity.of("whoever"), policy.start(Identity.of("whoever")));
        }
    }

    /** Silence of any endpoint is given up within the limit; of one tool's server it costs what is left of it, and that tool only. */
    @ParameterizedTest
    @CsvSource({"/realms/kagenti/protocol/openid-connect/certs,kagenti:timeout", "/api/v1/auth/userinfo,kagenti:timeout", "/api/v1/namespaces,kagenti:timeout",
        "/api/v1/tools?namespace=team1,kagenti:timeout", "/api/v1/tools/team1/weather-tool/connect,kagenti:tool"})
    void silenceDenies(String path, String ruleId) throws IOException {
        kagenti.login("ann", "kagenti-operator");
        kagenti.limit = Duration.ofSeconds(1);
        kagenti.instead.put(path, null);
        assertTimeout(Duration.ofSeconds(20), () -> assertEquals(ruleId, ruleId("get_weather")));
    }

    /** Asked once for 30 minutes; then anew, and what was is not used if that fails. */
    @Test
    void aResolutionIsFreshForThirtyMinutes() throws IOException {
        kagenti.login("ann", "kagenti-operator");
        try (KagentiPolicy policy = kagenti.policy()) {
            policy.start(ANN);
            int asked = kagenti.platform.requests().size();
            kagenti.now = KagentiFixture.NOW.plus(KagentiPolicy.FRESH).minusSeconds(1);
            assertEquals(Action.ALLOW, rule(policy, ANN, "get_weather").action());
            assertEquals(asked, kagenti.platform.requests().size());
            kagenti.now = KagentiFixture.NOW.plus(KagentiPolicy.FRESH);
            // The token of then has expired.
            assertEquals("kagenti:token", rule(policy, ANN, "get_weather").ruleId());
            kagenti.login("ann", "kagenti-operator");
            assertEquals("kagenti:token", rule(policy, ANN, "get_weather").ruleId());
            kagenti.now = kagenti.now.plus(KagentiPolicy.FAILURE_FRESH);
            assertEquals(Action.ALLOW, rule(policy, ANN, "get_weather").action());
            // A role that was taken away is gone once the resolution is stale; so is a session whose token has become somebody else's.
            kagenti.login("ann", "kagenti-viewer");
            kagenti.now = kagenti.now.plus(Duration.ofMinutes(29));
            assertEquals(Action.ALLOW, rule(policy, ANN, "get_weather").action());
            kagenti.now = kagenti.now.plus(Duration.ofMinutes(1));
            kagenti.login("ann", "kagenti-viewer");
            assertEquals("kagenti:role", rule(policy, ANN, "get_weather").ruleId());
            kagenti.now = kagenti.now.plus(KagentiPolicy.FRESH);
            kagenti.login("bob", "kagenti-operator");
            assertEquals("kagenti:identity", rule(policy, ANN, "get_weather").ruleId());
            // A clock that is set back makes nothing fresh.
            kagenti.now = KagentiFixture.NOW;
            kagenti.login("ann", "kagenti-operator");
            assertEquals(Action.ALLOW, rule(policy, ANN, "get_weather").action());
        }
    }

    @Test
    void aTenantOfTheTokenIsANamespace() throws IOException {
        KagentiSettings settings = kagenti.settings(new KagentiSettings.Tenant(Optional.empty(), Optional.of("team")), Set.of("RS256"));
        for (Map.Entry<Object, String> entry : Map.<Object, String>of("team1", "kagenti:role:kagenti-operator", "team3", "kagenti:refused", "../team1", "kagenti:token", List.of(), "kagenti:token").entrySet()) {
            kagenti.token(KagentiFixture.signed(kagenti.claims("ann", "kagenti-operator").claim("team", entry.getKey()).build(), KagentiFixture.FIRST));
            try (KagentiPolicy policy = new KagentiPolicy(settings, () -> kagenti.now)) {
                assertEquals(entry.getValue(), rule(policy, ANN, "get_weather").ruleId());
            }
        }
    }

    /** Neither the token nor what a platform writes is in what is said. */
    @Test
    void secretsAreNotSaid() throws IOException {
        String token = KagentiFixture.signed(kagenti.claims("ann", "kagenti-operator").build(), KagentiFixture.FIRST);
        kagenti.token(token);
        kagenti.instead.put("/api/v1/namespaces", new Reply(500, token));
        try (KagentiPolicy policy = kagenti.policy()) {
            Ruling ruling = rule(policy, ANN, "get_weather");
            assertNotEquals(Action.ALLOW, ruling.action());
            assertFalse(ruling.toString().contains(token.substring(0, 20)));
            assertFalse(policy.toString().contains(token.substring(0, 20)));
            assertFalse(kagenti.settings().toString().contains(token.substring(0, 20)));
        }
    }
}
