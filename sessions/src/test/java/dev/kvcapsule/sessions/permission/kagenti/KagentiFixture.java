package dev.kvcapsule.sessions.permission.kagenti;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSSigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.permission.platform.TestPlatform;
import dev.kvcapsule.sessions.permission.platform.TestPlatform.Reply;
import dev.kvcapsule.sessions.permission.platform.TestPlatform.Request;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.ParseException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Keycloak's keys and a Kagenti backend, as far as sessions ask them: written from the project's docs/api-authentication.md and, of the backend, app/core/auth.py, app/routers/auth.py,
 * namespaces.py and tools.py (July 2026). It reads names and roles from tokens as the backend does, and demands the roles that the backend demands.
 */
final class KagentiFixture implements AutoCloseable {
    static final Instant NOW = Instant.parse("2026-11-22T10:00:00Z");
    static final RSAKey FIRST = key("k1");
    static final RSAKey SECOND = key("k2");

    final TestPlatform platform;
    final Map<String, Reply> instead = new HashMap<>();
    final Set<String> down = new LinkedHashSet<>();
    List<JWK> keys = List.of(FIRST);
    Instant now = NOW;
    Duration limit = Duration.ofSeconds(20);

    private final Path tokenFile;

    KagentiFixture(Path folder) throws IOException {
        this.platform = new TestPlatform(this::reply);
        this.tokenFile = folder.resolve("token");
    }

    static RSAKey key(String id) {
        try {
            return new RSAKeyGenerator(2048).keyID(id).generate();
        } catch (JOSEException e) {
            throw new IllegalStateException(e);
        }
    }

    String issuer() {
        return platform.url() + "/realms/kagenti";
    }

    KagentiSettings settings(KagentiSettings.Tenant tenant, Set<String> algorithms) {
        return new KagentiSettings(platform.url(), issuer(), URI.create(issuer() + "/protocol/openid-connect/certs"), "kagenti-api", algorithms, tenant, "kagenti", tokenFile, limit);
    }

    KagentiSettings settings() {
        return settings(new KagentiSettings.Tenant(Optional.of("team1"), Optional.empty()), Set.of("RS256"));
    }

    KagentiPolicy policy() {
        return new KagentiPolicy(settings(), () -> now);
    }

    JWTClaimsSet.Builder claims(String user, String... roles) {
        return new JWTClaimsSet.Builder().issuer(issuer()).audience("kagenti-api").subject("f:" + user).claim("preferred_username", user).claim("typ", "Bearer").claim("team", "team1")
                .claim("realm_access", Map.of("roles", List.of(roles))).issueTime(Date.from(now)).expirationTime(Date.from(now.plusSeconds(300)));
    }

    static String signed(JWTClaimsSet claims, JWSAlgorithm algorithm, String kid, JWSSigner signer) {
        SignedJWT jwt = new SignedJWT(new JWSHeader.Builder(algorithm).type(JOSEObjectType.JWT).keyID(kid).build(), claims);
        try {
            jwt.sign(signer);
        } catch (JOSEException e) {
            throw new IllegalStateException(e);
        }
        return jwt.serialize();
    }

    static String signed(JWTClaimsSet claims, RSAKey key) {
        try {
            return signed(claims, JWSAlgorithm.RS256, key.getKeyID(), new RSASSASigner(key));
        } catch (JOSEException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The session's token from now on. */
    void token(String token) throws IOException {
        Files.writeString(tokenFile, token + "\n");
    }

    void login(String user, String... roles) throws IOException {
        token(signed(claims(user, roles).build(), FIRST));
    }

    private Reply reply(Request request) {
        if (instead.containsKey(request.path())) {
            return instead.get(request.path());
        }
        if (request.path().equals("/realms/kagenti/protocol/openid-connect/certs")) {
            return Reply.ok(new JWKSet(keys).toString());
        }
        Map<String, Object> user;
        try {
            user = user(request.authorization());
        } catch (ParseException e) {
            return new Reply(401, "{\"detail\":\"Invalid token\"}");
        }
        if (user == null) {
            return new Reply(401, "{\"detail\":\"Authentication required\"}");
        }
        boolean operator = ((List<?>) user.get("roles")).stream().anyMatch(role -> role.equals("kagenti-operator") || role.equals("kagenti-admin"));
        return switch (request.method() + " " + request.path()) {
            case "GET /api/v1/auth/userinfo" -> Reply.ok(Json.line(user));
            case "GET /api/v1/namespaces" -> Reply.ok("{\"namespaces\":[\"team1\",\"team2\"]}");
            case "GET /api/v1/tools?namespace=team1" -> Reply.ok("{\"items\":[" + tool("weather-tool", "Ready") + "," + tool("slack-tool", "Ready") + "," + tool("half-tool", "Progressing") + "]}");
            case "GET /api/v1/tools?namespace=team2" -> Reply.ok("{\"items\":[]}");
            case "POST /api/v1/tools/team1/weather-tool/connect" -> tools(operator, "weather-tool", "get_weather", "search");
            case "POST /api/v1/tools/team1/slack-tool/connect" -> tools(operator, "slack-tool", "post_message", "search");
            default -> new Reply(404, "{\"detail\":\"Not Found\"}");
        };
    }

    /** ToolSummary, as Pydantic writes it. */
    private static String tool(String name, String status) {
        return "{\"name\":\"" + name + "\",\"namespace\":\"team1\",\"description\":\"\",\"status\":\"" + status
                + "\",\"labels\":{\"protocol\":[\"mcp\"],\"framework\":null,\"type\":\"tool\",\"simulated\":null},\"createdAt\":\"2026-07-01T00:00:00Z\",\"workloadType\":\"deployment\"}";
    }

    /** MCPToolsResponse. */
    private Reply tools(boolean operator, String server, String... names) {
        if (!operator) {
            return new Reply(403, "{\"detail\":\"Required role(s): kagenti-operator\"}");
        }
        if (down.contains(server)) {
            return new Reply(502, "{\"detail\":\"Failed to connect to MCP server\"}");
        }
        List<String> tools = new ArrayList<>();
        for (String name : names) {
            tools.add("{\"name\":\"" + name + "\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"}}");
        }
        return Reply.ok("{\"tools\":[" + String.join(",", tools) + "]}");
    }

    /** UserInfoResponse of a token, as validate_token reads it. */
    private static Map<String, Object> user(String authorization) throws ParseException {
        if (authorization == null || !authorization.startsWith("Bearer ")) {
            return null;
        }
        JWTClaimsSet claims = SignedJWT.parse(authorization.substring(7)).getJWTClaimsSet();
        Set<String> roles = new LinkedHashSet<>();
        List<?> realm = (List<?>) claims.getJSONObjectClaim("realm_access").get("roles");
        realm.forEach(role -> roles.add((String) role));
        if (realm.contains("admin")) {
            roles.add("kagenti-admin");
        }
        roles.add("kagenti-viewer");
        Map<String, Object> user = new HashMap<>();
        user.put("username", claims.getStringClaim("preferred_username"));
        user.put("email", null);
        user.put("roles", List.copyOf(roles));
        user.put("authenticated", true);
        return user;
    }

    @Override
    public void close() throws IOException {
        platform.close();
    }
}
