package dev.kvcapsule.sessions.pending;

import dev.kvcapsule.sessions.row.ToolCall;
import java.io.IOException;

/** Runs tools. */
public interface ToolRunner {
    /**
     * What is known of a run that may have begun before a crash.
     *
     * @param fate what became of it
     * @param result its result, if it completed
     */
    record Recall(Fate fate, String result) {
        /** What may have become of a run. */
        public enum Fate {
            /** It never began, and will not. */
            NEVER_BEGAN,
            /** It completed. */
            COMPLETED,
            /** It may have had effects. */
            UNKNOWN
        }

        /** It never began. */
        public static final Recall NEVER = new Recall(Fate.NEVER_BEGAN, "");

        /** Nobody can tell. */
        public static final Recall UNKNOWN = new Recall(Fate.UNKNOWN, "");

        /** It completed. */
        public static Recall completed(String result) {
            return new Recall(Fate.COMPLETED, result);
        }
    }

    /**
     * Runs one.
     *
     * @param key names this run: a tool that can should remember it, and answer {@link #recall} by it
     * @return its result
     * @throws IOException if it fails: the model is told so
     */
    String run(ToolCall call, String key) throws IOException;

    /** What became of a run that was begun under that key by a program that is gone. A tool that does not remember leaves it at that: it is not run twice. */
    default Recall recall(ToolCall call, String key) throws IOException {
        return Recall.UNKNOWN;
    }
}
