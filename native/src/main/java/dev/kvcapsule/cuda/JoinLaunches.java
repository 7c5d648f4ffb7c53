package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel.Columns;
import dev.kvcapsule.engine.kernel.DeviceKernel.Rows;
import dev.kvcapsule.engine.kernel.DeviceKernel.Turn;
import dev.kvcapsule.engine.kernel.RopeKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** Token vectors out of tensors' rows, and back: all tensors by one launch, some tokens at a time where there is little memory. */
final class JoinLaunches {
    /** The structure Column of vectors.cu. */
    private static final int COLUMN_BYTES = 56;

    private final Device device;

    JoinLaunches(Device device) {
        this.device = device;
    }

    static int width(List<Columns> columns) {
        int width = 0;
        for (Columns column : columns) {
            width = Math.addExact(width, column.channels());
        }
        return width;
    }

    /**
     * Joins or splits tokens from {@code first} on.
     *
     * @param largest bits of the least magnitude that is too large
     * @return not 0 if a number was too large
     */
    long run(boolean join, List<Columns> columns, int first, int tokens, int largest, MemorySegment vectors) {
        long vectorBytes = 4L * width(columns);
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            MemorySegment described = arena.allocate((long) COLUMN_BYTES * columns.size(), 8);
            long channel = 0;
            int widest = 0;
            for (int i = 0; i < columns.size(); i++) {
                Columns column = columns.get(i);
                long rowBytes = RowParameters.bytes(column.channels(), column.rows());
                long rows = join ? operation.in(column.rows().memory(), first * rowBytes, tokens * rowBytes) : operation.out(column.rows().memory(), first * rowBytes, tokens * rowBytes);
                describe(operation, described.asSlice((long) COLUMN_BYTES * i, COLUMN_BYTES), rows, column.rows(), first, column.channels());
                described.set(ValueLayout.JAVA_LONG, (long) COLUMN_BYTES * i + 48, channel);
                channel += column.channels();
                widest = Math.max(widest, column.channels());
            }
            long memory = join ? operation.out(vectors, first * vectorBytes, tokens * vectorBytes) : operation.in(vectors, first * vectorBytes, tokens * vectorBytes);
            // The way back finds nothing, and has nothing to wait for.
            long flags = join ? operation.newFlags() : 0;
            Parameters parameters = operation.parameters().put(operation.in(described, 0, described.byteSize())).put(memory).put(flags).put(channel).put(tokens).put(largest);
            int threads = Math.min(Operation.THREADS, Math.ceilDiv(widest, 32) * 32);
            operation.launch(join ? Kernel.JOIN_ROWS : Kernel.SPLIT_ROWS, Math.min(tokens, Operation.MOST_ROWS), columns.size(), threads, 0, parameters);
            operation.finish();
            return join ? operation.count() : 0;
        }
    }

    /** The structure Rows of rows.cuh. */
    private static void describe(Operation operation, MemorySegment to, long address, Rows rows, int first, int channels) {
        Turn turn = rows.turn();
        long angles = turn == null ? 0 : operation.table(turn.table()) + 4L * first * turn.table().pairs();
        to.set(ValueLayout.JAVA_LONG, 0, address);
        to.set(ValueLayout.JAVA_LONG, 8, angles);
        to.set(ValueLayout.JAVA_LONG, 16, turn == null ? 0 : angles + Lane.tableBytes(turn.table()));
        to.set(ValueLayout.JAVA_INT, 24, RowParameters.number(rows.type()));
        to.set(ValueLayout.JAVA_INT, 28, channels);
        to.set(ValueLayout.JAVA_INT, 32, turn == null ? 0 : turn.table().pairs());
        to.set(ValueLayout.JAVA_INT, 36, turn != null && turn.pairing() == RopeKernel.Pairing.HALVES ? 1 : 0);
        to.set(ValueLayout.JAVA_INT, 40, turn == null ? 1 : turn.headDim());
    }
}
