package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel.Rows;
import dev.kvcapsule.engine.kernel.DeviceKernel.Turn;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.RopeKernel;

/** What kernels that work on rows have in common: the structure Rows of rows.cuh. */
final class RowParameters {
    private static final int RUN = 8;
    private static final int RUN_BYTES = 16;

    private RowParameters() {}

    /** An element type as the kernels number it. */
    static int number(ElementType type) {
        return switch (type) {
            case F16 -> 0;
            case BF16 -> 1;
            case F32 -> 2;
        };
    }

    /** Bytes of a row. */
    static long bytes(int channels, Rows rows) {
        return (long) channels * rows.type().bytes();
    }

    /**
     * A kernel's parameters, which begin with its rows.
     *
     * @param address of the first row on the device
     * @param first its token within the table that turns keys
     */
    static Parameters begin(Operation operation, long address, Rows rows, int first, int channels) {
        Turn turn = rows.turn();
        long angles = turn == null ? 0 : operation.table(turn.table()) + 4L * first * turn.table().pairs();
        return operation.parameters().put(address).put(angles).put(turn == null ? 0 : angles + Lane.tableBytes(turn.table())).put(number(rows.type())).put(channels)
                .put(turn == null ? 0 : turn.table().pairs()).put(turn != null && turn.pairing() == RopeKernel.Pairing.HALVES).put(turn == null ? 1 : turn.headDim()).put(0);
    }

    /**
     * Whether rows can be read in runs of eight channels, as runs.cuh does.
     *
     * @param addresses of all that is read or written 16 bytes at once, one or the other
     */
    static boolean inRuns(Rows rows, long addresses) {
        Turn turn = rows.turn();
        return rows.type().bytes() == 2 && addresses % RUN_BYTES == 0 && (turn == null || turn.headDim() % RUN == 0 && turn.table().pairs() % RUN == 0);
    }

    /** Blocks for tokens, so many of them each. */
    static int blocksOf(int tokens, int rows) {
        int blocks = Math.ceilDiv(tokens, rows);
        if (blocks > Operation.MOST_ROWS) {
            throw new IllegalArgumentException(tokens + " tokens at once");
        }
        return blocks;
    }
}
