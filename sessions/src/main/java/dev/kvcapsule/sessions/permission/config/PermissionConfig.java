package dev.kvcapsule.sessions.permission.config;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.permission.AuditSink;
import dev.kvcapsule.sessions.permission.AuditedSource;
import dev.kvcapsule.sessions.permission.Identity;
import dev.kvcapsule.sessions.permission.Mode;
import dev.kvcapsule.sessions.permission.PermissionSource;
import dev.kvcapsule.sessions.permission.Policy;
import dev.kvcapsule.sessions.permission.kagenti.KagentiPolicy;
import dev.kvcapsule.sessions.permission.kagenti.KagentiSettings;
import dev.kvcapsule.sessions.permission.ogx.OgxPolicy;
import dev.kvcapsule.sessions.permission.ogx.OgxSettings;
import dev.kvcapsule.sessions.permission.platform.Address;
import dev.kvcapsule.sessions.permission.rules.Rules;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** {@code permissions:} of a policy file; docs/permissions.md has the schema. */
public final class PermissionConfig {
    /** Larger files are not read. */
    public static final int MAX_BYTES = 1 << 20;

    private static final List<String> FIELDS = List.of("mode", "source", "default_scope", "rules", "kagenti", "ogx");
    private static final List<String> SOURCES = List.of("static", "kagenti", "ogx");

    private final Mode mode;
    private final String source;
    private final String defaultScope;
    private final Rules rules;
    private final Optional<KagentiSettings> kagenti;
    private final Optional<OgxSettings> ogx;
    private final List<String> warnings;

    private PermissionConfig(Mode mode, String source, String defaultScope, Rules rules, Optional<KagentiSettings> kagenti, Optional<OgxSettings> ogx, List<String> warnings) {
        this.mode = mode;
        this.source = source;
        this.defaultScope = defaultScope;
        this.rules = rules;
        this.kagenti = kagenti;
        this.ogx = ogx;
        this.warnings = List.copyOf(warnings);
    }

    /**
     * Reads a policy file.
     *
     * @param file YAML, at most {@link #MAX_BYTES}; paths inside are relative to its folder
     * @throws MalformedDataException if it is not of the schema, with the line and column
     * @throws IOException if it cannot be read
     */
    public static PermissionConfig read(Path file) throws IOException {
        byte[] bytes;
        try (InputStream in = Files.newInputStream(file)) {
            bytes = in.readNBytes(MAX_BYTES + 1);
        }
        if (bytes.length > MAX_BYTES) {
            throw new MalformedDataException("larger than " + MAX_BYTES + " bytes");
        }
        try {
            return parse(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString(), file.toAbsolutePath().getParent());
        } catch (CharacterCodingException e) {
            throw new MalformedDataException("not UTF-8");
        }
    }

    /**
     * Reads a policy.
     *
     * @param yaml the file's text
     * @param folder that paths inside are relative to
     * @throws MalformedDataException if it is not of the schema, with the line and column
     */
    public static PermissionConfig parse(String yaml, Path folder) throws MalformedDataException {
        Map<String, YamlNode> file = YamlNode.parse(yaml, "policy").map(List.of("permissions"));
        if (!file.containsKey("permissions")) {
            throw new MalformedDataException("policy: it has no field 'permissions'");
        }
        YamlNode root = file.get("permissions");
        Map<String, YamlNode> fields = root.map(FIELDS);
        // Neither has a default: whoever forgets one believes that it is the other.
        Mode mode = Mode.ofLabel(required(root, fields, "mode").text()).orElseThrow(() -> fields.get("mode").wrong("enforce or observe was expected"));
        String source = required(root, fields, "source").text();
        if (!SOURCES.contains(source)) {
            throw fields.get("source").wrong("static, kagenti or ogx was expected");
        }
        String scope = fields.containsKey("default_scope") ? fields.get("default_scope").text() : "default";
        if (!Identity.isName(scope)) {
            throw fields.get("default_scope").wrong("1 to " + Identity.MAX_LENGTH + " printable characters were expected");
        }
        Rules rules = fields.containsKey("rules") ? RulesReader.read(fields.get("rules")) : new Rules(List.of());
        List<String> warnings = new ArrayList<>();
        Optional<KagentiSettings> kagenti = fields.containsKey("kagenti") ? Optional.of(PlatformReader.kagenti(fields.get("kagenti"), folder)) : Optional.empty();
        Optional<OgxSettings> ogx = fields.containsKey("ogx") ? Optional.of(PlatformReader.ogx(fields.get("ogx"), folder)) : Optional.empty();
        switch (source) {
            case "static" -> required(root, fields, "rules");
            case "kagenti" -> {
                required(root, fields, "kagenti");
                if (rules.size() > 0) {
                    warnings.add("the source is kagenti: the " + rules.size() + " local rules are ignored");
                }
                open(kagenti.orElseThrow().url(), warnings);
                open(kagenti.orElseThrow().jwks(), warnings);
            }
            default -> {
                required(root, fields, "ogx");
                open(switch (ogx.orElseThrow().check()) {
                    case OgxSettings.Shield shield -> shield.url();
                    case OgxSettings.Moderation moderation -> moderation.endpoint();
                }, warnings);
            }
        }
        if (mode == Mode.OBSERVE) {
            warnings.add("the mode is observe: nothing is stopped, records say what would have been");
        }
        return new PermissionConfig(mode, source, scope, rules, kagenti, ogx, warnings);
    }

    private static YamlNode required(YamlNode node, Map<String, YamlNode> fields, String name) throws MalformedDataException {
        if (!fields.containsKey(name)) {
            throw node.wrong("it has no field '" + name + "'");
        }
        return fields.get(name);
    }

    private static void open(URI address, List<String> warnings) {
        if (Address.isOpen(address)) {
            warnings.add(address.getHost() + " is asked over plain http: whoever is on the way can answer in its place");
        }
    }

    /** {@code static}, {@code kagenti} or {@code ogx}. */
    public String source() {
        return source;
    }

    /** Whether verdicts bind. */
    public Mode mode() {
        return mode;
    }

    /** What whoever runs this should know; free of secrets. */
    public List<String> warnings() {
        return warnings;
    }

    /**
     * Makes the source: for Kagenti one a session.
     *
     * @param sink hears of every verdict
     * @param clock of records, tokens and caches
     */
    public PermissionSource open(AuditSink sink, InstantSource clock) {
        Policy policy = switch (source) {
            case "kagenti" -> new KagentiPolicy(kagenti.orElseThrow(), clock);
            case "ogx" -> new OgxPolicy(ogx.orElseThrow(), rules);
            default -> rules;
        };
        return new AuditedSource(source, mode, defaultScope, policy, sink, clock);
    }
}
