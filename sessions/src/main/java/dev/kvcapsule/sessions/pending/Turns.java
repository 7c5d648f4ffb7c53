package dev.kvcapsule.sessions.pending;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.MessageKind;
import dev.kvcapsule.sessions.row.OpenToolCall;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Role;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.SubagentCall;
import dev.kvcapsule.sessions.row.ToolCall;
import dev.kvcapsule.sessions.store.LedgerEntry;
import dev.kvcapsule.sessions.store.LockedSession;
import dev.kvcapsule.sessions.store.SessionEdit;
import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The changes that a conversation goes through, each under the lock of its row, each let through by {@link Transitions} or refused with what is open. A message behind a tool call
 * comes only when the call has its result: results stand directly behind their calls.
 */
public final class Turns {
    /** What a model reads in the place of a result that is not there yet. */
    private static final String WAITING = "Waiting for an answer.";

    private static final String DENIED = "The tool was not run: permission was denied.";
    private static final String INTERRUPTED = "The tool call was interrupted. Whether it had effects is not known: check before calling it again.";

    private Turns() {}

    private static Phase phase(LockedSession locked) throws IOException {
        Optional<QuestionState> question = locked.session().question();
        return Phase.of(locked.session(), question.isPresent() && answer(locked, question.get().questionId()).isPresent());
    }

    private static void require(Phase phase, PendingEvent event, Session session, String what) throws PendingConflictException {
        Transitions.Verdict verdict = Transitions.of(phase, event);
        if (verdict != Transitions.Verdict.LET) {
            throw PendingConflictException.of(verdict, session, what);
        }
    }

    /** How far a question's answer has come; empty if it has none. */
    public static Optional<AnswerState> answer(LockedSession locked, String questionId) throws IOException {
        return locked.ledger(LedgerEntry.Kind.ANSWER, questionId).map(AnswerState::of);
    }

    /**
     * Adds messages. An assistant's tool calls are open from then on; a tool's message closes its call.
     *
     * @throws PendingConflictException if the session waits for something else
     */
    public static SessionEdit append(LockedSession locked, List<Message> messages) throws IOException {
        Session session = locked.session();
        Phase phase = phase(locked);
        for (Message message : messages) {
            if (message.kind() != MessageKind.PLAIN) {
                throw new IllegalArgumentException("only plain messages are added: sentinels come with questions, summaries with compaction");
            }
            session = switch (message.role()) {
                case SYSTEM, USER -> {
                    require(phase, PendingEvent.MESSAGE, session, "");
                    yield session;
                }
                case ASSISTANT -> {
                    require(phase, PendingEvent.REPLY, session, "");
                    yield opened(session, message);
                }
                case TOOL -> closed(session, phase, message.toolCallId().orElseThrow());
            };
            phase = phase == Phase.ALLOWED ? phase : Phase.of(session, false);
        }
        return SessionEdit.of(session).append(messages);
    }

    private static Session opened(Session session, Message message) {
        List<OpenToolCall> calls = new ArrayList<>(session.openToolCalls());
        for (ToolCall call : message.toolCalls()) {
            if (calls.stream().anyMatch(open -> open.call().id().equals(call.id()))) {
                throw new IllegalArgumentException("tool call " + call.id() + " is there twice");
            }
            calls.add(new OpenToolCall(call, message.id(), Optional.empty()));
        }
        return session.withPending(session.question(), calls, session.subagentCalls());
    }

    private static Session closed(Session session, Phase phase, String callId) throws PendingConflictException {
        if (session.question().filter(asked -> asked.toolCallId().equals(callId)).isPresent()) {
            throw PendingConflictException.of(Transitions.Verdict.QUESTION_OPEN, session, "");
        }
        if (session.openToolCall(callId).isEmpty()) {
            throw PendingConflictException.of(Transitions.Verdict.NOT_OPEN, session, "tool call " + callId);
        }
        require(phase, PendingEvent.RESULT, session, "tool call " + callId);
        return without(session, callId, session.question());
    }

    /** Without a call and the subagents that work for it. */
    private static Session without(Session session, String callId, Optional<QuestionState> question) {
        return session.withPending(question, session.openToolCalls().stream().filter(open -> !open.call().id().equals(callId)).toList(),
                session.subagentCalls().stream().filter(sub -> !sub.toolCallId().equals(callId)).toList());
    }

    /**
     * Asks a question about an open tool call: a sentinel stands for the call's result until there is one.
     *
     * @throws PendingConflictException if a question is open, or the call is not
     */
    public static SessionEdit ask(LockedSession locked, QuestionState question) throws IOException {
        Session session = locked.session();
        require(phase(locked), PendingEvent.ASK, session, "tool call " + question.toolCallId());
        OpenToolCall asked = session.openToolCall(question.toolCallId())
                .orElseThrow(() -> PendingConflictException.of(Transitions.Verdict.NOT_OPEN, session, "tool call " + question.toolCallId()));
        if (locked.ledger(LedgerEntry.Kind.ANSWER, question.questionId()).isPresent()) {
            throw new IllegalArgumentException("there was a question " + question.questionId() + " already");
        }
        Message sentinel = Message.sentinel(question.toolCallId(), WAITING);
        List<OpenToolCall> calls = session.openToolCalls().stream()
                .map(open -> open == asked ? new OpenToolCall(open.call(), open.messageId(), Optional.of(sentinel.id())) : open).toList();
        return SessionEdit.of(session.withPending(Optional.of(question), calls, session.subagentCalls())).append(List.of(sentinel)).trace("question", question.toMap());
    }

    /**
     * Answers the open question. An answer to a plain question becomes the call's result, a denial as well. A tool that is allowed runs first: the question stays open until
     * {@link #complete}. The same answer given again changes nothing.
     *
     * @throws PendingConflictException if another question is open, or none, or this one was answered otherwise
     * @throws IllegalArgumentException if these values do not answer it
     */
    public static SessionEdit answer(LockedSession locked, String questionId, List<String> values) throws IOException {
        Session session = locked.session();
        Optional<AnswerState> before = answer(locked, questionId);
        if (before.isPresent()) {
            if (!before.get().values().equals(values)) {
                throw PendingConflictException.answered(session, questionId);
            }
            return SessionEdit.of(session);
        }
        boolean isOpen = session.question().map(QuestionState::questionId).filter(questionId::equals).isPresent();
        require(phase(locked), isOpen ? PendingEvent.ANSWER : PendingEvent.OTHER_ANSWER, session, "question " + questionId);
        QuestionState question = session.question().orElseThrow();
        question.requireAnswers(values);
        OpenToolCall call = session.openToolCall(question.toolCallId()).orElseThrow();
        AnswerState answer = new AnswerState(questionId, values, call.call(), false, 0);
        if (question.permission().isPresent() && answer.isAllowed()) {
            return SessionEdit.of(session).note(answer.entry()).trace("answer", answer.toMap());
        }
        String result = question.permission().isPresent() ? DENIED : values.size() == 1 ? values.getFirst() : Json.line(values);
        return resolved(locked, call, answer.completed(), result).trace("answer", answer.toMap());
    }

    /** The sentinel becomes the result, the call is closed and the question is gone, all at once. */
    private static SessionEdit resolved(LockedSession locked, OpenToolCall call, AnswerState answer, String result) throws IOException {
        Message sentinel = locked.message(call.sentinelId().orElseThrow()).orElseThrow();
        return SessionEdit.of(without(locked.session(), call.call().id(), Optional.empty())).resolve(sentinel.resolved(result)).note(answer.entry());
    }

    /**
     * Notes that an allowed tool is about to run: whoever does that runs it, and nobody else.
     *
     * @param attempts how often it was started, as it was read
     * @throws PendingConflictException if somebody else was first, or nothing was allowed
     */
    public static SessionEdit begin(LockedSession locked, String questionId, long attempts) throws IOException {
        Session session = locked.session();
        require(phase(locked), PendingEvent.COMPLETE, session, "question " + questionId);
        AnswerState answer = answer(locked, questionId).orElseThrow(() -> PendingConflictException.of(Transitions.Verdict.QUESTION_OPEN, session, ""));
        if (answer.isCompleted() || answer.attempts() != attempts) {
            throw PendingConflictException.running(session, questionId);
        }
        return SessionEdit.of(session).note(answer.started().entry()).trace("tool_started", answer.started().toMap());
    }

    /**
     * Brings the result of an allowed tool. The second time it changes nothing.
     *
     * @throws PendingConflictException if nothing was allowed
     */
    public static SessionEdit complete(LockedSession locked, String questionId, String result) throws IOException {
        Session session = locked.session();
        Optional<AnswerState> answer = answer(locked, questionId);
        if (answer.map(AnswerState::isCompleted).orElse(false)) {
            return SessionEdit.of(session);
        }
        require(phase(locked), PendingEvent.COMPLETE, session, "question " + questionId);
        if (answer.isEmpty()) {
            throw PendingConflictException.of(Transitions.Verdict.QUESTION_OPEN, session, "");
        }
        OpenToolCall call = session.openToolCall(answer.get().call().id()).orElseThrow();
        return resolved(locked, call, answer.get().completed(), result);
    }

    /** The same, of a tool of which nobody can tell what became. */
    static SessionEdit completeUnknown(LockedSession locked, String questionId) throws IOException {
        return complete(locked, questionId, INTERRUPTED);
    }

    /**
     * Notes that a subagent works for an open tool call. Its answer is that call's result: {@link #append}.
     *
     * @throws PendingConflictException if the call is not open
     */
    public static SessionEdit subagent(LockedSession locked, SubagentCall call) throws IOException {
        Session session = locked.session();
        require(phase(locked), PendingEvent.SUBAGENT, session, "tool call " + call.toolCallId());
        if (session.openToolCall(call.toolCallId()).isEmpty()) {
            throw PendingConflictException.of(Transitions.Verdict.NOT_OPEN, session, "tool call " + call.toolCallId());
        }
        if (session.subagentCalls().stream().anyMatch(sub -> sub.callId().equals(call.callId()))) {
            throw new IllegalArgumentException("subagent call " + call.callId() + " is there already");
        }
        List<SubagentCall> calls = new ArrayList<>(session.subagentCalls());
        calls.add(call);
        return SessionEdit.of(session.withPending(session.question(), session.openToolCalls(), calls)).trace("subagent", call.toMap());
    }

    /**
     * Ends a turn.
     *
     * @throws PendingConflictException if tool calls have no result, which says which ones
     */
    public static SessionEdit endTurn(LockedSession locked) throws IOException {
        require(phase(locked), PendingEvent.END_TURN, locked.session(), "");
        return SessionEdit.of(locked.session());
    }

    /**
     * Gives up what is open: each call gets a result that says that it was interrupted, and does not say that nothing has happened.
     *
     * @throws PendingConflictException if a question is open: that has to be answered
     */
    public static SessionEdit interrupt(LockedSession locked) throws IOException {
        Session session = locked.session();
        require(phase(locked), PendingEvent.INTERRUPT, session, "");
        List<Message> results = session.openToolCalls().stream().map(open -> Message.tool(open.call().id(), INTERRUPTED)).toList();
        SessionEdit edit = SessionEdit.of(session.withPending(Optional.empty(), List.of(), List.of())).append(results);
        Map<String, Object> payload = new LinkedHashMap<>();
        payload.put("open_tool_calls", session.openToolCalls().stream().map(OpenToolCall::toMap).toList());
        payload.put("pending_subagent_calls", session.subagentCalls().stream().map(SubagentCall::toMap).toList());
        return results.isEmpty() ? SessionEdit.of(session) : edit.trace("interrupted", payload);
    }

    /** Whether the last message is the end of a turn: the model has spoken, and calls nothing. */
    public static boolean isTurnOver(Optional<Message> last) {
        return last.isEmpty() || last.get().role() == Role.ASSISTANT && last.get().toolCalls().isEmpty() || last.get().kind() == MessageKind.SUMMARY || last.get().role() == Role.SYSTEM;
    }
}
