package dev.kvcapsule.serving;

import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import java.util.Arrays;
import java.util.OptionalInt;

/** Which cells of a sub-cache make up its first tokens, and whether they are enough to go on from there. */
public final class PrefixCut {
    private PrefixCut() {}

    /**
     * @param tokens length of the prefix
     * @return the sub-cache with the cells of positions below {@code tokens} only, in the same cell order
     * @throws UnsupportedOperationException if a token that follows the prefix would attend to a position the sub-cache no longer holds
     */
    public static SubCache of(SubCache sub, int tokens) {
        long[] runs = sub.positions().runs();
        long[] kept = new long[runs.length];
        int used = 0;
        for (int r = 0; r < runs.length; r += 2) {
            long length = Math.min(runs[r + 1], tokens - runs[r]);
            if (length <= 0) {
                continue;
            }
            if (used > 0 && kept[used - 2] + kept[used - 1] == runs[r]) {
                kept[used - 1] += length;
            } else {
                kept[used++] = runs[r];
                kept[used++] = length;
            }
        }
        kept = Arrays.copyOf(kept, used);
        requireWindow(sub, kept, tokens);
        return new SubCache(sub.name(), Positions.ofRuns(kept), sub.keyOrder(), sub.valueOrder(), sub.layers());
    }

    /**
     * The length to cut to.
     *
     * @param tokens tokens of the cache
     * @param target tokens to keep
     * @return empty if all are kept
     * @throws UnsupportedOperationException if the cache has fewer tokens
     */
    public static OptionalInt length(long tokens, OptionalInt target) {
        if (target.isEmpty() || target.getAsInt() == tokens) {
            return OptionalInt.empty();
        }
        if (target.getAsInt() < 1 || target.getAsInt() > tokens) {
            throw new UnsupportedOperationException("the cache has " + tokens + " tokens, a prefix of " + target.getAsInt() + " cannot be taken");
        }
        return target;
    }

    private static void requireWindow(SubCache sub, long[] kept, int tokens) {
        int window = sub.layers().stream().mapToInt(LayerLayout::window).max().orElse(0);
        if (sub.layers().stream().anyMatch(layer -> layer.window() == 0)) {
            window = 0;
        }
        // The next token, at position `tokens`, sees position p if tokens - p < window.
        long need = window == 0 ? 0 : Math.max(0, (long) tokens - window + 1);
        long[][] sorted = new long[kept.length / 2][];
        for (int r = 0; r < sorted.length; r++) {
            sorted[r] = new long[] {kept[2 * r], kept[2 * r] + kept[2 * r + 1]};
        }
        Arrays.sort(sorted, (a, b) -> Long.compare(a[0], b[0]));
        long covered = need;
        long end = -1;
        for (long[] run : sorted) {
            if (run[0] < end) {
                throw new UnsupportedOperationException("cache '" + sub.name() + "' holds position " + run[0]
                        + " more than once (several sequences, or an image): it cannot be cut to a prefix");
            }
            end = run[1];
            covered = run[0] <= covered ? Math.max(covered, run[1]) : covered;
        }
        if (covered < tokens) {
            throw new UnsupportedOperationException("cache '" + sub.name() + "' cannot be cut to " + tokens + " tokens: it no longer holds position "
                    + covered + (window == 0 ? "" : ", which the window of " + window + " tokens reaches back to"));
        }
    }
}
