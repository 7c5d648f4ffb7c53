package dev.kvcapsule.sessions.permission.config;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.rules.Glob;
import dev.kvcapsule.sessions.permission.rules.Rule;
import dev.kvcapsule.sessions.permission.rules.Rules;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** {@code rules:} of a policy file. */
final class RulesReader {
    private static final List<String> FIELDS = List.of("id", "tool", "scope", "args_match", "action");

    /** Without a colon: those are verdicts of platforms. */
    private static final String ID = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";

    private RulesReader() {}

    static Rules read(YamlNode list) throws MalformedDataException {
        List<Rule> rules = new ArrayList<>();
        Map<String, Rule> byId = new HashMap<>();
        for (YamlNode node : list.list()) {
            Rule rule = rule(node);
            Rule same = byId.put(rule.id(), rule);
            if (same != null) {
                throw node.wrong("has the id " + rule.id() + " of the rule in line " + same.line() + ", or says the same");
            }
            rules.add(rule);
        }
        if (rules.size() > Rules.MAX_RULES) {
            throw list.wrong("no more than " + Rules.MAX_RULES + " rules are taken");
        }
        return new Rules(rules);
    }

    private static Rule rule(YamlNode node) throws MalformedDataException {
        Map<String, YamlNode> fields = node.map(FIELDS);
        if (!fields.containsKey("tool") || !fields.containsKey("action")) {
            throw node.wrong("a rule has a tool and an action");
        }
        Optional<String> id = Optional.empty();
        if (fields.get("id") instanceof YamlNode given) {
            id = Optional.of(given.text());
            if (!id.get().matches(ID) || id.get().equals(Rules.NO_MATCH)) {
                throw given.wrong("an id is letters, digits, '.', '_' and '-', 64 at most, and not " + Rules.NO_MATCH);
            }
        }
        Optional<Glob> scope = fields.containsKey("scope") ? Optional.of(glob(fields.get("scope"))) : Optional.empty();
        Map<String, List<Glob>> arguments = fields.containsKey("args_match") ? arguments(fields.get("args_match")) : Map.of();
        Action action = Action.ofLabel(fields.get("action").text()).orElseThrow(() -> fields.get("action").wrong("allow, deny or ask was expected"));
        return new Rule(id, glob(fields.get("tool")), scope, arguments, action, node.line());
    }

    /** An empty mapping or list would match everything or nothing, and which of them is anybody's guess. */
    private static Map<String, List<Glob>> arguments(YamlNode node) throws MalformedDataException {
        Map<String, List<Glob>> arguments = new LinkedHashMap<>();
        for (Map.Entry<String, YamlNode> entry : node.map().entrySet()) {
            List<Glob> globs = new ArrayList<>();
            for (YamlNode value : entry.getValue().list()) {
                globs.add(glob(value));
            }
            if (globs.isEmpty()) {
                throw entry.getValue().wrong("at least one value was expected");
            }
            arguments.put(entry.getKey(), globs);
        }
        if (arguments.isEmpty()) {
            throw node.wrong("at least one argument was expected");
        }
        return arguments;
    }

    private static Glob glob(YamlNode node) throws MalformedDataException {
        String text = node.text();
        try {
            return Glob.of(text);
        } catch (MalformedDataException e) {
            throw node.wrong(e.getMessage());
        }
    }
}
