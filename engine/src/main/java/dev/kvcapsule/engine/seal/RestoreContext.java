package dev.kvcapsule.engine.seal;

import java.util.Optional;

/**
 * What a cache would be restored into. What is empty is not checked, or, where {@code strict}, must not be bound.
 *
 * @param model the model that runs
 * @param runtime the program that runs it, and its version
 * @param structure what its cache consists of
 * @param tokens the tokens whose cache is wanted: the capsule's must be these, or the first of these
 * @param strict refuses a capsule that is bound to something which is not said here
 */
public record RestoreContext(Optional<ModelIdentity> model, Optional<RuntimeRange> runtime, Optional<CacheStructure> structure, Optional<int[]> tokens, boolean strict) {
    /** Checks nothing: for tools that do not run a model. */
    public static final RestoreContext UNCHECKED = new RestoreContext(Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), false);
}
