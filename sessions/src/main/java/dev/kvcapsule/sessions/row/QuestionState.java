package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A question that waits for its answer. A session has one at most.
 *
 * @param questionId a ULID
 * @param prompt the question
 * @param options to choose from
 * @param multiple whether more than one may be chosen
 * @param allowCustom whether an answer may be none of them
 * @param toolCallId the call whose result the answer becomes, or that it allows
 * @param permission what is asked for, if this asks whether the tool may run
 */
public record QuestionState(String questionId, String prompt, List<Option> options, boolean multiple, boolean allowCustom, String toolCallId, Optional<PermissionAsk> permission) {
    /** The value that lets a tool run. */
    public static final String ALLOW = "allow";

    /** The value that does not. */
    public static final String DENY = "deny";

    /**
     * A choice.
     *
     * @param label what is shown
     * @param description what it means
     * @param value what the answer is
     */
    public record Option(String label, String description, String value) {
        /** @throws IllegalArgumentException if the label or value is none */
        public Option {
            Texts.require(label, "an option's label");
            Texts.requireUnicode(description, "an option's description");
            Texts.require(value, "an option's value");
        }

        static Option read(Fields fields) throws MalformedDataException {
            String label = fields.required("label");
            return new Option(label, fields.text("description").orElse(""), fields.text("value").orElse(label));
        }

        /** The fields by name. */
        public Map<String, Object> toMap() {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("label", label);
            map.put("description", description);
            map.put("value", value);
            return map;
        }
    }

    /**
     * A tool that asks to be allowed.
     *
     * @param toolName of the tool
     * @param toolArgs its arguments
     * @param ruleId the rule that wants it asked; empty if none is named
     */
    public record PermissionAsk(String toolName, Map<String, Object> toolArgs, Optional<String> ruleId) {
        /** @throws IllegalArgumentException if the tool's name is none */
        public PermissionAsk {
            Texts.require(toolName, "a tool's name");
        }
    }

    /** @throws IllegalArgumentException if there is nothing to answer with, two options have one value, or a text is none */
    public QuestionState {
        options = List.copyOf(options);
        if (!Ulid.isUlid(questionId)) {
            throw new IllegalArgumentException("a question's id is a ULID");
        }
        Texts.requireUnicode(prompt, "a question");
        Texts.require(toolCallId, "a tool call's id");
        if (options.isEmpty() && !allowCustom) {
            throw new IllegalArgumentException("a question without options must allow_custom: nothing could answer it");
        }
        Set<String> values = new HashSet<>();
        for (Option option : options) {
            if (!values.add(option.value())) {
                throw new IllegalArgumentException("two options have the value '" + option.value() + "'");
            }
        }
        if (permission.isPresent() && (!values.equals(Set.of(ALLOW, DENY)) || multiple || allowCustom)) {
            throw new IllegalArgumentException("a permission is asked for with the values allow and deny, one of them");
        }
    }

    /** A new question. */
    public static QuestionState of(String toolCallId, String prompt, Option... options) {
        return new QuestionState(Ulid.next(), prompt, List.of(options), false, options.length == 0, toolCallId, Optional.empty());
    }

    /** A new question whether a tool may run. */
    public static QuestionState ofPermission(String toolCallId, PermissionAsk ask) {
        return new QuestionState(Ulid.next(), "May " + ask.toolName() + " run?",
                List.of(new Option("Allow", "The tool runs, once.", ALLOW), new Option("Deny", "The tool does not run; the model is told.", DENY)), false, false, toolCallId, Optional.of(ask));
    }

    /** @throws IllegalArgumentException if these values do not answer it */
    public void requireAnswers(List<String> values) {
        if (values.isEmpty() || values.size() > 1 && !multiple) {
            throw new IllegalArgumentException("the question takes " + (multiple ? "one or more values" : "one value") + ", not " + values.size());
        }
        Set<String> known = new HashSet<>();
        options.forEach(option -> known.add(option.value()));
        for (String value : values) {
            Texts.requireUnicode(value, "an answer");
            if (!allowCustom && !known.contains(value)) {
                throw new IllegalArgumentException("'" + MalformedDataException.oneLine(value) + "' is none of " + String.join(", ", options.stream().map(Option::value).toList()));
            }
        }
        if (new HashSet<>(values).size() != values.size()) {
            throw new IllegalArgumentException("a value is given twice");
        }
    }

    /** Reads what {@link #toMap} made; without a question_id it is a new question. */
    public static QuestionState read(Fields fields) throws MalformedDataException {
        try {
            boolean asks = fields.flag("permission_ask");
            Optional<String> tool = fields.text("tool_name");
            Map<String, Object> args = fields.any("tool_args");
            Optional<String> rule = fields.text("rule_id");
            if (asks && tool.isEmpty()) {
                throw new MalformedDataException("tool_name: a permission is asked for a tool");
            }
            Optional<PermissionAsk> permission = asks ? Optional.of(new PermissionAsk(tool.get(), args, rule)) : Optional.empty();
            List<Option> options = fields.list("options", Option::read);
            String call = fields.required("tool_call_id");
            Optional<String> prompt = fields.text("prompt");
            if (asks && options.isEmpty()) {
                QuestionState usual = ofPermission(call, permission.get());
                return new QuestionState(fields.text("question_id").orElse(usual.questionId), prompt.orElse(usual.prompt), usual.options, false, false, call, permission);
            }
            return new QuestionState(fields.text("question_id").orElseGet(Ulid::next), prompt.orElseGet(() -> ""), options, fields.flag("multiple"), fields.flag("allow_custom"), call, permission);
        } catch (IllegalArgumentException e) {
            throw new MalformedDataException(e.getMessage());
        }
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("question_id", questionId);
        map.put("prompt", prompt);
        map.put("options", options.stream().map(Option::toMap).toList());
        map.put("multiple", multiple);
        map.put("allow_custom", allowCustom);
        map.put("tool_call_id", toolCallId);
        permission.ifPresent(ask -> {
            map.put("permission_ask", true);
            map.put("tool_name", ask.toolName());
            map.put("tool_args", ask.toolArgs());
            map.put("rule_id", ask.ruleId().orElse(null));
        });
        return map;
    }
}
