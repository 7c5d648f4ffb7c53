package dev.kvcapsule.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Heads of a token vector, or blocks of a block-diagonal matrix: the structures Head of vectors.cu. */
final class HeadTable {
    private static final int BYTES = 24;

    private final int[] dims;
    private final int width;

    HeadTable(int[] dims) {
        int sum = 0;
        for (int dim : dims) {
            if (dim < 0) {
                throw new IllegalArgumentException("a head of " + dim + " channels");
            }
            sum = Math.addExact(sum, dim);
        }
        this.dims = dims;
        this.width = sum;
    }

    /** Channels of all. */
    int width() {
        return width;
    }

    /** Channels of the widest. */
    int widest() {
        int widest = 0;
        for (int dim : dims) {
            widest = Math.max(widest, dim);
        }
        return widest;
    }

    /** Numbers of all square matrices. */
    long floats() {
        long floats = 0;
        for (int dim : dims) {
            floats += (long) dim * dim;
        }
        return floats;
    }

    /** A kernel's parameters, which begin with the heads. */
    Parameters begin(Operation operation) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment heads = arena.allocate((long) BYTES * dims.length, 8);
            long column = 0;
            long block = 0;
            for (int h = 0; h < dims.length; h++) {
                heads.set(ValueLayout.JAVA_LONG, (long) BYTES * h, column);
                heads.set(ValueLayout.JAVA_LONG, (long) BYTES * h + 8, block);
                heads.set(ValueLayout.JAVA_INT, (long) BYTES * h + 16, dims[h]);
                column += dims[h];
                block += (long) dims[h] * dims[h];
            }
            return operation.parameters().put(operation.in(heads, 0, heads.byteSize()));
        }
    }
}
