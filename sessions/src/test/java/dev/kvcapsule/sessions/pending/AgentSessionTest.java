package dev.kvcapsule.sessions.pending;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.sessions.fields.Fields;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.MessageKind;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.ToolCall;
import dev.kvcapsule.sessions.row.Ulid;
import dev.kvcapsule.sessions.store.MemorySessionStore;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Questions, answers and tools, one defect of another implementation after the other. */
class AgentSessionTest {
    private final MemorySessionStore store = new MemorySessionStore();
    private final QuestionState permission = QuestionState.ofPermission("c", new QuestionState.PermissionAsk("rm", Map.of("path", "a"), Optional.of("rule-1")));
    private AgentSession session;

    @BeforeEach
    void create() throws IOException {
        session = AgentSession.create(store, Session.fresh("s1"));
        session.append(Message.user("clean up"), Message.assistant("", new ToolCall("c", "rm", "{\"path\":\"a\"}")));
    }

    private static ToolRunner none() {
        return (call, key) -> {
            throw new AssertionError("no tool runs");
        };
    }

    private Message last() throws IOException {
        return session.messages().getLast();
    }

    /** Defect: open_tool_calls was never written. */
    @Test
    void openToolCallsAreWritten() throws IOException {
        assertEquals(List.of("c"), session.row().openToolCalls().stream().map(open -> open.call().id()).toList());
        PendingConflictException left = assertThrows(PendingConflictException.class, session::endTurn);
        assertEquals("tool-calls-open", left.code());
        assertEquals("rm", left.openToolCalls().getFirst().call().name());
        session.append(Message.tool("c", "done"));
        assertFalse(session.endTurn().isPending());
    }

    /** Defect: an answer was only tested for being there, not for the question that it names. */
    @Test
    void anAnswerMustNameTheOpenQuestion() throws IOException {
        session.ask(permission);
        PendingConflictException other = assertThrows(PendingConflictException.class, () -> session.answer(Ulid.next(), List.of("allow"), none()));
        assertEquals("question-open", other.code());
        assertEquals(Optional.of(permission), other.question());
        assertThrows(IllegalArgumentException.class, () -> session.answer(permission.questionId(), List.of("perhaps"), none()));
        assertThrows(IllegalArgumentException.class, () -> session.answer(permission.questionId(), List.of("allow", "deny"), none()));
        assertEquals(Optional.of(permission), session.row().question());
    }

    /** Defect: the question was cleared before the tool ran. */
    @Test
    void theQuestionIsOpenUntilTheToolHasRun() throws IOException {
        session.ask(permission);
        session.answer(permission.questionId(), List.of("allow"), (call, key) -> {
            assertEquals(Optional.of(permission), session.row().question());
            assertEquals(MessageKind.SENTINEL, last().kind());
            assertEquals("s1:" + permission.questionId(), key);
            return "gone";
        });
        assertFalse(session.row().isPending());
        assertEquals("gone", last().content());
        assertEquals(MessageKind.PLAIN, last().kind());
        session.answer(permission.questionId(), List.of("allow"), none());
        assertEquals("answered", assertThrows(PendingConflictException.class, () -> session.answer(permission.questionId(), List.of("deny"), none())).code());
    }

    @Test
    void aDenialIsTheResult() throws IOException {
        session.ask(permission);
        session.answer(permission.questionId(), List.of("deny"), none());
        assertFalse(session.row().isPending());
        assertTrue(last().content().contains("denied"));
    }

    @Test
    void aPlainAnswerIsTheResult() throws IOException {
        QuestionState plain = new QuestionState(Ulid.next(), "Which?", List.of(new QuestionState.Option("A", "", "a"), new QuestionState.Option("B", "", "b")), true, false, "c", Optional.empty());
        session.ask(plain);
        session.answer(plain.questionId(), List.of("a", "b"), none());
        assertEquals("[\"a\",\"b\"]", last().content());
        assertThrows(IllegalArgumentException.class, () -> QuestionState.read(new Fields(plain.toMap(), "q")).requireAnswers(List.of("c")));
    }

    /** Defect: sentinels were found by substring, so that a user's text could block compaction. */
    @Test
    void noTextMakesAMessageASentinel() throws IOException {
        session.ask(permission);
        String text = last().content();
        session.answer(permission.questionId(), List.of("allow"), (call, key) -> text);
        assertEquals(MessageKind.PLAIN, last().kind());
        session.append(Message.user(text));
        assertFalse(session.row().isPending());
        assertThrows(IllegalArgumentException.class, () -> session.append(Message.sentinel("c", text)));
    }

    @Test
    void aToolThatFailsHasAResult() throws IOException {
        session.ask(permission);
        session.answer(permission.questionId(), List.of("allow"), (call, key) -> {
            throw new IOException("no such file");
        });
        assertTrue(last().content().contains("no such file"));
        assertFalse(session.row().isPending());
    }

    @Test
    void aToolThatDoesNotRememberIsNotRunTwice() throws IOException {
        session.ask(permission);
        ToolRunner killed = (call, key) -> {
            throw new CrashingStore.Crash();
        };
        assertThrows(CrashingStore.Crash.class, () -> session.answer(permission.questionId(), List.of("allow"), killed));
        session.answer(permission.questionId(), List.of("allow"), none());
        assertTrue(last().content().contains("not known") && !last().content().contains("no side effects"), last().content());
        assertFalse(session.row().isPending());
    }

    @Test
    void anInterruptedCallSaysSo() throws IOException {
        session.interrupt();
        assertTrue(last().content().contains("interrupted"));
        assertEquals(Optional.of("c"), last().toolCallId());
        long version = session.row().version();
        assertEquals(version, session.interrupt().version(), "nothing is open any more");
        session.append(Message.assistant("", new ToolCall("c", "rm", "{}")));
        session.ask(permission);
        assertThrows(PendingConflictException.class, session::interrupt);
    }
}
