/**
 * What a session waits for, as a state machine: {@link dev.kvcapsule.sessions.pending.Phase} by {@link dev.kvcapsule.sessions.pending.PendingEvent} says what is let through
 * ({@link dev.kvcapsule.sessions.pending.Transitions}); {@link dev.kvcapsule.sessions.pending.Turns} makes the changes, {@link dev.kvcapsule.sessions.pending.AgentSession} is what
 * agents hold.
 */
package dev.kvcapsule.sessions.pending;
