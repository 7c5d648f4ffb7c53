package dev.kvcapsule.cuda;

import java.util.List;

/** Closes many things, each whatever happened to the one before: a driver that fails once must not make the rest a leak. */
final class Closing {
    private Closing() {}

    /** A step of closing. */
    interface Step {
        void run();
    }

    /** @throws RuntimeException what the first step that failed threw, with the others suppressed */
    static void all(List<Step> steps) {
        RuntimeException failure = null;
        for (Step step : steps) {
            try {
                step.run();
            } catch (RuntimeException e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }
}
