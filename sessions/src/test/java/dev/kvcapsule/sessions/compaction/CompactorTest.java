package dev.kvcapsule.sessions.compaction;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.serving.PromptTokens;
import dev.kvcapsule.sessions.pending.AgentSession;
import dev.kvcapsule.sessions.row.CapsuleBoundary;
import dev.kvcapsule.sessions.row.CompactionMarker;
import dev.kvcapsule.sessions.row.CostData;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.SubagentCall;
import dev.kvcapsule.sessions.row.ToolCall;
import dev.kvcapsule.sessions.store.MemorySessionStore;
import dev.kvcapsule.sessions.store.SessionEdit;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CompactorTest {
    private static final String LONG = "word ".repeat(100);

    private final MemorySessionStore store = new MemorySessionStore();
    private final List<CompactionEvent> events = new ArrayList<>();
    private AgentSession session;

    @BeforeEach
    void create() throws IOException {
        session = AgentSession.create(store, Session.fresh("s1"));
        session.append(Message.system("instructions"));
    }

    private Compactor compactor(Summarizer summarizer) {
        return new Compactor(store, new CompactionSettings(1000, 0, .8, 2), summarizer, events::add);
    }

    private CompactionEvent compact(Summarizer summarizer) throws IOException {
        events.clear();
        return compactor(summarizer).compact("s1");
    }

    private void turns(int from, int to) throws IOException {
        for (int turn = from; turn < to; turn++) {
            session.append(Message.user("question " + turn), Message.assistant("answer " + turn + " " + LONG));
        }
    }

    private List<String> contents() throws IOException {
        return session.messages().stream().map(message -> message.content().replace(LONG, "").strip()).toList();
    }

    private void skipped(CompactionEvent.Skipped.Reason reason, Summarizer summarizer) throws IOException {
        List<Message> before = session.messages();
        Session row = session.row();
        assertEquals(reason, assertInstanceOf(CompactionEvent.Skipped.class, compact(summarizer)).reason());
        assertEquals(reason, assertInstanceOf(CompactionEvent.Skipped.class, events.getLast()).reason());
        assertEquals(before, session.messages());
        assertEquals(row, session.row());
        assertTrue(store.traces().list("s1").stream().anyMatch(trace -> reason.label().equals(trace.payload().get("reason"))), "it is in the history");
    }

    /** Defects: summaries were stacked, compaction_count was always 1, events were never emitted. */
    @Test
    void theSummaryIsReplacedAndCounted() throws IOException {
        turns(0, 4);
        assertInstanceOf(CompactionEvent.Completed.class, compact(request -> {
            assertEquals(Optional.of("question 0"), request.originalGoal());
            assertEquals(Optional.empty(), request.previous());
            assertEquals(4, request.messages().size());
            return "first";
        }));
        assertEquals(List.of("instructions", "Summary of the conversation so far:\nfirst", "question 2", "answer 2", "question 3", "answer 3"), contents());
        assertEquals(List.of(CompactionEvent.Started.class, CompactionEvent.Completed.class), events.stream().map(Object::getClass).toList());
        String old = session.messages().get(1).id();
        turns(4, 6);
        compact(request -> {
            assertEquals(Optional.of("first"), request.previous());
            assertEquals(Optional.of("question 0"), request.originalGoal());
            return "second";
        });
        assertEquals(List.of("instructions", "Summary of the conversation so far:\nsecond", "question 4", "answer 4", "question 5", "answer 5"), contents());
        CompactionMarker marker = session.messages().get(1).marker().orElseThrow();
        assertEquals("second", marker.summary());
        assertTrue(marker.replaces().contains(old) && marker.replaces().size() == 5);
        assertEquals(2, session.row().compaction().count());
        assertEquals(Optional.of(marker.replaces().getLast()), session.row().compaction().lastMessageId());
        assertEquals(15, store.traces().list("s1").stream().filter(trace -> trace.kind().equals("message")).count(), "the history has all messages");
    }

    @Test
    void itIsTimeAtFourFifthsOfWhatWasMeasuredAndNotInTheMiddleOfATurn() throws IOException {
        Compactor compactor = compactor(request -> "short");
        turns(0, 4);
        assertEquals(Compactor.Decision.NO, compactor.shouldCompact("s1"), "nobody has measured it");
        session.spent(CostData.of(700, 0, 99, Optional.empty()));
        assertEquals(Compactor.Decision.NO, compactor.shouldCompact("s1"));
        assertEquals(CompactionEvent.Skipped.Reason.NOT_NEEDED, assertInstanceOf(CompactionEvent.Skipped.class, compactor.compactIfNeeded("s1")).reason());
        session.spent(CostData.of(700, 0, 100, Optional.empty()));
        assertEquals(Compactor.Decision.NOW, compactor.shouldCompact("s1"));
        session.append(Message.user("more"));
        assertEquals(Compactor.Decision.AT_END_OF_TURN, compactor.shouldCompact("s1"));
        skipped(CompactionEvent.Skipped.Reason.MID_TURN, request -> "short");
        session.append(Message.assistant("done"));
        assertInstanceOf(CompactionEvent.Completed.class, compactor.compactIfNeeded("s1"));
        assertEquals(Compactor.Decision.NO, compactor.shouldCompact("s1"), "its new length has not been measured");
        assertEquals(800, session.messages().get(1).marker().orElseThrow().tokenCount());
    }

    @Test
    void nothingThatWaitsIsMoved() throws IOException {
        turns(0, 4);
        session.append(Message.user("x"), Message.assistant("", new ToolCall("c", "t", "{}")));
        skipped(CompactionEvent.Skipped.Reason.PENDING_STATE, request -> "short");
        QuestionState question = QuestionState.of("c", "Which?");
        session.ask(question);
        skipped(CompactionEvent.Skipped.Reason.PENDING_STATE, request -> "short");
        session.answer(question.questionId(), List.of("this"), (call, key) -> "");
        session.append(Message.assistant("y"));
        store.edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session().withPending(Optional.empty(), List.of(), List.of(new SubagentCall("a", "b", "", "c", Instant.EPOCH)))));
        skipped(CompactionEvent.Skipped.Reason.PENDING_STATE, request -> "short");
    }

    /** Defect: sentinels and summaries were found by substring. */
    @Test
    void aUsersTextIsNoSummary() throws IOException {
        session.append(Message.user("Summary of the conversation so far:\nnothing"), Message.assistant("Waiting for an answer." + LONG));
        turns(0, 3);
        compact(request -> {
            assertEquals(Optional.empty(), request.previous());
            return "short";
        });
        assertEquals(1, session.messages().stream().filter(message -> message.marker().isPresent()).count());
    }

    @Test
    void whateverGoesWrongTheConversationStays() throws IOException {
        skipped(CompactionEvent.Skipped.Reason.NOTHING_TO_COMPACT, request -> "short");
        turns(0, 4);
        skipped(CompactionEvent.Skipped.Reason.SUMMARIZER_FAILED, request -> {
            throw new IOException("no model");
        });
        skipped(CompactionEvent.Skipped.Reason.SUMMARIZER_FAILED, request -> {
            throw new IllegalStateException("a bug of the summarizer's");
        });
        skipped(CompactionEvent.Skipped.Reason.SUMMARIZER_FAILED, request -> "half \ud83d");
        skipped(CompactionEvent.Skipped.Reason.EMPTY_SUMMARY, request -> " \n");
        skipped(CompactionEvent.Skipped.Reason.NO_GAIN, request -> LONG.repeat(9));
        Compactor slow = compactor(request -> {
            session.append(Message.user("meanwhile"));
            return "short";
        });
        assertEquals(CompactionEvent.Skipped.Reason.CHANGED, assertInstanceOf(CompactionEvent.Skipped.class, slow.compact("s1")).reason());
        assertEquals("meanwhile", session.messages().getLast().content());
        assertEquals(0, session.row().compaction().count());
    }

    @Test
    void aSummaryWithoutAModelHoldsTheGoalAndIsNoLongerThanItMayBe() throws IOException {
        turns(0, 40);
        ExtractiveSummarizer summarizer = new ExtractiveSummarizer(2000);
        assertInstanceOf(CompactionEvent.Completed.class, compact(summarizer));
        turns(40, 60);
        assertInstanceOf(CompactionEvent.Completed.class, compact(summarizer));
        String summary = session.messages().get(1).marker().orElseThrow().summary();
        assertTrue(summary.startsWith("Goal: question 0\n") && summary.contains("question 57"), summary);
        assertEquals(1, summary.split("Goal: ", -1).length - 1);
        assertTrue(summary.length() <= 2000);
        assertFalse(summary.contains("question 58"), "that is in the tail");
    }

    /** Words stand for tokens. */
    private static int[] words(List<Message> messages) {
        return messages.stream().flatMap(message -> Stream.of((message.role().label() + " " + message.content()).split("\\s+"))).mapToInt(word -> word.hashCode() & 0xffff).toArray();
    }

    /** The row says how far a capsule of the conversation before holds, whichever compaction it was made before; and who may say nothing says so. */
    @Test
    void theRowSaysHowFarACapsuleHolds() throws IOException {
        turns(0, 4);
        int[] first = words(session.messages());
        CompactionEvent.Completed event = assertInstanceOf(CompactionEvent.Completed.class,
                new Compactor(store, new CompactionSettings(1000, 0, .8, 2), request -> "the sum", CompactorTest::words, events::add).compact("s1"));
        CapsuleBoundary boundary = session.row().compaction().boundary().orElseThrow();
        assertEquals(Optional.of(boundary), event.boundary());
        int[] second = words(session.messages());
        assertEquals(Arrays.mismatch(first, second), boundary.tokens());
        assertEquals(PromptTokens.digest(first, (int) boundary.tokens()), boundary.digest());
        assertEquals(PromptTokens.digest(second, (int) boundary.markTokens()), boundary.markDigest(), "what only a later capsule begins with");
        assertEquals(List.of((long) second.length, (long) first.length), List.of(boundary.promptTokens(), boundary.tokensBefore()));
        assertEquals(second.length, session.row().cost().contextTokens(), "and how long it is now");

        turns(4, 8);
        new Compactor(store, new CompactionSettings(1000, 0, .8, 2), request -> "the sum and more", CompactorTest::words, events::add).compact("s1");
        CapsuleBoundary both = session.row().compaction().boundary().orElseThrow();
        assertEquals(boundary.tokens(), both.tokens(), "both summaries begin alike, and the capsule is older than either");
        int[] third = words(session.messages());
        assertTrue(Arrays.mismatch(second, third) > both.tokens() && both.markTokens() == Arrays.mismatch(second, third) + 1);
        assertEquals(PromptTokens.digest(first, (int) both.tokens()), both.digest());

        turns(8, 12);
        event = assertInstanceOf(CompactionEvent.Completed.class, compact(request -> "nobody counts"));
        assertEquals(Optional.empty(), session.row().compaction().boundary());
        assertTrue(event.notes().getFirst().contains("no gateway is known"), event::toString);
    }

    @Test
    void aModelThatCannotBeHadIsReplacedAndThatIsSaid() throws IOException {
        turns(0, 4);
        Summarizer absent = request -> {
            throw new IOException("no answer");
        };
        CompactionEvent.Completed event = assertInstanceOf(CompactionEvent.Completed.class, compact(new FallbackSummarizer(absent, new ExtractiveSummarizer(400))));
        assertEquals("extractive", event.summarizer());
        assertTrue(event.notes().getFirst().contains("no answer"), event::toString);
        turns(4, 8);
        event = assertInstanceOf(CompactionEvent.Completed.class, compact(new FallbackSummarizer(request -> "written", new ExtractiveSummarizer(400))));
        assertEquals("custom", event.summarizer());
        assertEquals(1, event.notes().size(), "that nobody counts tokens, and nothing else");
    }
}
