package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.codecs.quantizer.RopeTables;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.RowFloats;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
        long column = 0;
        for (TileTensor tensor : tensors) {
            MemorySegment floats = buffer.atLeast(4 * tensor.elements());
            RowFloats.toF32(kernels, tensor.type(), tensor.rows(), tensor.elements(), floats);
            if (!isOrdinary(floats, tensor.elements())) {
                return false;
            }
            rotate(tensor, floats, true);
            copyRows(floats, 0, tensor.width(), out, 4 * column, width, tensor.width(), tensor.tokens());
            column += tensor.width();
        }
        return true;
    }

    /** Takes f32 {@code [tokens][width]} apart. */
    public void store(MemorySegment in, int width, List<TileTensor> tensors) {
        long column = 0;
        for (TileTensor tensor : tensors) {
            MemorySegment floats = buffer.atLeast(4 * tensor.elements());
            copyRows(in, 4 * column, width, floats, 0, tensor.width(), tensor.width(), tensor.tokens());
            rotate(tensor, floats, false);
            RowFloats.fromF32(kernels, tensor.type(), floats, tensor.elements(), tensor.rows());
            column += tensor.width();
        }
    }

    /** Rows of {@code count} floats; strides are floats, too. A loop that is compiled once, and not with each of its callers. */
    private static void copyRows(MemorySegment from, long at, long stride, MemorySegment to, long toAt, long toStride, long count, int rows) {
        for (int t = 0; t < rows; t++) {
            MemorySegment.copy(from, at + 4 * t * stride, to, toAt + 4 * t * toStride, 4 * count);
        }
    }

    private void rotate(TileTensor tensor, MemorySegment rows, boolean inverse) {
        if (beforeRope && tensor.part() == Part.KEY && tensor.layer().rope().isPresent()) {
            Rope rope = tensor.layer().rope().get();
            RopeKernel.Pairing pairing = rope.pairing() == Rope.Pairing.INTERLEAVED ? RopeKernel.Pairing.INTERLEAVED : RopeKernel.Pairing.HALVES;
            kernels.rope().rotate(ropes.get(rope, tensor.positions()), 0, rows, 0, tensor.tokens(), tensor.layer().kvHeads(), tensor.headDim(), pairing, inverse);
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
        ropes.close();
        buffer.close();
    }
}
