package dev.kvcapsule.sessions.permission.config;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.permission.kagenti.KagentiSettings;
import dev.kvcapsule.sessions.permission.ogx.OgxSettings;
import dev.kvcapsule.sessions.permission.platform.Address;
import java.net.URI;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** {@code kagenti:} and {@code ogx:} of a policy file. */
final class PlatformReader {
    private static final List<String> KAGENTI = List.of("url", "issuer", "jwks", "audience", "algorithms", "tenant", "tenant_claim", "role_prefix", "token_file", "time_limit_seconds");
    private static final List<String> OGX = List.of("url", "shield", "moderation_endpoint", "model", "token_file", "time_limit_seconds");
    private static final int LONGEST_SECONDS = 120;

    private PlatformReader() {}

    static KagentiSettings kagenti(YamlNode node, Path folder) throws MalformedDataException {
        Map<String, YamlNode> fields = node.map(KAGENTI);
        for (String name : List.of("url", "issuer", "audience", "token_file")) {
            if (!fields.containsKey(name)) {
                throw node.wrong("it has no field '" + name + "'");
            }
        }
        if (fields.containsKey("tenant") == fields.containsKey("tenant_claim")) {
            throw node.wrong("either a 'tenant' or a 'tenant_claim' was expected");
        }
        // Where Keycloak has them.
        URI issuer = address(fields.get("issuer"));
        URI jwks = fields.containsKey("jwks") ? address(fields.get("jwks")) : URI.create(issuer + "/protocol/openid-connect/certs");
        return new KagentiSettings(address(fields.get("url")), fields.get("issuer").text(), jwks, filled(fields.get("audience")), algorithms(fields.get("algorithms")),
                new KagentiSettings.Tenant(text(fields, "tenant"), text(fields, "tenant_claim")), text(fields, "role_prefix").orElse("kagenti"), path(fields.get("token_file"), folder),
                limit(fields.get("time_limit_seconds"), 30));
    }

    static OgxSettings ogx(YamlNode node, Path folder) throws MalformedDataException {
        Map<String, YamlNode> fields = node.map(OGX);
        boolean shield = fields.containsKey("url") && fields.containsKey("shield") && !fields.containsKey("moderation_endpoint") && !fields.containsKey("model");
        boolean moderation = fields.containsKey("moderation_endpoint") && !fields.containsKey("url") && !fields.containsKey("shield");
        if (!shield && !moderation) {
            throw node.wrong("'url' and 'shield' (Llama Stack 0.7), or 'moderation_endpoint' and perhaps 'model' (OGX 1.x) were expected");
        }
        OgxSettings.Check check = shield ? new OgxSettings.Shield(address(fields.get("url")), filled(fields.get("shield")))
                : new OgxSettings.Moderation(address(fields.get("moderation_endpoint")), text(fields, "model"));
        return new OgxSettings(check, fields.containsKey("token_file") ? Optional.of(path(fields.get("token_file"), folder)) : Optional.empty(), limit(fields.get("time_limit_seconds"), 10));
    }

    private static Set<String> algorithms(YamlNode node) throws MalformedDataException {
        if (node == null) {
            // What Keycloak signs with, and the platform takes.
            return Set.of("RS256");
        }
        Set<String> algorithms = new LinkedHashSet<>();
        for (YamlNode element : node.list()) {
            if (!KagentiSettings.ALGORITHMS.contains(element.text())) {
                throw element.wrong("one of " + String.join(", ", KagentiSettings.ALGORITHMS.stream().sorted().toList()) + " was expected");
            }
            algorithms.add(element.text());
        }
        if (algorithms.isEmpty()) {
            throw node.wrong("at least one algorithm was expected");
        }
        return algorithms;
    }

    private static Optional<String> text(Map<String, YamlNode> fields, String name) throws MalformedDataException {
        return fields.containsKey(name) ? Optional.of(filled(fields.get(name))) : Optional.empty();
    }

    private static String filled(YamlNode node) throws MalformedDataException {
        String text = node.text();
        if (text.isBlank()) {
            throw node.wrong("text was expected");
        }
        return text;
    }

    private static URI address(YamlNode node) throws MalformedDataException {
        String text = node.text();
        try {
            return Address.of(text);
        } catch (MalformedDataException e) {
            throw node.wrong(e.getMessage());
        }
    }

    private static Path path(YamlNode node, Path folder) throws MalformedDataException {
        try {
            return folder.resolve(filled(node));
        } catch (InvalidPathException e) {
            throw node.wrong("a path was expected");
        }
    }

    private static Duration limit(YamlNode node, int seconds) throws MalformedDataException {
        return Duration.ofSeconds(node == null ? seconds : node.number(1, LONGEST_SECONDS));
    }
}
