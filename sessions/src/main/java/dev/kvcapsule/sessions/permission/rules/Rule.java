package dev.kvcapsule.sessions.permission.rules;

import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.ToolCall;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** One rule. It matches a call whose tool, scope and arguments it matches; arguments that it does not name may be anything. */
public final class Rule {
    private final String id;
    private final Glob tool;
    private final Optional<Glob> scope;
    private final List<ArgumentPattern> arguments;
    private final Action action;
    private final int line;

    /**
     * @param id its stable name; empty derives one from what it says, which stays when rules are moved or others are added
     * @param tool pattern of the tool's name
     * @param scope pattern of the scope; empty for any
     * @param arguments globs by argument: of each argument named one has to match
     * @param line where it stands in its file, counted from 1
     */
    public Rule(Optional<String> id, Glob tool, Optional<Glob> scope, Map<String, List<Glob>> arguments, Action action, int line) {
        this.tool = tool;
        this.scope = scope;
        this.arguments = new TreeMap<>(arguments).entrySet().stream().map(entry -> new ArgumentPattern(entry.getKey(), entry.getValue())).toList();
        this.action = action;
        this.line = line;
        this.id = id.orElseGet(this::derived);
    }

    /** Its stable name. */
    public String id() {
        return id;
    }

    /** What becomes of calls that it matches. */
    public Action action() {
        return action;
    }

    /** Where it stands in its file, counted from 1. */
    public int line() {
        return line;
    }

    /** Whether it matches. */
    public boolean matches(ToolCall call) {
        return tool.matches(call.tool()) && scope.map(glob -> glob.matches(call.scope())).orElse(true)
                && arguments.stream().allMatch(pattern -> pattern.matches(call.arguments().values(), action == Action.ALLOW));
    }

    private String derived() {
        StringBuilder says = new StringBuilder(action.label());
        part(says, tool.toString());
        part(says, scope.map(Glob::toString).orElse(""));
        for (ArgumentPattern pattern : arguments) {
            part(says, pattern.name());
            says.append(pattern.values().size());
            pattern.values().stream().map(Glob::toString).sorted().forEach(value -> part(says, value));
        }
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(says.toString().getBytes(StandardCharsets.UTF_8));
            return "rule-" + HexFormat.of().formatHex(digest, 0, 6);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** With its length, so that no two rules read the same. */
    private static void part(StringBuilder says, String text) {
        says.append(' ').append(text.length()).append(':').append(text);
    }
}
