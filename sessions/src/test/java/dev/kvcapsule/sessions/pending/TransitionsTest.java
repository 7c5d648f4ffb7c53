package dev.kvcapsule.sessions.pending;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.SubagentCall;
import dev.kvcapsule.sessions.row.ToolCall;
import dev.kvcapsule.sessions.row.Ulid;
import dev.kvcapsule.sessions.store.MemorySessionStore;
import dev.kvcapsule.sessions.store.SessionStore;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every event in every phase: what the table says is what the changes do, and what is refused changes nothing. */
class TransitionsTest {
    private final MemorySessionStore store = new MemorySessionStore();
    private final QuestionState question = QuestionState.ofPermission("asked", new QuestionState.PermissionAsk("t", Map.of(), Optional.empty()));

    private Session edit(SessionStore.Edit edit) throws IOException {
        return store.edit("s1", OptionalLong.empty(), edit);
    }

    /** A session in that phase; where calls are open, one more than is asked about. */
    private void enter(Phase phase) throws IOException {
        AgentSession session = AgentSession.create(store, Session.fresh("s1"));
        session.append(Message.user("go"));
        if (phase == Phase.IDLE) {
            return;
        }
        session.append(Message.assistant("", new ToolCall("asked", "t", "{}"), new ToolCall("other", "t", "{}")));
        if (phase == Phase.WORKING) {
            return;
        }
        session.ask(question);
        if (phase == Phase.ALLOWED) {
            edit(locked -> Turns.answer(locked, question.questionId(), List.of("allow")));
        }
    }

    private Session happen(PendingEvent event) throws IOException {
        return switch (event) {
            case MESSAGE -> edit(locked -> Turns.append(locked, List.of(Message.user("x"))));
            case REPLY -> edit(locked -> Turns.append(locked, List.of(Message.assistant("x"))));
            case RESULT -> edit(locked -> Turns.append(locked, List.of(Message.tool("other", "x"))));
            case ASK -> edit(locked -> Turns.ask(locked, QuestionState.of("other", "?")));
            case ANSWER -> edit(locked -> Turns.answer(locked, question.questionId(), List.of("allow")));
            case OTHER_ANSWER -> edit(locked -> Turns.answer(locked, Ulid.next(), List.of("allow")));
            case COMPLETE -> edit(locked -> Turns.complete(locked, question.questionId(), "done"));
            case SUBAGENT -> edit(locked -> Turns.subagent(locked, new SubagentCall("sub", "tester", "", "other", Instant.EPOCH)));
            case END_TURN -> edit(Turns::endTurn);
            case INTERRUPT -> edit(Turns::interrupt);
            case COMPACT -> throw new AssertionError("see CompactionTest");
        };
    }

    private static String code(Transitions.Verdict verdict) {
        return switch (verdict) {
            case QUESTION_OPEN -> PendingConflictException.QUESTION_OPEN;
            case CALLS_OPEN -> PendingConflictException.CALLS_OPEN;
            case NOT_OPEN -> PendingConflictException.NOT_OPEN;
            case LET, PENDING_STATE -> throw new AssertionError(verdict);
        };
    }

    @ParameterizedTest
    @EnumSource
    void eachEventIsLetThroughOrRefusedAsTheTableSays(Phase phase) throws IOException {
        for (PendingEvent event : PendingEvent.values()) {
            if (event == PendingEvent.COMPACT) {
                continue;
            }
            store.delete("s1");
            enter(phase);
            Transitions.Verdict verdict = Transitions.of(phase, event);
            Session before = store.load("s1").orElseThrow();
            List<Message> messages = store.messages("s1");
            if (verdict == Transitions.Verdict.LET) {
                happen(event);
                continue;
            }
            PendingConflictException refused = assertThrows(PendingConflictException.class, () -> happen(event), phase + " " + event);
            assertEquals(code(verdict), refused.code(), phase + " " + event);
            assertEquals(before.question(), refused.question(), "the question is shown");
            assertEquals(before.openToolCalls(), refused.openToolCalls(), "and what is open");
            assertEquals(before, store.load("s1").orElseThrow());
            assertEquals(messages, store.messages("s1"));
        }
    }

    @ParameterizedTest
    @EnumSource
    void onlyIdleSessionsAreCompacted(Phase phase) {
        assertEquals(phase == Phase.IDLE ? Transitions.Verdict.LET : Transitions.Verdict.PENDING_STATE, Transitions.of(phase, PendingEvent.COMPACT));
    }
}
