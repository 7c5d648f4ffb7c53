package dev.kvcapsule.engine.linalg;

/** Hears how far a long computation has come; called from the thread that started it. */
@FunctionalInterface
public interface ProgressListener {
    /** Hears nothing. */
    ProgressListener NONE = (stage, done) -> {};

    /**
     * @param stage what is being done, in a few words
     * @param done  how much of the whole computation is done, from 0 to 1; an estimate
     */
    void update(String stage, double done);
}
