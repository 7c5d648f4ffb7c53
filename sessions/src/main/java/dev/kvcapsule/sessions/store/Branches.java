package dev.kvcapsule.sessions.store;

import dev.kvcapsule.sessions.row.CompactionState;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.OpenToolCall;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Role;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.SubagentCall;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Where a conversation may be cut. Results stand directly behind the message that has their calls, so the message behind the cut tells: a result there belongs to a call before
 * it.
 */
final class Branches {
    private Branches() {}

    static Branch fork(LockedSession locked, Optional<String> at, String newId) throws IOException {
        Session parent = locked.session();
        if (at.isEmpty()) {
            Optional<String> last = locked.last().map(Message::id);
            return new Branch(parent.forkedAs(newId, last), last, List.of());
        }
        Session cut = cut(locked, at.get());
        return new Branch(cut.forkedAs(newId, at), at, List.of());
    }

    static SessionEdit revert(LockedSession locked, String at) throws IOException {
        Session cut = cut(locked, at);
        List<String> gone = locked.idsAfter(at);
        return SessionEdit.of(cut.withCost(cut.cost().uncounted())).remove(gone, Optional.empty()).trace("revert", Map.of("message_id", at));
    }

    /** The row with what waits up to a message. */
    private static Session cut(LockedSession locked, String at) throws IOException {
        Session session = locked.session();
        Message message = locked.message(at).orElseThrow(() -> new BranchException("the session has no message " + at + " now: it may have been compacted or reverted away"));
        Optional<Message> next = locked.after(at);
        if (next.isEmpty()) {
            return session;
        }
        if (next.get().role() == Role.TOOL || !message.toolCalls().isEmpty()) {
            throw new BranchException("message " + at + " stands between a tool call and its result: cut before the call, or behind its last result");
        }
        Set<String> gone = new HashSet<>(locked.idsAfter(at));
        List<OpenToolCall> calls = session.openToolCalls().stream().filter(open -> !gone.contains(open.messageId())).toList();
        Set<String> kept = new HashSet<>();
        calls.forEach(open -> kept.add(open.call().id()));
        Optional<QuestionState> question = session.question().filter(asked -> kept.contains(asked.toolCallId()));
        List<SubagentCall> subagents = session.subagentCalls().stream().filter(sub -> kept.contains(sub.toolCallId())).toList();
        Session cut = session.withPending(question, calls, subagents);
        return hasSummary(locked, gone) ? cut.withCompaction(CompactionState.NONE) : cut;
    }

    /** Whether the summary is among what goes: then nothing of the rest has been compacted. */
    private static boolean hasSummary(LockedSession locked, Set<String> gone) throws IOException {
        if (locked.session().compaction().count() == 0) {
            return false;
        }
        return locked.messages().stream().anyMatch(message -> message.marker().isPresent() && gone.contains(message.id()));
    }
}
