package dev.kvcapsule.engine.pipeline;

/** Hears how far a long operation has come; called from the thread that started it. */
@FunctionalInterface
public interface Progress {
    /** Hears nothing. */
    Progress NONE = (done, total) -> {};

    /**
     * @param done raw tensor bytes that are finished
     * @param total raw tensor bytes in all
     */
    void update(long done, long total);
}
