package dev.kvcapsule.sessions.compaction;

import dev.kvcapsule.sessions.pending.Turns;
import dev.kvcapsule.sessions.row.CapsuleBoundary;
import dev.kvcapsule.sessions.row.CompactionMarker;
import dev.kvcapsule.sessions.row.CompactionState;
import dev.kvcapsule.sessions.row.CostData;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.MessageKind;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.NoSuchSessionException;
import dev.kvcapsule.sessions.store.SessionEdit;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.sessions.store.Trace;
import dev.kvcapsule.sessions.store.VersionConflictException;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;

/**
 * Compacts sessions. The summary is written without a lock, since that takes long; it is put in under the lock of the row, if the session is still the one that was read. Whatever
 * goes wrong, the conversation stays as it was, and an event says why. Every event is in the session's history.
 */
public final class Compactor {
    /** How a summary begins, for the model; programs look at the marker. */
    private static final String HEADING = "Summary of the conversation so far:\n";

    private final SessionStore store;
    private final CompactionSettings settings;
    private final Summarizer summarizer;
    private final PromptTokenizer tokenizer;
    private final Consumer<CompactionEvent> listener;

    /** @param listener hears of every event, in the thread that compacts */
    public Compactor(SessionStore store, CompactionSettings settings, Summarizer summarizer, Consumer<CompactionEvent> listener) {
        this(store, settings, summarizer, PromptTokenizer.NONE, listener);
    }

    /**
     * One that also finds how far the session's capsule holds afterwards.
     *
     * @param tokenizer is asked for the prompt before and after; if it cannot tell, that costs the boundary only
     */
    public Compactor(SessionStore store, CompactionSettings settings, Summarizer summarizer, PromptTokenizer tokenizer, Consumer<CompactionEvent> listener) {
        this.store = store;
        this.settings = settings;
        this.summarizer = summarizer;
        this.tokenizer = tokenizer;
        this.listener = listener;
    }

    /** Whether it is time. */
    public enum Decision {
        /** It is not: short enough, or never measured. */
        NO,
        /** It is. */
        NOW,
        /** It is, at the end of the turn. */
        AT_END_OF_TURN
    }

    /** Whether it is time for a session, by the tokens that the model's server has counted. */
    public Decision shouldCompact(String id) throws IOException {
        Session session = store.load(id).orElseThrow(() -> new NoSuchSessionException(id));
        if (session.cost().contextTokens() < settings.trigger()) {
            return Decision.NO;
        }
        List<Message> messages = store.messages(id);
        Optional<Message> last = messages.isEmpty() ? Optional.empty() : Optional.of(messages.getLast());
        return session.isPending() || !Turns.isTurnOver(last) ? Decision.AT_END_OF_TURN : Decision.NOW;
    }

    /** Compacts if it is time. */
    public CompactionEvent compactIfNeeded(String id) throws IOException {
        Session session = store.load(id).orElseThrow(() -> new NoSuchSessionException(id));
        if (session.cost().contextTokens() < settings.trigger()) {
            return skipped(id, CompactionEvent.Skipped.Reason.NOT_NEEDED, session.cost().contextTokens() + " tokens were counted; it is time at " + settings.trigger());
        }
        return compact(id);
    }

    /** Compacts, however short the conversation is. */
    public CompactionEvent compact(String id) throws IOException {
        SessionStore.Changes read = store.changesSince(id, 0);
        Session session = read.session();
        List<Message> messages = read.messages();
        if (session.isPending()) {
            return skipped(id, CompactionEvent.Skipped.Reason.PENDING_STATE, "a question, a tool call or a subagent is open");
        }
        if (!Turns.isTurnOver(messages.isEmpty() ? Optional.empty() : Optional.of(messages.getLast()))) {
            return skipped(id, CompactionEvent.Skipped.Reason.MID_TURN, "the turn is not over");
        }
        Optional<CompactionPlan> plan = CompactionPlan.of(messages, settings.tailTurns());
        if (plan.isEmpty()) {
            return skipped(id, CompactionEvent.Skipped.Reason.NOTHING_TO_COMPACT, "all of it is instructions, summary or the last " + settings.tailTurns() + " turns");
        }
        long tokens = session.cost().contextTokens();
        announce(new CompactionEvent.Started(id, tokens, plan.get().replaced().size()));
        String summary;
        try {
            summary = summarizer.summarize(new Summarizer.Request(plan.get().previous().map(CompactionMarker::summary), plan.get().originalGoal(),
                    plan.get().replaced().stream().filter(message -> message.kind() != MessageKind.SUMMARY).toList())).strip();
        } catch (IOException | RuntimeException e) {
            return skipped(id, CompactionEvent.Skipped.Reason.SUMMARIZER_FAILED, String.valueOf(e.getMessage()));
        }
        if (summary.isEmpty()) {
            return skipped(id, CompactionEvent.Skipped.Reason.EMPTY_SUMMARY, "the summarizer wrote nothing");
        }
        long before = plan.get().replaced().stream().mapToLong(Message::characters).sum();
        if (HEADING.length() + summary.length() >= before) {
            return skipped(id, CompactionEvent.Skipped.Reason.NO_GAIN, "the summary has " + summary.length() + " characters, what it would stand for " + before);
        }
        return apply(session, messages, plan.get(), summary);
    }

    private CompactionEvent apply(Session read, List<Message> messages, CompactionPlan plan, String summary) throws IOException {
        long tokens = read.cost().contextTokens();
        List<String> ids = plan.replaced().stream().map(Message::id).toList();
        CompactionMarker marker = new CompactionMarker(summary, plan.originalGoal(), plan.preservedToolCallIds(), read.permissionScope(), tokens, ids, Instant.now());
        Message message;
        try {
            message = Message.summary(HEADING + summary, marker);
        } catch (IllegalArgumentException e) {
            return skipped(read.id(), CompactionEvent.Skipped.Reason.SUMMARIZER_FAILED, e.getMessage());
        }
        List<String> notes = new ArrayList<>();
        summarizer.note().ifPresent(notes::add);
        Optional<CapsuleBoundary> parted = parted(messages, plan.applied(messages, message), notes);
        CompactionState state = read.compaction().after(marker.createdAt(), ids.getLast(), parted);
        CompactionEvent.Completed completed = new CompactionEvent.Completed(read.id(), message.id(), tokens, ids.size(), state.count(), state.boundary(), summarizer.writer(), notes);
        CostData cost = parted.isPresent() ? read.cost().measured(parted.get().promptTokens()) : read.cost().uncounted();
        try {
            store.edit(read.id(), OptionalLong.of(read.version()), locked -> SessionEdit.of(locked.session().withCompaction(state).withCost(cost)).remove(ids, Optional.of(message))
                    .trace("compaction", completed.toMap()));
        } catch (VersionConflictException e) {
            return skipped(read.id(), CompactionEvent.Skipped.Reason.CHANGED, e.getMessage());
        }
        listener.accept(completed);
        return completed;
    }

    /** Where the prompts part. */
    private Optional<CapsuleBoundary> parted(List<Message> before, List<Message> after, List<String> notes) {
        try {
            return CapsuleBoundary.between(tokenizer.tokens(before), tokenizer.tokens(after));
        } catch (IOException | RuntimeException e) {
            notes.add("how far a capsule holds is not known: " + e.getMessage());
            return Optional.empty();
        }
    }

    private CompactionEvent skipped(String id, CompactionEvent.Skipped.Reason reason, String detail) throws IOException {
        CompactionEvent event = new CompactionEvent.Skipped(id, reason, detail);
        announce(event);
        return event;
    }

    private void announce(CompactionEvent event) throws IOException {
        store.traces().save(Trace.of(event.sessionId(), "compaction", event.toMap()));
        listener.accept(event);
    }
}
