package dev.kvcapsule.sessions.permission;

import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Ulid;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What an operator is asked where a verdict is ask: everything of a pending question but its id and the id of the tool call, which are the session's.
 *
 * @param prompt what to show: the tool, its arguments and the rule, on one line without characters that could deceive; long arguments are cut, and the prompt says so
 * @param options allow and deny
 * @param tool its name
 * @param args its arguments, whole
 * @param ruleId the rule that asks
 */
public record PermissionQuestion(String prompt, List<QuestionState.Option> options, String tool, Map<String, Object> args, String ruleId) {
    /** Most characters of arguments in a prompt. */
    public static final int MAX_SHOWN = 2000;

    /** What can be answered. */
    private static final List<QuestionState.Option> ALLOW_OR_DENY = List.of(new QuestionState.Option("Allow", "Run the tool this once", Action.ALLOW.label()), new QuestionState.Option("Deny", "Do not run it; the model is told", Action.DENY.label()));

    /** Copies. */
    public PermissionQuestion {
        options = List.copyOf(options);
        args = Collections.unmodifiableMap(new LinkedHashMap<>(args));
    }

    /**
     * The question of a verdict.
     *
     * @throws IllegalArgumentException if the verdict is not ask, or is another tool's
     */
    public static PermissionQuestion of(PermissionVerdict verdict, String tool, Arguments args) {
        if (verdict.action() != Action.ASK || !verdict.audit().tool().equals(tool)) {
            throw new IllegalArgumentException("only a verdict that asks about this tool has a question");
        }
        String json = plain(args.json());
        String shown = json.length() <= MAX_SHOWN ? json : json.substring(0, MAX_SHOWN) + "... (" + (json.length() - MAX_SHOWN) + " characters more)";
        return new PermissionQuestion("Run the tool " + plain(tool) + " with " + shown + "? (rule " + verdict.ruleId() + ")", ALLOW_OR_DENY, tool, args.values(), verdict.ruleId());
    }

    /**
     * What an answer means.
     *
     * @param value of the option that was chosen
     * @return allow or deny; empty for anything else, which answers nothing
     */
    public static Optional<Action> answer(String value) {
        return Action.ofLabel(value).filter(action -> action != Action.ASK);
    }

    /**
     * A session's pending question.
     *
     * @param toolCallId the call that is asked about
     */
    public QuestionState toQuestion(String toolCallId) {
        return new QuestionState(Ulid.next(), prompt, options, false, false, toolCallId, Optional.of(new QuestionState.PermissionAsk(tool, args, Optional.of(ruleId))));
    }

    /** The fields of a session's {@code pending_question} that are known here, by their names there. */
    public Map<String, Object> toMap() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("prompt", prompt);
        fields.put("options", options.stream().map(QuestionState.Option::toMap).toList());
        fields.put("multiple", false);
        fields.put("allow_custom", false);
        fields.put("permission_ask", true);
        fields.put("tool_name", tool);
        fields.put("tool_args", args);
        fields.put("rule_id", ruleId);
        return fields;
    }

    /** Without arguments, which may be secrets. */
    @Override
    public String toString() {
        return "question about " + plain(tool) + " by rule " + ruleId;
    }

    /** Controls, and what turns or hides text, as escapes: an operator must see what runs. */
    private static String plain(String text) {
        StringBuilder plain = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            int type = Character.getType(c);
            if (type == Character.CONTROL || type == Character.FORMAT || type == Character.LINE_SEPARATOR || type == Character.PARAGRAPH_SEPARATOR || type == Character.SURROGATE
                    || type == Character.UNASSIGNED || type == Character.PRIVATE_USE) {
                for (char unit : Character.toChars(c)) {
                    plain.append(String.format("\\u%04x", (int) unit));
                }
            } else {
                plain.appendCodePoint(c);
            }
        });
        return plain.toString();
    }
}
