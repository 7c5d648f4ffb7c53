package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.CacheSlice;
import dev.kvcapsule.engine.cache.SubCache;

/** The cache that a tail and its chunks amount to, as far as the tail tells. */
final class WholeLayout {
    private WholeLayout() {}

    /**
     * Puts the tokens of the chunks before the tail's.
     *
     * @param own the tail's layout
     * @param before tokens of its chunks
     * @throws CapsuleRefusedException if the tail is not the end of what its chunks begin
     */
    static CacheLayout of(CacheLayout own, long before) throws CapsuleRefusedException {
        if (before == 0) {
            return own;
        }
        for (SubCache sub : own.subCaches()) {
            long[] runs = sub.positions().runs();
            if (sub.cells() != own.subCaches().getFirst().cells() || sub.cells() > 0 && (runs.length != 2 || runs[0] != before)) {
                throw positions("cache '" + sub.name() + "' does not go on where the chunks end");
            }
        }
        if (before + own.subCaches().stream().mapToLong(SubCache::cells).max().orElse(0) > Integer.MAX_VALUE || own.tokens() + before > Integer.MAX_VALUE) {
            throw positions("more tokens than can be");
        }
        return CacheSlice.whole(own, (int) before);
    }

    private static CapsuleRefusedException positions(String message) {
        return new CapsuleRefusedException(RefusalCode.WRONG_POSITIONS, message);
    }
}
