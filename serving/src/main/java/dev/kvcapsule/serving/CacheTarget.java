package dev.kvcapsule.serving;

import java.util.OptionalInt;

/**
 * What to write.
 *
 * @param dialect the format's dialect, such as a GGSQ version; empty for the one that the cache came in, or the newest
 * @param tokens how many tokens of the sequence to keep, counted from its start; empty for all
 */
public record CacheTarget(OptionalInt dialect, OptionalInt tokens) {
    /** The dialect the cache came in, all tokens. */
    public static final CacheTarget SAME = new CacheTarget(OptionalInt.empty(), OptionalInt.empty());
}
