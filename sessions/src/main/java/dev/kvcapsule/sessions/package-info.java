/**
 * A session's local structured state ({@link dev.kvcapsule.sessions.SessionState}), where it is kept ({@link dev.kvcapsule.sessions.SessionFolder}), and what is done with it:
 * {@link dev.kvcapsule.sessions.Checkpoint} and {@link dev.kvcapsule.sessions.Resume}. Whatever is wrong with a capsule, a resume works: it says why, and the model evaluates
 * its prompt as it would have without.
 */
package dev.kvcapsule.sessions;
