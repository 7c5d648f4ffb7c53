package dev.kvcapsule.engine.linalg;

/** A library that can be had, perhaps; found by {@link java.util.ServiceLoader}. */
public interface LinearAlgebraProvider {
    /** Short name in lower case, by which a user forces it. */
    String name();

    /** Whether the user has named a library for it, which has to be used then, or to fail. */
    boolean isForced();

    /** Why {@link #open} would fail here; null if it would not. May load the library. */
    String whyNot();

    /**
     * The library.
     *
     * @param threads threads that it may use, {@code >= 1}
     * @throws IllegalStateException if it cannot be had, with the reason
     */
    LinearAlgebra open(int threads);
}
