package dev.kvcapsule.sessions.store;

import dev.kvcapsule.sessions.row.CostData;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.Session;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * One owner's sessions. Each change is a transaction: it is there as a whole when its method returns, and not at all if that throws. What a call costs depends on what changes,
 * not on how long the conversation is. Safe for use by many threads.
 */
public interface SessionStore {
    /** Changes a session. */
    interface Edit {
        /**
         * Says what is to change; runs under the lock of the session's row, so it neither waits nor has effects elsewhere.
         *
         * @throws IOException if the change is refused; nothing is changed then
         */
        SessionEdit of(LockedSession locked) throws IOException;
    }

    /** Makes another session of one. */
    interface Brancher {
        /** The same as {@link Edit#of}, for a fork. */
        Branch of(LockedSession locked) throws IOException;
    }

    /**
     * What has changed since a version.
     *
     * @param session the row
     * @param isWhole whether the messages are all of the view, since some were taken away
     * @param messages new ones and resolved ones, in order; or all
     */
    record Changes(Session session, boolean isWhole, List<Message> messages) {}

    /**
     * Keeps a new session.
     *
     * @return it, in version 1
     * @throws SessionExistsException if there is one of that id
     */
    Session create(Session fresh) throws IOException;

    /** A session's row; empty if there is none. */
    Optional<Session> load(String id) throws IOException;

    /** Whether there is a session. */
    boolean exists(String id) throws IOException;

    /** Rows, the one that was changed last first. @param most how many at most */
    List<Session> list(int most) throws IOException;

    /** A session's view: all messages, in order. */
    List<Message> messages(String id) throws IOException;

    /**
     * What a reader that knows a version has to learn; messages that did not change are not read.
     *
     * @throws NoSuchSessionException if there is none
     */
    Changes changesSince(String id, long version) throws IOException;

    /**
     * Changes a session under the lock of its row. A change that leaves everything as it is costs no version.
     *
     * @param version that it must have; empty for any
     * @return the row after it
     * @throws NoSuchSessionException if there is none
     * @throws VersionConflictException if it has another version: somebody else was first
     */
    Session edit(String id, OptionalLong version, Edit edit) throws IOException;

    /**
     * Makes another session of one, under the lock of its row.
     *
     * @return the new row
     * @throws SessionExistsException if there is one of the new id
     */
    Session branch(String id, Brancher brancher) throws IOException;

    /** Removes a session, its ledger, and those of its messages that no fork or parent shows, too; its history stays until {@link TraceStore#deleteBefore}. @return whether it was there */
    boolean delete(String id) throws IOException;

    /** Removes sessions that were changed last before a time. @return their ids */
    List<String> deleteBefore(Instant time) throws IOException;

    /** Sessions whose time is over. */
    List<String> expired(Instant now) throws IOException;

    /** Says that nothing is asked for a while: what other programs may wait for is given back. */
    default void pause() {
        // Nothing is held.
    }

    /** The full history of the same owner's sessions. */
    TraceStore traces();

    /**
     * Writes a row, and messages behind those that are there.
     *
     * @param changed the row as it is to be; its version is the one it was loaded in
     * @throws VersionConflictException if somebody else has changed it since
     */
    default Session save(Session changed, List<Message> appended) throws IOException {
        return edit(changed.id(), OptionalLong.of(changed.version()), locked -> SessionEdit.of(changed).append(appended));
    }

    /** Adds what a request has cost. It is a sum, so that it needs no version and conflicts with nobody. */
    default Session updateCost(String id, CostData more) throws IOException {
        return edit(id, OptionalLong.empty(), locked -> SessionEdit.of(locked.session().withCost(locked.session().cost().plus(more))));
    }

    /**
     * Makes a session that begins as this one, up to a message; what waits in that part waits there, too.
     *
     * @param at the last message that both have; empty for all
     * @param newId of the new session
     * @throws BranchException if a tool call and its result would come apart
     */
    default Session fork(String id, Optional<String> at, String newId) throws IOException {
        return branch(id, locked -> forked(locked, at, newId));
    }

    /**
     * Takes away all messages behind one, and what waits in them.
     *
     * @param version that it must have; empty for any
     * @param at the last message that stays
     * @throws BranchException if a tool call and its result would come apart
     */
    default Session revert(String id, OptionalLong version, String at) throws IOException {
        return edit(id, version, locked -> reverted(locked, at));
    }

    /** What {@link #fork} makes, for who notes more with it. @throws BranchException as it does */
    static Branch forked(LockedSession locked, Optional<String> at, String newId) throws IOException {
        return Branches.fork(locked, at, newId);
    }

    /** What {@link #revert} changes, for who notes more with it. @throws BranchException as it does */
    static SessionEdit reverted(LockedSession locked, String at) throws IOException {
        return Branches.revert(locked, at);
    }
}
