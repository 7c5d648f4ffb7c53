package dev.kvcapsule.sessions.permission.kagenti;

import dev.kvcapsule.sessions.permission.platform.BearerToken;
import dev.kvcapsule.sessions.permission.platform.PlatformClient;
import dev.kvcapsule.sessions.permission.platform.PlatformException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The endpoints of a platform's API that are asked. Answers of another form than its models have are refused. */
final class KagentiApi {
    /** Most tool servers of a tenant. */
    static final int MAX_SERVERS = 64;

    private static final Set<String> USER = Set.of("username", "email", "roles", "authenticated");

    /** Names of namespaces and workloads in Kubernetes (RFC 1123): they go into paths. */
    private static final String NAME = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";

    private final PlatformClient client;
    private final URI url;
    private final Optional<BearerToken> token;
    private final long end;

    /** @param within time for all requests of this object together */
    KagentiApi(PlatformClient client, URI url, BearerToken token, Duration within) {
        this.client = client;
        this.url = url;
        this.token = Optional.of(token);
        this.end = System.nanoTime() + within.toNanos();
    }

    static boolean isName(String text) {
        return text.matches(NAME);
    }

    /**
     * {@code GET /api/v1/auth/userinfo}: roles that the platform gives a user, whose name must be the token's.
     *
     * @param username in the token
     */
    Set<String> roles(String username) throws PlatformException {
        Map<String, Object> user = get("auth/userinfo");
        if (!USER.containsAll(user.keySet()) || !Boolean.TRUE.equals(user.get("authenticated")) || !(user.get("username") instanceof String name)) {
            throw malformed("userinfo");
        }
        if (!name.equals(username)) {
            throw new PlatformException("refused", "the platform takes the token for somebody else's");
        }
        return new HashSet<>(texts(user.get("roles"), "userinfo"));
    }

    /** {@code GET /api/v1/namespaces}: those that the platform is enabled for. */
    Set<String> namespaces() throws PlatformException {
        return new HashSet<>(texts(get("namespaces").get("namespaces"), "namespaces"));
    }

    /** {@code GET /api/v1/tools}: the tool servers of a namespace that are ready. */
    List<String> servers(String namespace) throws PlatformException {
        List<String> servers = new ArrayList<>();
        for (Map<?, ?> tool : maps(get("tools?namespace=" + namespace).get("items"), "tools")) {
            if (!(tool.get("name") instanceof String name) || !isName(name) || !(tool.get("status") instanceof String status) || !namespace.equals(tool.get("namespace"))) {
                throw malformed("tools");
            }
            if (status.equals("Ready")) {
                servers.add(name);
            }
        }
        if (servers.size() > MAX_SERVERS) {
            throw new PlatformException("refused", "the tenant has more than " + MAX_SERVERS + " tool servers");
        }
        return servers;
    }

    /** {@code POST /api/v1/tools/NAMESPACE/NAME/connect}: the tools of one server, by their names there. */
    Set<String> tools(String namespace, String server) throws PlatformException {
        Map<String, Object> answer = client.post(URI.create(url + "/api/v1/tools/" + namespace + "/" + server + "/connect"), token, Map.of(), left());
        Set<String> tools = new HashSet<>();
        for (Map<?, ?> tool : maps(answer.get("tools"), "connect")) {
            if (!(tool.get("name") instanceof String name)) {
                throw malformed("connect");
            }
            tools.add(name);
        }
        return tools;
    }

    private Map<String, Object> get(String path) throws PlatformException {
        return client.get(URI.create(url + "/api/v1/" + path), token, left());
    }

    private Duration left() {
        return Duration.ofNanos(end - System.nanoTime());
    }

    private static List<String> texts(Object value, String what) throws PlatformException {
        List<String> texts = new ArrayList<>();
        if (value instanceof List<?> list) {
            for (Object element : list) {
                if (element instanceof String text) {
                    texts.add(text);
                }
            }
            if (texts.size() == list.size()) {
                return texts;
            }
        }
        throw malformed(what);
    }

    private static List<Map<?, ?>> maps(Object value, String what) throws PlatformException {
        List<Map<?, ?>> maps = new ArrayList<>();
        if (value instanceof List<?> list) {
            for (Object element : list) {
                if (element instanceof Map<?, ?> map) {
                    maps.add(map);
                }
            }
            if (maps.size() == list.size()) {
                return maps;
            }
        }
        throw malformed(what);
    }

    private static PlatformException malformed(String what) {
        return new PlatformException("malformed", "the platform's answer to " + what + " has another form than its API says");
    }
}
