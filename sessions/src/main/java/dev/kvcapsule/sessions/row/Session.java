package dev.kvcapsule.sessions.row;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The row of a session, without its messages, which are rows of their own.
 *
 * @param id a ULID, or the name that its maker gave it
 * @param version counts changes, from 1; 0 of one that no store has
 * @param viewVersion the version in which messages were last taken away: since then they were only appended, or a sentinel resolved
 * @param messageCount how many messages the view has
 * @param createdAt to the microsecond
 * @param updatedAt to the microsecond
 * @param cost what it has cost
 * @param parentId the session that it was forked from
 * @param forkedAtMessageId the last message that both have
 * @param question that is open
 * @param openToolCalls without a result
 * @param subagentCalls under way
 * @param permissionScope that is active
 * @param compaction how it has been compacted
 * @param checkpoint what its agent wrote down last
 * @param expiresAt when it may be removed; empty for never
 */
public record Session(String id, long version, long viewVersion, long messageCount, Instant createdAt, Instant updatedAt, CostData cost, Optional<String> parentId,
        Optional<String> forkedAtMessageId, Optional<QuestionState> question, List<OpenToolCall> openToolCalls, List<SubagentCall> subagentCalls, Optional<String> permissionScope,
        CompactionState compaction, Optional<CheckpointState> checkpoint, Optional<Instant> expiresAt) {
    private static final Pattern ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

    /** @throws IllegalArgumentException if the id cannot name a session, or the permission scope is no name */
    public Session {
        checkId(id);
        createdAt = createdAt.truncatedTo(ChronoUnit.MICROS);
        updatedAt = updatedAt.truncatedTo(ChronoUnit.MICROS);
        expiresAt = expiresAt.map(time -> time.truncatedTo(ChronoUnit.MICROS));
        openToolCalls = List.copyOf(openToolCalls);
        subagentCalls = List.copyOf(subagentCalls);
        permissionScope.ifPresent(scope -> Texts.require(scope, "a permission scope"));
    }

    /** @throws IllegalArgumentException if it cannot name a session */
    public static void checkId(String id) {
        if (!ID.matcher(id).matches()) {
            throw new IllegalArgumentException("a session's name has 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit");
        }
    }

    /** A new session, which no store has yet. */
    public static Session fresh(String id) {
        Instant now = Instant.now();
        return new Session(id, 0, 0, 0, now, now, CostData.NONE, Optional.empty(), Optional.empty(), Optional.empty(), List.of(), List.of(), Optional.empty(), CompactionState.NONE,
                Optional.empty(), Optional.empty());
    }

    /** Whether anything waits: a question, a tool call or a subagent. */
    public boolean isPending() {
        return question.isPresent() || !openToolCalls.isEmpty() || !subagentCalls.isEmpty();
    }

    /** The open call of that id. */
    public Optional<OpenToolCall> openToolCall(String callId) {
        return openToolCalls.stream().filter(open -> open.call().id().equals(callId)).findFirst();
    }

    /** Counters that only stores set. */
    public Session stored(long newVersion, long newViewVersion, long messages, Instant updated) {
        return new Session(id, newVersion, newViewVersion, messages, createdAt, updated, cost, parentId, forkedAtMessageId, question, openToolCalls, subagentCalls, permissionScope, compaction,
                checkpoint, expiresAt);
    }

    /** The same with other costs. */
    public Session withCost(CostData data) {
        return new Session(id, version, viewVersion, messageCount, createdAt, updatedAt, data, parentId, forkedAtMessageId, question, openToolCalls, subagentCalls, permissionScope, compaction,
                checkpoint, expiresAt);
    }

    /** The same with other pending state. */
    public Session withPending(Optional<QuestionState> asked, List<OpenToolCall> calls, List<SubagentCall> subagents) {
        return new Session(id, version, viewVersion, messageCount, createdAt, updatedAt, cost, parentId, forkedAtMessageId, asked, calls, subagents, permissionScope, compaction, checkpoint,
                expiresAt);
    }

    /** The same in another permission scope. */
    public Session withPermissionScope(Optional<String> scope) {
        return new Session(id, version, viewVersion, messageCount, createdAt, updatedAt, cost, parentId, forkedAtMessageId, question, openToolCalls, subagentCalls, scope, compaction,
                checkpoint, expiresAt);
    }

    /** The same, compacted. */
    public Session withCompaction(CompactionState state) {
        return new Session(id, version, viewVersion, messageCount, createdAt, updatedAt, cost, parentId, forkedAtMessageId, question, openToolCalls, subagentCalls, permissionScope, state,
                checkpoint, expiresAt);
    }

    /** The same with another checkpoint. */
    public Session withCheckpoint(Optional<CheckpointState> state) {
        return new Session(id, version, viewVersion, messageCount, createdAt, updatedAt, cost, parentId, forkedAtMessageId, question, openToolCalls, subagentCalls, permissionScope, compaction,
                state, expiresAt);
    }

    /** The same with another end. */
    public Session expiring(Optional<Instant> time) {
        return new Session(id, version, viewVersion, messageCount, createdAt, updatedAt, cost, parentId, forkedAtMessageId, question, openToolCalls, subagentCalls, permissionScope, compaction,
                checkpoint, time);
    }

    /** The same as another session, which begins now, and has no checkpoint yet. @param at the last message of both; empty if there is none */
    public Session forkedAs(String other, Optional<String> at) {
        Instant now = Instant.now();
        return new Session(other, 0, 0, 0, now, now, CostData.NONE, Optional.of(id), at, question, openToolCalls, subagentCalls, permissionScope, compaction, Optional.empty(), Optional.empty());
    }

    /** The fields by name, as all ways in show them; without {@code messages}, which whoever shows them adds. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("session_id", id);
        map.put("version", version);
        map.put("message_count", messageCount);
        map.put("created_at", createdAt.toString());
        map.put("updated_at", updatedAt.toString());
        map.put("cost_data", cost.toMap());
        map.put("parent_session_id", parentId.orElse(null));
        map.put("forked_at_message_id", forkedAtMessageId.orElse(null));
        map.put("pending_question", question.map(QuestionState::toMap).orElse(null));
        map.put("open_tool_calls", openToolCalls.stream().map(OpenToolCall::toMap).toList());
        map.put("pending_subagent_calls", subagentCalls.stream().map(SubagentCall::toMap).toList());
        map.put("permission_scope_active", permissionScope.orElse(null));
        map.put("compaction_state", compaction.toMap());
        map.put("checkpoint_state", checkpoint.map(CheckpointState::toMap).orElse(null));
        map.put("expires_at", expiresAt.map(Instant::toString).orElse(null));
        return map;
    }
}
