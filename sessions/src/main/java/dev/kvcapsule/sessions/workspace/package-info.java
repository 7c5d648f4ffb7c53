/** The files that a session works on: their revision when it paused, and how far they have moved since. */
package dev.kvcapsule.sessions.workspace;
