package dev.kvcapsule.sessions.pending;

import dev.kvcapsule.sessions.row.CostData;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.SubagentCall;
import dev.kvcapsule.sessions.store.NoSuchSessionException;
import dev.kvcapsule.sessions.store.SessionStore;
import java.io.IOException;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A session as its agent holds it. Every method is one change of the row or none; after a crash, an agent opens the session anew and goes on with what {@link #row} says is open.
 * Safe for use by many threads, and beside other programs.
 */
public final class AgentSession {
    private final SessionStore store;
    private final String id;

    private AgentSession(SessionStore store, String id) {
        this.store = store;
        this.id = id;
    }

    /** A new one. */
    public static AgentSession create(SessionStore store, Session fresh) throws IOException {
        return new AgentSession(store, store.create(fresh).id());
    }

    /** @throws NoSuchSessionException if there is none */
    public static AgentSession open(SessionStore store, String id) throws IOException {
        if (!store.exists(id)) {
            throw new NoSuchSessionException(id);
        }
        return new AgentSession(store, id);
    }

    /** Its name. */
    public String id() {
        return id;
    }

    /** Its row, as it is now. */
    public Session row() throws IOException {
        return store.load(id).orElseThrow(() -> new NoSuchSessionException(id));
    }

    /** Its messages. */
    public List<Message> messages() throws IOException {
        return store.messages(id);
    }

    private Session edit(SessionStore.Edit edit) throws IOException {
        return store.edit(id, OptionalLong.empty(), edit);
    }

    /** Adds messages. @throws PendingConflictException if it waits for something else */
    public Session append(Message... messages) throws IOException {
        return edit(locked -> Turns.append(locked, List.of(messages)));
    }

    /** Adds what a request has cost. */
    public Session spent(CostData cost) throws IOException {
        return store.updateCost(id, cost);
    }

    /** Asks a question. @throws PendingConflictException if one is open, or its call is not */
    public Session ask(QuestionState question) throws IOException {
        return edit(locked -> Turns.ask(locked, question));
    }

    /** Notes that a subagent works for an open tool call. */
    public Session subagent(SubagentCall call) throws IOException {
        return edit(locked -> Turns.subagent(locked, call));
    }

    /** Ends a turn. @throws PendingConflictException if tool calls have no result */
    public Session endTurn() throws IOException {
        return edit(Turns::endTurn);
    }

    /** Gives up open calls. @throws PendingConflictException if a question is open */
    public Session interrupt() throws IOException {
        return edit(Turns::interrupt);
    }

    /**
     * Answers the open question, and runs the tool that the answer allows. Killed at any moment, the same answer given again goes on where it was: the tool runs once, if it can
     * tell what became of a run ({@link ToolRunner#recall}), and at most once otherwise; then the model reads that nobody knows.
     *
     * @throws PendingConflictException if another question is open, or none; if it was answered otherwise; if somebody else runs the tool
     */
    public Session answer(String questionId, List<String> values, ToolRunner runner) throws IOException {
        AtomicReference<AnswerState> read = new AtomicReference<>();
        Session answered = edit(locked -> {
            read.set(Turns.answer(locked, questionId).orElse(null));
            return Turns.answer(locked, questionId, values);
        });
        if (answered.question().map(QuestionState::questionId).filter(questionId::equals).isEmpty()) {
            return answered;
        }
        AnswerState before = read.get();
        if (before != null && before.attempts() > 0) {
            return recalled(before, runner);
        }
        return run(before == null ? 0 : before.attempts(), questionId, runner);
    }

    private Session run(long attempts, String questionId, ToolRunner runner) throws IOException {
        AtomicReference<AnswerState> answer = new AtomicReference<>();
        edit(locked -> {
            answer.set(Turns.answer(locked, questionId).orElse(null));
            return Turns.begin(locked, questionId, attempts);
        });
        String result;
        try {
            result = runner.run(answer.get().call(), answer.get().key(id));
        } catch (IOException e) {
            result = "The tool failed: " + e.getMessage();
        }
        String text = result;
        return edit(locked -> Turns.complete(locked, questionId, text));
    }

    /** It was started by somebody who is gone. */
    private Session recalled(AnswerState before, ToolRunner runner) throws IOException {
        ToolRunner.Recall recall = runner.recall(before.call(), before.key(id));
        return switch (recall.fate()) {
            case COMPLETED -> edit(locked -> Turns.complete(locked, before.questionId(), recall.result()));
            case NEVER_BEGAN -> run(before.attempts(), before.questionId(), runner);
            case UNKNOWN -> edit(locked -> Turns.completeUnknown(locked, before.questionId()));
        };
    }
}
