package dev.kvcapsule.engine.kernel;

/**
 * Runs the passes of a vector kernel over one block. The call below sees many receiver classes, so C2 does not inline through it and
 * compiles each pass for itself; inlined into one method together, the passes exceed its budget and vectors end up on the heap.
 */
final class Passes {
    private final Runnable[] passes;

    Passes(Runnable... passes) {
        this.passes = passes;
    }

    void run() {
        for (Runnable pass : passes) {
            pass.run();
        }
    }
}
