/**
 * Where sessions are kept: {@link dev.kvcapsule.sessions.store.SessionStore}, one owner's sessions, and {@link dev.kvcapsule.sessions.store.TraceStore}, their full history. Every
 * change is one transaction under the lock of its row; what a store holds is the same whichever kind it is.
 */
package dev.kvcapsule.sessions.store;
