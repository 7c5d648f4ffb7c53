package dev.kvcapsule.sessions.pending;

import dev.kvcapsule.sessions.row.Session;

/** What a session waits for. */
public enum Phase {
    /** Nothing: the next message may come. */
    IDLE,
    /** Results of tool calls, or of subagents that work for them. */
    WORKING,
    /** The answer to its question. */
    ASKING,
    /** The result of the tool that the answer has allowed: the question is open until that is there. */
    ALLOWED;

    /**
     * The phase of a session.
     *
     * @param allowed whether the open question has been answered
     */
    static Phase of(Session session, boolean allowed) {
        if (session.question().isPresent()) {
            return allowed ? ALLOWED : ASKING;
        }
        return session.isPending() ? WORKING : IDLE;
    }
}
