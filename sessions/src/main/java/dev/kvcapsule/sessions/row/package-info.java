/**
 * What a durable session is: its {@link dev.kvcapsule.sessions.row.Session row}, its {@link dev.kvcapsule.sessions.row.Message messages} and what waits
 * ({@link dev.kvcapsule.sessions.row.QuestionState}, {@link dev.kvcapsule.sessions.row.OpenToolCall}, {@link dev.kvcapsule.sessions.row.SubagentCall}), as values that do not
 * change, and as JSON.
 */
package dev.kvcapsule.sessions.row;
