package dev.kvcapsule.sessions.permission.rules;

import dev.kvcapsule.sessions.permission.Policy;
import dev.kvcapsule.sessions.permission.Ruling;
import dev.kvcapsule.sessions.permission.ToolCall;
import java.util.List;
import java.util.Optional;

/** Rules in order: the first that matches decides; a call that none matches is denied. */
public final class Rules implements Policy {
    /** Most rules. */
    public static final int MAX_RULES = 1000;

    /** Rule id of calls that no rule matches. */
    public static final String NO_MATCH = "no-match";

    private final List<Rule> rules;

    /** @param rules in order */
    public Rules(List<Rule> rules) {
        this.rules = List.copyOf(rules);
    }

    /** How many there are. */
    public int size() {
        return rules.size();
    }

    /** The first that matches. */
    public Optional<Rule> first(ToolCall call) {
        return rules.stream().filter(rule -> rule.matches(call)).findFirst();
    }

    @Override
    public Ruling rule(ToolCall call) {
        return first(call).map(Rules::ruling).orElseGet(() -> Ruling.deny(NO_MATCH, "no rule matches: a last rule with tool \"*\" says what becomes of other tools"));
    }

    /** What a rule that matched says. */
    public static Ruling ruling(Rule rule) {
        return new Ruling(rule.action(), rule.id(), "the rule in line " + rule.line() + " says " + rule.action().label());
    }
}
