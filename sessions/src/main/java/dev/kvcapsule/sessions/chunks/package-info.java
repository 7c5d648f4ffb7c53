/** The chunks that sessions' capsules go on from, in a store beside the sessions: what is there, what is needed, what can go. */
package dev.kvcapsule.sessions.chunks;
