package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** The boundary checks both rotary providers share. */
final class RopeBounds {
    private RopeBounds() {}

    static void check(RopeTable table, int firstRow, MemorySegment rows, long offset, int tokens, int heads, int headDim) {
        if (heads < 1 || headDim < 1 || headDim < 2L * table.pairs()) {
            throw new IllegalArgumentException(heads + " heads of " + headDim + " channels, " + table.pairs() + " pairs to rotate");
        }
        Objects.checkFromIndexSize(firstRow, tokens, table.positions());
        Bounds.checkWritable(rows, offset, Math.multiplyExact(4L * tokens, Math.multiplyExact((long) heads, headDim)));
    }
}
