package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.SubCache;

/**
 * Token positions that a cache covers.
 *
 * @param first the lowest; 0 if there is none
 * @param end one more than the highest; 0 if there is none
 */
public record PositionRange(long first, long end) {
    /** Those of a layout, over all its sub-caches. */
    public static PositionRange of(CacheLayout layout) {
        long first = Long.MAX_VALUE;
        long end = 0;
        for (SubCache sub : layout.subCaches()) {
            long[] runs = sub.positions().runs();
            for (int run = 0; run < runs.length; run += 2) {
                first = Math.min(first, runs[run]);
                end = Math.max(end, runs[run] + runs[run + 1]);
            }
        }
        return new PositionRange(end == 0 ? 0 : first, end);
    }
}
