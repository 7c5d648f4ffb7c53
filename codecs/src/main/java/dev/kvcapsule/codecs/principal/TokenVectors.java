package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.codecs.quantizer.RopeTables;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.RowFloats;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** Joins the rows of some tensors of a tile into one f32 vector a token, keys as they were before RoPE if asked for, and takes them apart again. For one thread. */
public final class TokenVectors implements AutoCloseable {
    /** Bits of 2^50 as binary32. */
    private static final int LIMIT = 127 + 50 << 23;

    private final Kernels kernels;
    private final boolean beforeRope;
    private final RopeTables ropes = new RopeTables();
    private final GrowingBuffer buffer = new GrowingBuffer();

    /** Keys as they were before RoPE, where the cache says how they were rotated. */
    public TokenVectors(Kernels kernels) {
        this(kernels, true);
    }

    /** @param beforeRope whether RoPE of keys is undone */
    public TokenVectors(Kernels kernels, boolean beforeRope) {
        this.kernels = kernels;
        this.beforeRope = beforeRope;
    }

    /**
     * Joins rows.
     *
     * @param tensors of as many tokens each; their widths add up to {@code width}
     * @param out receives f32 {@code [tokens][width]}
     * @return whether all numbers are finite and below 2^50; if not, {@code out} holds anything
     */
    public boolean load(List<TileTensor> tensors, int width, MemorySegment out) {
        if (kernels.device() != null) {
            return loadByDevice(tensors, out);
        }
        long column = 0;
        for (TileTensor tensor : tensors) {
            MemorySegment floats = buffer.atLeast(4 * tensor.elements());
            RowFloats.toF32(kernels, tensor.type(), tensor.rows(), tensor.elements(), floats);
            if (!isOrdinary(floats, tensor.elements())) {
                return false;
            }
            rotate(kernels, tensor, floats, true);
            copyRows(floats, 0, tensor.width(), out, 4 * column, width, tensor.width(), tensor.tokens());
            column += tensor.width();
        }
        return true;
    }

    /** Takes f32 {@code [tokens][width]} apart. */
    public void store(MemorySegment in, int width, List<TileTensor> tensors) {
        if (kernels.device() != null) {
            storeByDevice(in, tensors);
            return;
        }
        long column = 0;
        for (TileTensor tensor : tensors) {
            MemorySegment floats = buffer.atLeast(4 * tensor.elements());
            copyRows(in, 4 * column, width, floats, 0, tensor.width(), tensor.width(), tensor.tokens());
            rotate(kernels, tensor, floats, false);
            RowFloats.fromF32(kernels, tensor.type(), floats, tensor.elements(), tensor.rows());
            column += tensor.width();
        }
    }

    /** Whether a device reads and writes the rows of all these tensors itself, in their own types. */
    public boolean isOnDevice(List<TileTensor> tensors) {
        return kernels.device() != null && hasFewRopes(tensors) && tensors.stream().allMatch(tensor -> ElementType.has(tensor.type()));
    }

    /** Whether the tables that turn these tensors are all there at once. */
    private boolean hasFewRopes(List<TileTensor> tensors) {
        return tensors.stream().filter(this::undoesRope).map(tensor -> tensor.layer().rope()).distinct().count() <= RopeTables.KEPT;
    }

    /** Whether a device takes a tensor's rows as they are. */
    private boolean isDirect(TileTensor tensor, boolean turns) {
        return ElementType.has(tensor.type()) && (turns || !undoesRope(tensor));
    }

    private static DeviceKernel.Columns columns(TileTensor tensor, MemorySegment rows, ElementType type, DeviceKernel.Turn turn) {
        return new DeviceKernel.Columns(new DeviceKernel.Rows(rows, type, turn), tensor.width());
    }

    /** Memory of the host's for the rows that a device does not take as they are. */
    private MemorySegment others(List<TileTensor> tensors, boolean turns) {
        long floats = tensors.stream().filter(tensor -> !isDirect(tensor, turns)).mapToLong(TileTensor::elements).sum();
        return floats == 0 ? MemorySegment.NULL : buffer.atLeast(4 * floats);
    }

    private boolean loadByDevice(List<TileTensor> tensors, MemorySegment out) {
        boolean turns = hasFewRopes(tensors);
        MemorySegment others = others(tensors, turns);
        List<DeviceKernel.Columns> columns = new ArrayList<>();
        long at = 0;
        for (TileTensor tensor : tensors) {
            if (isDirect(tensor, turns)) {
                columns.add(columns(tensor, tensor.rows(), ElementType.of(tensor.type()), turn(tensor)));
                continue;
            }
            MemorySegment floats = others.asSlice(at, 4 * tensor.elements());
            at += floats.byteSize();
            RowFloats.toF32(kernels.onHost(), tensor.type(), tensor.rows(), tensor.elements(), floats);
            if (!isOrdinary(floats, tensor.elements())) {
                return false;
            }
            rotate(kernels.onHost(), tensor, floats, true);
            columns.add(columns(tensor, floats, ElementType.F32, null));
        }
        return kernels.device().join(columns, tensors.getFirst().tokens(), LIMIT, out);
    }

    private void storeByDevice(MemorySegment in, List<TileTensor> tensors) {
        boolean turns = hasFewRopes(tensors);
        MemorySegment others = others(tensors, turns);
        List<DeviceKernel.Columns> columns = new ArrayList<>();
        long at = 0;
        for (TileTensor tensor : tensors) {
            if (isDirect(tensor, turns)) {
                columns.add(columns(tensor, tensor.rows(), ElementType.of(tensor.type()), turn(tensor)));
            } else {
                columns.add(columns(tensor, others.asSlice(at, 4 * tensor.elements()), ElementType.F32, null));
                at += 4 * tensor.elements();
            }
        }
        kernels.device().split(in, tensors.getFirst().tokens(), columns);
        for (int i = 0; i < columns.size(); i++) {
            TileTensor tensor = tensors.get(i);
            if (!isDirect(tensor, turns)) {
                MemorySegment floats = columns.get(i).rows().memory();
                rotate(kernels.onHost(), tensor, floats, false);
                RowFloats.fromF32(kernels.onHost(), tensor.type(), floats, tensor.elements(), tensor.rows());
            }
        }
    }

    private DeviceKernel.Turn turn(TileTensor tensor) {
        if (!undoesRope(tensor)) {
            return null;
        }
        Rope rope = tensor.layer().rope().orElseThrow();
        return new DeviceKernel.Turn(ropes.get(rope, tensor.positions()), pairing(rope), tensor.headDim());
    }

    private boolean undoesRope(TileTensor tensor) {
        return beforeRope && tensor.part() == Part.KEY && tensor.layer().rope().isPresent();
    }

    private static RopeKernel.Pairing pairing(Rope rope) {
        return rope.pairing() == Rope.Pairing.INTERLEAVED ? RopeKernel.Pairing.INTERLEAVED : RopeKernel.Pairing.HALVES;
    }

    /** Rows of {@code count} floats; strides are floats, too. A loop that is compiled once, and not with each of its callers. */
    private static void copyRows(MemorySegment from, long at, long stride, MemorySegment to, long toAt, long toStride, long count, int rows) {
        for (int t = 0; t < rows; t++) {
            MemorySegment.copy(from, at + 4 * t * stride, to, toAt + 4 * t * toStride, 4 * count);
        }
    }

    private void rotate(Kernels by, TileTensor tensor, MemorySegment rows, boolean inverse) {
        if (undoesRope(tensor)) {
            Rope rope = tensor.layer().rope().orElseThrow();
            by.rope().rotate(ropes.get(rope, tensor.positions()), 0, rows, 0, tensor.tokens(), tensor.layer().kvHeads(), tensor.headDim(), pairing(rope), inverse);
        }
    }

    /** Whether all are finite, and their squares can be summed. The largest exponent tells; an integer maximum is a loop that C2 vectorizes. */
    private static boolean isOrdinary(MemorySegment floats, long count) {
        int largest = 0;
        for (long i = 0; i < count; i++) {
            largest = Math.max(largest, floats.get(ValueLayout.JAVA_INT_UNALIGNED, 4 * i) & 0x7FFFFFFF);
        }
        return largest < LIMIT;
    }

    @Override
    public void close() {
        buffer.close();
    }
}
