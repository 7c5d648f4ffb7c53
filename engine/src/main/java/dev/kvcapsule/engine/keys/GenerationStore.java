package dev.kvcapsule.engine.keys;

import java.io.IOException;

/** How far each session has come: what stops an older capsule, which is signed and whole, from being taken for the newest. */
public interface GenerationStore {
    /**
     * Whose session it is.
     *
     * @param org organisation
     * @param user user
     * @param session session
     */
    record Session(String org, String user, String session) {}

    /** The mark: the highest generation that was handed out or restored; 0 if there was none. */
    long highest(Session session) throws IOException;

    /**
     * Raises the mark to that generation, in one step that nobody else's comes between; a lower one leaves it.
     *
     * @return the mark as it is then: higher than {@code generation} if the session has got further
     */
    long raise(Session session, long generation) throws IOException;

    /** Issues a number above all that were issued or reached, which is nobody else's. The mark stays: the capsule may never come to be. */
    long next(Session session) throws IOException;
}
