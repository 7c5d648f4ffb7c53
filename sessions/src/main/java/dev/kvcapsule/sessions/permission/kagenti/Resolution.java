package dev.kvcapsule.sessions.permission.kagenti;

import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.Identity;
import dev.kvcapsule.sessions.permission.Ruling;
import dev.kvcapsule.sessions.permission.ToolCall;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * What was found out of a session, for as long as it is fresh.
 *
 * @param at when
 * @param identity the token's user, and the tenant
 * @param operator name of the role that may invoke tools
 * @param mayInvoke whether both the token and the platform give that role
 * @param tools of the tenant, by server
 * @param silent servers that did not tell their tools
 */
record Resolution(Instant at, Identity identity, String operator, boolean mayInvoke, Map<String, Set<String>> tools, Set<String> silent) {
    Resolution {
        tools = Map.copyOf(tools);
        silent = Set.copyOf(silent);
    }

    Ruling rule(ToolCall call) {
        Map<String, Object> details = Map.of("resolved_at", at.toString());
        if (!call.identity().equals(identity)) {
            return new Ruling(Action.DENY, "kagenti:identity", "the session's token is of another user or tenant than the call", details);
        }
        if (!mayInvoke) {
            return new Ruling(Action.DENY, "kagenti:role", "the user has not the role " + operator + ", by the token and by the platform, which invoking a tool takes", details);
        }
        Set<String> servers = tools.entrySet().stream().filter(server -> server.getValue().stream().anyMatch(tool -> call.tool().equals(tool) || call.tool().equals(server.getKey() + "/" + tool)))
                .map(Map.Entry::getKey).collect(Collectors.toCollection(TreeSet::new));
        if (servers.isEmpty()) {
            return new Ruling(Action.DENY, "kagenti:tool", "no tool server of the tenant that is ready has this tool" + (silent.isEmpty() ? "" : " (" + silent.size() + " did not answer)"), details);
        }
        if (servers.size() > 1) {
            return new Ruling(Action.DENY, "kagenti:ambiguous", servers.size() + " tool servers of the tenant have a tool of this name: call it SERVER/TOOL", details);
        }
        return new Ruling(Action.ALLOW, "kagenti:role:" + operator, "the role " + operator + " may invoke tools of the tenant", Map.of("resolved_at", at.toString(), "server", servers.iterator().next()));
    }
}
