package dev.kvcapsule.sessions.pending;

/** What may happen to a session, as far as it matters to what the session waits for. */
public enum PendingEvent {
    /** A system's or user's message: a new request. */
    MESSAGE,
    /** The model's message; its tool calls are open from then on. */
    REPLY,
    /** The result of an open tool call that no question is about. */
    RESULT,
    /** A question about an open tool call. */
    ASK,
    /** An answer that names the open question. */
    ANSWER,
    /** An answer that names another question. */
    OTHER_ANSWER,
    /** The result of the tool that the answer has allowed. */
    COMPLETE,
    /** A subagent begins to work for an open tool call. */
    SUBAGENT,
    /** A turn is over. */
    END_TURN,
    /** What is open is given up: each call gets a result that says so. */
    INTERRUPT,
    /** Compaction. */
    COMPACT
}
