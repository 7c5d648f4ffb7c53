package dev.kvcapsule.sessions.compaction;

/**
 * When and how far conversations are compacted.
 *
 * @param window tokens that the model takes, prompt and answer together
 * @param reserve of them, kept for the answer
 * @param threshold share of the rest at which it is time
 * @param tailTurns turns at the end that stay as they are; a turn begins with a user's message
 */
public record CompactionSettings(long window, long reserve, double threshold, int tailTurns) {
    private static final double USUAL_THRESHOLD = .8;
    private static final int USUAL_TAIL = 4;
    private static final int USUAL_SHARE = 8;

    /** @throws IllegalArgumentException if no prompt fits, the threshold is not between 0 and 1, or no turn stays */
    public CompactionSettings {
        if (window < 1 || reserve < 0 || reserve >= window) {
            throw new IllegalArgumentException("a window of " + window + " tokens with " + reserve + " kept for the answer takes no prompt");
        }
        if (!(threshold > 0 && threshold <= 1)) {
            throw new IllegalArgumentException("the threshold is a share of the window: above 0, and 1 at most");
        }
        if (tailTurns < 1) {
            throw new IllegalArgumentException("at least the last turn stays as it is");
        }
    }

    /** The usual ones: an eighth kept for the answer, at four fifths of the rest, the last four turns stay. */
    public static CompactionSettings ofWindow(long window) {
        return new CompactionSettings(window, window / USUAL_SHARE, USUAL_THRESHOLD, USUAL_TAIL);
    }

    /** Tokens of a prompt at which it is time. */
    public long trigger() {
        return (long) ((window - reserve) * threshold);
    }
}
