package dev.kvcapsule.sessions.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.sessions.pending.AgentSession;
import dev.kvcapsule.sessions.pending.CrashingStore;
import dev.kvcapsule.sessions.pending.RememberingTool;
import dev.kvcapsule.sessions.row.CapsuleBoundary;
import dev.kvcapsule.sessions.row.CheckpointState;
import dev.kvcapsule.sessions.row.CompactionMarker;
import dev.kvcapsule.sessions.row.CompactionState;
import dev.kvcapsule.sessions.row.CostData;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.OpenToolCall;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.SubagentCall;
import dev.kvcapsule.sessions.row.ToolCall;
import dev.kvcapsule.sessions.row.Ulid;
import java.io.IOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What every store promises. */
@Timeout(60)
abstract class SessionStoreContract {
    private static final int WRITERS = 64;

    abstract SessionStore store();

    private Session created(String id) throws IOException {
        return store().create(Session.fresh(id));
    }

    private List<String> contents(String id) throws IOException {
        return store().messages(id).stream().map(Message::content).toList();
    }

    private static Session full(String id) {
        ToolCall call = new ToolCall("call-1", "delete_file", "{\"path\":\"a\"}");
        QuestionState question = QuestionState.ofPermission("call-1", new QuestionState.PermissionAsk("delete_file", Map.of("path", "a", "deep", List.of(1L, true)), Optional.of("rule-7")));
        Instant time = Instant.parse("2026-11-22T12:00:00.123456Z");
        return new Session(id, 0, 0, 0, time, time, new CostData(1, 2, 3, 4, Optional.of("smollm2")), Optional.of("parent"), Optional.of(Ulid.next()), Optional.of(question),
                List.of(new OpenToolCall(call, Ulid.next(), Optional.of(Ulid.next()))), List.of(new SubagentCall("sub-1", "tester", "run \"all\"", "call-1", time)), Optional.of("ops"),
                new CompactionState(Optional.of(time), Optional.of(Ulid.next()), 3, CapsuleBoundary.between(new int[] {1, 2, 3}, new int[] {1, 2, 4, 5})), Optional.of(new CheckpointState(Map.of("objective", "x"), Optional.of("t"), Optional.of("s"), time, 1)),
                Optional.of(time));
    }

    @Test
    void everyFieldComesBack() throws IOException {
        Session full = full("s1");
        Session stored = store().create(full);
        assertEquals(full.stored(1, 1, 0, full.updatedAt()), stored);
        assertEquals(stored, store().load("s1").orElseThrow());
        Session bare = created("s2");
        assertEquals(bare, store().load("s2").orElseThrow());
        assertEquals(Optional.empty(), store().load("s3"));
        assertTrue(store().exists("s1"));
        assertFalse(store().exists("s3"));
        assertThrows(SessionExistsException.class, () -> created("s1"));
        assertEquals(stored, store().load("s1").orElseThrow());
        assertThrows(IllegalArgumentException.class, () -> Session.fresh("../s1"));
    }

    @Test
    void everyMessageComesBackWhateverItsText() throws IOException {
        Session session = created("s1");
        CompactionMarker marker = new CompactionMarker("sum", Optional.of("goal"), List.of("c"), Optional.of("ops"), 77, List.of(Ulid.next()), Instant.parse("2026-11-22T12:00:00Z"));
        List<Message> all = List.of(Message.system(""), Message.user("nul \0, quote ' \" \\, \u2028 and \ud83d\ude00; -- ${x} %s"), Message.assistant("x".repeat(300_000), new ToolCall("c", "t", "not JSON")),
                Message.sentinel("c", "waits"), Message.summary("sum", marker), Message.tool("c", "y").counted(9));
        store().save(session, all);
        assertEquals(all, store().messages("s1"));
        assertThrows(IllegalArgumentException.class, () -> Message.user("half \ud83d"));
        assertThrows(IllegalArgumentException.class, () -> store().edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).append(List.of(all.get(1)))), "ids are set once");
        assertEquals(all, store().messages("s1"), "as it was");
        assertEquals(6, store().load("s1").orElseThrow().messageCount());
    }

    @Test
    void ofTwoWritersOneWinsAndTheOtherIsTold() throws IOException {
        Session read = created("s1");
        Session won = store().save(read.withPermissionScope(Optional.of("a")), List.of(Message.user("one")));
        assertEquals(2, won.version());
        VersionConflictException told = assertThrows(VersionConflictException.class, () -> store().save(read.withPermissionScope(Optional.of("b")), List.of(Message.user("two"))));
        assertEquals(2, told.actual());
        assertEquals(won, store().load("s1").orElseThrow());
        assertEquals(List.of("one"), contents("s1"));
        assertThrows(NoSuchSessionException.class, () -> store().save(Session.fresh("s2"), List.of()));
    }

    @Test
    void aReaderLearnsWhatHasChangedAndNothingElse() throws IOException {
        created("s1");
        Message call = Message.assistant("", new ToolCall("c", "t", "{}"));
        Message waits = Message.sentinel("c", "waits");
        Session second = store().edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).append(List.of(Message.user("one"), call, waits)));
        Session third = store().edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).append(List.of(Message.user("two"))));
        SessionStore.Changes changes = store().changesSince("s1", second.version());
        assertEquals(third, changes.session());
        assertFalse(changes.isWhole());
        assertEquals(List.of("two"), changes.messages().stream().map(Message::content).toList());
        Session fourth = store().edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).resolve(waits.resolved("done")));
        assertEquals(List.of("done"), store().changesSince("s1", third.version()).messages().stream().map(Message::content).toList());
        assertEquals(List.of("one", "", "done", "two"), contents("s1"));
        assertEquals(List.of(), store().changesSince("s1", fourth.version()).messages());
        store().revert("s1", OptionalLong.empty(), store().messages("s1").getFirst().id());
        SessionStore.Changes after = store().changesSince("s1", fourth.version());
        assertTrue(after.isWhole());
        assertEquals(List.of("one"), after.messages().stream().map(Message::content).toList());
    }

    @Test
    void aSummaryStandsWhereItsMessagesStood() throws IOException {
        Session session = created("s1");
        List<Message> all = List.of(Message.system("s"), Message.user("1"), Message.assistant("2"), Message.user("3"), Message.assistant("4"));
        Session before = store().save(session, all);
        Message summary = Message.summary("1 to 3", new CompactionMarker("1 to 3", Optional.empty(), List.of(), Optional.empty(), 5, List.of(), Instant.EPOCH));
        Session after = store().edit("s1", OptionalLong.of(before.version()), locked -> SessionEdit.of(locked.session()).remove(all.subList(1, 4).stream().map(Message::id).toList(), Optional.of(summary)));
        assertEquals(List.of("s", "1 to 3", "4"), contents("s1"));
        assertEquals(3, after.messageCount());
        assertEquals(after.version(), after.viewVersion());
        store().save(after, List.of(Message.user("5")));
        assertEquals(List.of("s", "1 to 3", "4", "5"), contents("s1"));
        List<String> history = store().traces().list("s1").stream().filter(trace -> trace.kind().equals(Trace.MESSAGE)).map(trace -> (String) trace.payload().get("content")).toList();
        assertEquals(List.of("s", "1", "2", "3", "4", "1 to 3", "5"), history, "the full history");
    }

    @Test
    void aChangeThatIsRefusedChangesNothing() throws IOException {
        Session session = created("s1");
        assertThrows(IOException.class, () -> store().edit("s1", OptionalLong.empty(), locked -> {
            throw new IOException("no");
        }));
        Message one = Message.user("1");
        assertThrows(IllegalArgumentException.class, () -> store().edit("s1", OptionalLong.empty(),
                locked -> SessionEdit.of(locked.session().withPermissionScope(Optional.of("x"))).append(List.of(one, one)).note(new LedgerEntry(LedgerEntry.Kind.REQUEST, "k", Map.of()))));
        assertEquals(session, store().load("s1").orElseThrow());
        assertEquals(List.of(), store().messages("s1"));
        assertEquals(List.of(), store().traces().list("s1"));
        store().edit("s1", OptionalLong.empty(), locked -> {
            assertEquals(Optional.empty(), locked.ledger(LedgerEntry.Kind.REQUEST, "k"));
            return SessionEdit.of(locked.session());
        });
    }

    @Test
    void theLedgerRemembers() throws IOException {
        created("s1");
        store().edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).note(new LedgerEntry(LedgerEntry.Kind.ANSWER, "k", Map.of("n", 1L))));
        store().edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).note(new LedgerEntry(LedgerEntry.Kind.ANSWER, "k", Map.of("n", 2L))));
        store().edit("s1", OptionalLong.empty(), locked -> {
            assertEquals(Map.of("n", 2L), locked.ledger(LedgerEntry.Kind.ANSWER, "k").orElseThrow().value());
            assertEquals(Optional.empty(), locked.ledger(LedgerEntry.Kind.REQUEST, "k"));
            return SessionEdit.of(locked.session());
        });
    }

    @Test
    void aLockedSessionShowsItsMessages() throws IOException {
        Session session = created("s1");
        store().edit("s1", OptionalLong.empty(), locked -> {
            assertEquals(Optional.empty(), locked.last());
            return SessionEdit.of(locked.session());
        });
        List<Message> all = List.of(Message.user("1"), Message.assistant("2"), Message.user("3"));
        store().edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).append(all));
        store().edit("s1", OptionalLong.empty(), locked -> {
            assertEquals(session.version() + 1, locked.session().version(), "what changes nothing has no version");
            assertEquals(all, locked.messages());
            assertEquals(Optional.of(all.getLast()), locked.last());
            assertEquals(Optional.of(all.get(1)), locked.message(all.get(1).id()));
            assertEquals(Optional.of(all.get(2)), locked.after(all.get(1).id()));
            assertEquals(Optional.empty(), locked.after(all.get(2).id()));
            assertEquals(Optional.empty(), locked.message(Ulid.next()));
            assertEquals(List.of(all.get(1).id(), all.get(2).id()), locked.idsAfter(all.getFirst().id()));
            return SessionEdit.of(locked.session());
        });
    }

    /** Defect: pending state was dropped by a fork; forks and reverts were cut by index, and orphaned results. */
    @Test
    void aForkHasWhatWaitsAndIsNeverCutThroughAPair() throws IOException {
        created("s1");
        List<Message> all = List.of(Message.user("1"), Message.assistant("", new ToolCall("a", "t", "{}"), new ToolCall("b", "t", "{}")), Message.tool("a", "ra"), Message.tool("b", "rb"),
                Message.assistant("2"), Message.user("3"), Message.assistant("", new ToolCall("c", "t", "{}")), Message.sentinel("c", "waits"));
        QuestionState question = QuestionState.of("c", "Which?");
        OpenToolCall open = new OpenToolCall(all.get(6).toolCalls().getFirst(), all.get(6).id(), Optional.of(all.get(7).id()));
        Session parent = store().edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session().withPending(Optional.of(question), List.of(open),
                List.of(new SubagentCall("x", "y", "z", "c", Instant.EPOCH)))).append(all));

        Session whole = store().fork("s1", Optional.empty(), "whole");
        assertEquals(all, store().messages("whole"));
        assertEquals(Optional.of("s1"), whole.parentId());
        assertEquals(Optional.of(all.getLast().id()), whole.forkedAtMessageId());
        assertEquals(parent.question(), whole.question());
        assertEquals(parent.openToolCalls(), whole.openToolCalls());
        assertEquals(parent.subagentCalls(), whole.subagentCalls());
        assertEquals(whole, store().load("whole").orElseThrow());

        for (int cut : new int[] {1, 2, 6}) {
            assertThrows(BranchException.class, () -> store().fork("s1", Optional.of(all.get(cut).id()), "cut"), "behind message " + cut);
            assertThrows(BranchException.class, () -> store().revert("s1", OptionalLong.empty(), all.get(cut).id()), "behind message " + cut);
        }
        assertThrows(BranchException.class, () -> store().fork("s1", Optional.of(Ulid.next()), "cut"));
        assertFalse(store().exists("cut"));
        Session earlier = store().fork("s1", Optional.of(all.get(3).id()), "earlier");
        assertEquals(all.subList(0, 4), store().messages("earlier"));
        assertFalse(earlier.isPending(), "what waits behind the cut is not there");
        assertThrows(SessionExistsException.class, () -> store().fork("s1", Optional.empty(), "whole"));
        assertEquals(parent, store().load("s1").orElseThrow(), "the parent is as it was");

        store().edit("whole", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).resolve(all.get(7).resolved("child's")));
        assertEquals("waits", store().messages("s1").getLast().content());
        Session reverted = store().revert("s1", OptionalLong.of(parent.version()), all.get(4).id());
        assertEquals(all.subList(0, 5), store().messages("s1"));
        assertFalse(reverted.isPending());
        assertEquals(8, store().messages("whole").size());
        store().save(reverted, List.of(Message.user("again")));
        assertEquals("again", store().messages("s1").getLast().content());
        assertTrue(store().traces().list("s1").stream().anyMatch(trace -> trace.kind().equals(Trace.REMOVED)));
    }

    @Test
    void sessionsAreListedAndRemoved() throws Exception {
        created("s1");
        Thread.sleep(2);
        Session later = created("s2");
        assertEquals(List.of("s2", "s1"), store().list(10).stream().map(Session::id).toList());
        assertEquals(List.of("s2"), store().list(1).stream().map(Session::id).toList());
        store().updateCost("s1", CostData.of(100, 90, 10, Optional.of("m")));
        Session costs = store().updateCost("s1", CostData.of(10, 5, 1, Optional.empty()));
        assertEquals(new CostData(110, 95, 11, 11, Optional.of("m")), costs.cost());
        assertEquals(List.of("s1", "s2"), store().list(10).stream().map(Session::id).toList());
        assertEquals(List.of("s2"), store().deleteBefore(later.updatedAt().plus(1, ChronoUnit.MICROS)));
        assertFalse(store().exists("s2"));
        store().edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session().expiring(Optional.of(Instant.now().plusSeconds(60)))).append(List.of(Message.user("x"))));
        assertEquals(List.of(), store().expired(Instant.now()));
        assertEquals(List.of("s1"), store().expired(Instant.now().plusSeconds(61)));
        assertTrue(store().delete("s1"));
        assertFalse(store().delete("s1"));
        assertEquals(List.of(), store().messages("s1"));
        assertEquals(1, store().traces().list("s1").size(), "its history has a time of its own");
        created("s1");
        assertEquals(List.of(), store().messages("s1"), "a name that is taken again begins anew");
    }

    @Test
    void historyIsKeptFoundAndRemoved() throws Exception {
        TraceStore traces = store().traces();
        Trace one = Trace.of("s1", "span", Map.of("text", "nul \0", "n", 7L));
        Trace two = Trace.of("s1", "span", Map.of());
        Trace other = Trace.of("s2", "span", Map.of());
        for (Trace trace : List.of(two, other, one)) {
            traces.save(trace);
        }
        assertEquals(Optional.of(one), traces.get(one.id()));
        assertEquals(Optional.empty(), traces.get(Ulid.next()));
        assertEquals(List.of(one, two), traces.list("s1"));
        assertEquals(0, traces.deleteBefore(one.at()));
        assertEquals(1, traces.delete("s2"));
        assertEquals(2, traces.deleteBefore(Instant.now().plusSeconds(1)));
    }

    /** Killed before and behind every step of an answer, the same answer completes it: the question is gone, the tool has run once. */
    @Test
    void theSameAnswerCompletesExactlyOnceWhereverItsProgramWasKilled() throws IOException {
        for (int steps = 0; steps < 9; steps++) {
            CrashingStore program = new CrashingStore(store());
            RememberingTool tool = new RememberingTool(program);
            AgentSession session = AgentSession.create(program, Session.fresh("killed-" + steps));
            session.append(Message.user("go"), Message.assistant("", new ToolCall("c", "rm", "{}")));
            QuestionState question = QuestionState.ofPermission("c", new QuestionState.PermissionAsk("rm", Map.of(), Optional.empty()));
            session.ask(question);
            program.crashAfter(steps);
            boolean killed = false;
            try {
                session.answer(question.questionId(), List.of("allow"), tool);
            } catch (CrashingStore.Crash e) {
                killed = true;
            }
            assertEquals(steps < 8, killed, "an answer is eight steps");
            program.restart();
            AgentSession again = AgentSession.open(program, session.id());
            if (killed && steps < 7) {
                assertEquals(Optional.of(question), again.row().question(), "nothing is lost");
            }
            again.answer(question.questionId(), List.of("allow"), tool);
            again.answer(question.questionId(), List.of("allow"), tool);
            assertFalse(again.row().isPending());
            assertEquals(1, tool.effects());
            assertEquals(RememberingTool.result(session.id() + ":" + question.questionId()), again.messages().getLast().content());
        }
    }

    /** Defect: there was no row lock. */
    @Test
    void sixtyFourWritersLoseNothing() throws Exception {
        created("s1");
        int rounds = 2;
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Callable<Void>> writers = new ArrayList<>();
            for (int writer = 0; writer < WRITERS; writer++) {
                String name = "w" + writer;
                boolean optimistic = writer % 2 == 0;
                writers.add(() -> {
                    for (int round = 0; round < rounds; round++) {
                        write(name + "." + round, optimistic);
                    }
                    return null;
                });
            }
            for (Future<Void> done : threads.invokeAll(writers)) {
                done.get();
            }
        }
        Session session = store().load("s1").orElseThrow();
        assertEquals(1 + 2L * WRITERS * rounds, session.version(), "every change has a version of its own");
        assertEquals(WRITERS * rounds, session.messageCount());
        assertEquals(WRITERS * rounds, contents("s1").stream().distinct().count());
        assertEquals(WRITERS * rounds, session.cost().promptTokens());
    }

    private void write(String text, boolean optimistic) throws IOException {
        store().updateCost("s1", CostData.of(1, 0, 0, Optional.empty()));
        if (!optimistic) {
            store().edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).append(List.of(Message.user(text))));
            return;
        }
        while (true) {
            try {
                store().save(store().load("s1").orElseThrow(), List.of(Message.user(text)));
                return;
            } catch (VersionConflictException e) {
                // Somebody else was first: read again.
            }
        }
    }
}
