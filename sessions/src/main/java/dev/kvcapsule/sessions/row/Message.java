package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A message of a conversation. Its id is set once; its content changes only where a sentinel becomes a tool's result.
 *
 * @param id a ULID
 * @param role who it is from
 * @param kind what it is to this program
 * @param content its text
 * @param toolCalls an assistant's
 * @param toolCallId a tool's: the call that this is the result of
 * @param tokens as a model's server counted them; empty if it was not asked
 * @param marker a summary's
 * @param createdAt to the microsecond
 */
public record Message(String id, Role role, MessageKind kind, String content, List<ToolCall> toolCalls, Optional<String> toolCallId, OptionalLong tokens, Optional<CompactionMarker> marker,
        Instant createdAt) {
    /** @throws IllegalArgumentException if the parts do not fit each other, or a text is not valid Unicode */
    public Message {
        toolCalls = List.copyOf(toolCalls);
        createdAt = createdAt.truncatedTo(ChronoUnit.MICROS);
        Texts.requireUnicode(content, "a message");
        if (!Ulid.isUlid(id)) {
            throw new IllegalArgumentException("a message's id is a ULID");
        }
        if (role == Role.TOOL != toolCallId.isPresent()) {
            throw new IllegalArgumentException("a tool's message, and no other, names the tool_call_id that it is the result of");
        }
        if (role != Role.ASSISTANT && !toolCalls.isEmpty()) {
            throw new IllegalArgumentException("only an assistant's message has tool_calls");
        }
        if (kind == MessageKind.SUMMARY != marker.isPresent()) {
            throw new IllegalArgumentException("a summary, and no other message, has a marker");
        }
        if (kind == MessageKind.SENTINEL && role != Role.TOOL) {
            throw new IllegalArgumentException("a sentinel stands for a tool's result");
        }
        toolCallId.ifPresent(call -> Texts.require(call, "a tool call's id"));
    }

    private static Message plain(Role role, String content, List<ToolCall> calls, Optional<String> call) {
        return new Message(Ulid.next(), role, MessageKind.PLAIN, content, calls, call, OptionalLong.empty(), Optional.empty(), Instant.now());
    }

    /** Characters of its text and of its tool calls. */
    public long characters() {
        return content.length() + toolCalls.stream().mapToLong(call -> call.name().length() + call.arguments().length()).sum();
    }

    /** A new message of a system's. */
    public static Message system(String content) {
        return plain(Role.SYSTEM, content, List.of(), Optional.empty());
    }

    /** A new message of a user's. */
    public static Message user(String content) {
        return plain(Role.USER, content, List.of(), Optional.empty());
    }

    /** A new message of the model's. */
    public static Message assistant(String content, ToolCall... calls) {
        return plain(Role.ASSISTANT, content, List.of(calls), Optional.empty());
    }

    /** A new result of a tool call. */
    public static Message tool(String callId, String content) {
        return plain(Role.TOOL, content, List.of(), Optional.of(callId));
    }

    /** A new message that stands for a result that is not there yet. */
    public static Message sentinel(String callId, String content) {
        return new Message(Ulid.next(), Role.TOOL, MessageKind.SENTINEL, content, List.of(), Optional.of(callId), OptionalLong.empty(), Optional.empty(), Instant.now());
    }

    /** A new message that stands for others. */
    public static Message summary(String content, CompactionMarker marker) {
        return new Message(Ulid.next(), Role.USER, MessageKind.SUMMARY, content, List.of(), Optional.empty(), OptionalLong.empty(), Optional.of(marker), Instant.now());
    }

    /** The same, as many tokens long. */
    public Message counted(long count) {
        return new Message(id, role, kind, content, toolCalls, toolCallId, OptionalLong.of(count), marker, createdAt);
    }

    /** The result that a sentinel stood for. */
    public Message resolved(String result) {
        return new Message(id, role, MessageKind.PLAIN, result, toolCalls, toolCallId, OptionalLong.empty(), marker, createdAt);
    }

    /**
     * Reads what {@link #toMap} made; without an id it is a new message.
     *
     * @throws MalformedDataException if it is none
     */
    public static Message read(Fields fields) throws MalformedDataException {
        try {
            Optional<Fields> marker = fields.object("marker");
            Message message = new Message(fields.text("id").orElseGet(Ulid::next), Role.ofLabel(fields.required("role")), MessageKind.ofLabel(fields.text("kind").orElse("plain")),
                    fields.text("content").orElse(""), fields.list("tool_calls", ToolCall::read), fields.text("tool_call_id"), fields.number("tokens"),
                    marker.isPresent() ? Optional.of(CompactionMarker.read(marker.get())) : Optional.empty(), fields.time("created_at").orElseGet(Instant::now));
            fields.end();
            return message;
        } catch (IllegalArgumentException e) {
            throw new MalformedDataException(e.getMessage());
        }
    }

    /** The fields by name; what is not there, or nothing, is left out. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("id", id);
        map.put("role", role.label());
        if (kind != MessageKind.PLAIN) {
            map.put("kind", kind.label());
        }
        map.put("content", content);
        if (!toolCalls.isEmpty()) {
            map.put("tool_calls", toolCalls.stream().map(ToolCall::toMap).toList());
        }
        toolCallId.ifPresent(call -> map.put("tool_call_id", call));
        tokens.ifPresent(count -> map.put("tokens", count));
        marker.ifPresent(known -> map.put("marker", known.toMap()));
        map.put("created_at", createdAt.toString());
        return map;
    }
}
