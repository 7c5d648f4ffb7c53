package dev.kvcapsule.sessions.permission.ogx;

import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.Policy;
import dev.kvcapsule.sessions.permission.Ruling;
import dev.kvcapsule.sessions.permission.ToolCall;
import dev.kvcapsule.sessions.permission.platform.BearerToken;
import dev.kvcapsule.sessions.permission.platform.PlatformClient;
import dev.kvcapsule.sessions.permission.platform.PlatformException;
import dev.kvcapsule.sessions.permission.rules.Rule;
import dev.kvcapsule.sessions.permission.rules.Rules;
import dev.kvcapsule.serving.json.Json;
import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Local rules first: where the first that matches denies, nothing is sent. The rest goes to the platform, whose deny or ask holds. What it clears is allowed, unless the local rule asks.
 */
public final class OgxPolicy implements Policy {
    /** Longest text that is sent to be judged, in characters: a longer call is denied, since what is not looked at must not run. */
    public static final int MAX_JUDGED = 256 << 10;

    private static final int MAX_ANSWER = 64 << 10;

    private final OgxSettings settings;
    private final Rules rules;
    private final PlatformClient client = new PlatformClient(MAX_ANSWER);

    /** @param rules the local ones */
    public OgxPolicy(OgxSettings settings, Rules rules) {
        this.settings = settings;
        this.rules = rules;
    }

    @Override
    public Ruling rule(ToolCall call) {
        Optional<Rule> local = rules.first(call);
        if (local.isPresent() && local.get().action() == Action.DENY) {
            return Rules.ruling(local.get());
        }
        Ruling platform = platform(call);
        if (platform.action() == Action.ALLOW && local.isPresent() && local.get().action() == Action.ASK) {
            Ruling asks = Rules.ruling(local.get());
            return new Ruling(Action.ASK, asks.ruleId(), asks.reason() + "; the platform clears it (" + platform.ruleId() + ")", platform.details());
        }
        return platform;
    }

    private Ruling platform(ToolCall call) {
        String text = text(call);
        if (text.length() > MAX_JUDGED) {
            return Ruling.deny("ogx:too-large", "the call has " + text.length() + " characters; no more than " + MAX_JUDGED + " are sent to be judged");
        }
        try {
            Optional<BearerToken> token = settings.tokenFile().isPresent() ? Optional.of(BearerToken.read(settings.tokenFile().get())) : Optional.empty();
            return switch (settings.check()) {
                case OgxSettings.Shield(URI url, String shield) -> OgxAnswers.shield(client.post(URI.create(url + "/v1/safety/run-shield"), token,
                        Map.of("shield_id", shield, "messages", List.of(Map.of("role", "user", "content", text))), settings.timeLimit()), text);
                case OgxSettings.Moderation(URI endpoint, Optional<String> model) -> OgxAnswers.moderation(client.post(endpoint, token, moderation(text, model), settings.timeLimit()), text);
            };
        } catch (PlatformException e) {
            return Ruling.deny("ogx:" + e.code(), e.getMessage());
        }
    }

    private static Map<String, Object> moderation(String text, Optional<String> model) {
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("input", text);
        model.ifPresent(name -> body.put("model", name));
        return body;
    }

    /**
     * The call as JSON, and after it those texts of its arguments that JSON writes otherwise than they are: scanners of code look for lines. One text, since a shield that takes a
     * conversation wants users and assistants in turn.
     */
    static String text(ToolCall call) {
        Map<String, Object> whole = new LinkedHashMap<>();
        whole.put("tool", call.tool());
        whole.put("arguments", call.arguments().values());
        StringBuilder text = new StringBuilder(Json.line(whole));
        plain(call.arguments().values(), text);
        return text.toString();
    }

    private static void plain(Object value, StringBuilder text) {
        switch (value) {
            case Map<?, ?> map -> map.values().forEach(inner -> plain(inner, text));
            case List<?> list -> list.forEach(inner -> plain(inner, text));
            case String plain when plain.chars().anyMatch(c -> c < 0x20 || c == '"' || c == '\\') -> text.append("\n\n").append(plain);
            case null, default -> { }
        }
    }

    @Override
    public void close() {
        client.close();
    }
}
