/**
 * Keeps conversations inside the model's window: {@link dev.kvcapsule.sessions.compaction.CompactionPlan} says what a summary is to stand for,
 * {@link dev.kvcapsule.sessions.compaction.Summarizer} writes it, {@link dev.kvcapsule.sessions.compaction.Compactor} puts it in under the lock of the row.
 */
package dev.kvcapsule.sessions.compaction;
