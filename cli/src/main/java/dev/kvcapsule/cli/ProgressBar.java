package dev.kvcapsule.cli;

import dev.kvcapsule.engine.pipeline.Progress;
import java.io.PrintWriter;
import java.util.Locale;

/** A line on standard error that grows; shown only on a terminal, and only if the work takes longer than a moment. */
final class ProgressBar implements Progress, AutoCloseable {
    private static final int CELLS = 30;
    private static final long FIRST_AFTER_NANOS = 300_000_000;
    private static final long AGAIN_AFTER_NANOS = 100_000_000;

    private final String what;
    private final PrintWriter err;
    private final long start = System.nanoTime();
    private long shown = start + FIRST_AFTER_NANOS - AGAIN_AFTER_NANOS;
    private boolean drawn;

    private ProgressBar(String what, PrintWriter err) {
        this.what = what;
        this.err = err;
    }

    /** A bar, or nothing where standard error is no terminal, which only the launching script can tell. */
    static ProgressBar start(String what, PrintWriter err) {
        boolean terminal = "1".equals(System.getenv("CAPSULE_STDERR_IS_TERMINAL")) && !"dumb".equals(System.getenv("TERM"));
        return new ProgressBar(what, terminal ? err : null);
    }

    @Override
    public void update(long done, long total) {
        long now = System.nanoTime();
        if (err == null || now - shown < AGAIN_AFTER_NANOS) {
            return;
        }
        shown = now;
        drawn = true;
        int filled = (int) (CELLS * done / Math.max(1, total));
        double seconds = (now - start) / 1e9;
        err.printf(Locale.ROOT, "\r%s [%s%s] %3d%%  %s/s ", what, "#".repeat(filled), "-".repeat(CELLS - filled), 100 * done / Math.max(1, total),
                Sizes.text((long) (done / seconds)));
        err.flush();
    }

    /** Shows a stage and how much of it is done, 0 to 1. */
    void stage(String stage, double done) {
        long now = System.nanoTime();
        if (err == null || now - shown < AGAIN_AFTER_NANOS) {
            return;
        }
        shown = now;
        drawn = true;
        err.printf(Locale.ROOT, "\r\033[K%s: %s %3.0f%% ", what, stage, 100 * done);
        err.flush();
    }

    /** Takes the line away; more updates draw it again. */
    void clear() {
        if (drawn) {
            err.print("\r\033[K");
            err.flush();
            drawn = false;
        }
    }

    @Override
    public void close() {
        clear();
    }
}
