package dev.kvcapsule.codecs.quantizer;

import dev.kvcapsule.engine.cache.DType;
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

/**
 * Presents a tensor's rows to a quantizer and takes them back. Where the type is a float and RoPE stays, that is the tensor's own memory; else
 * it is a binary32 copy, with RoPE undone (and done again on the way back) if asked for. Keys before RoPE vary less from token to token, since
 * the rotation by position is gone (KVQuant, arXiv 2401.18079, section 3.2).
 */
public final class QuantizerRows implements AutoCloseable {
    private final Kernels kernels;
    private final boolean beforeRope;
    private final RopeTables tables = new RopeTables();
    private final GrowingBuffer buffer = new GrowingBuffer();

    /** @param beforeRope whether keys are to be presented as they were before RoPE, where the cache says how they were rotated */
    public QuantizerRows(Kernels kernels, boolean beforeRope) {
        this.kernels = kernels;
        this.beforeRope = beforeRope;
    }

    private boolean undoesRope(TileTensor tensor) {
        return beforeRope && tensor.part() == Part.KEY && tensor.layer().rope().isPresent();
    }

    private boolean isDirect(TileTensor tensor) {
        return ElementType.has(tensor.type()) && !undoesRope(tensor);
    }

    /** Whether the kernels' device reads and writes this tensor's rows itself, in its own type and with RoPE; then {@link #onDevice} has them. */
    public boolean isOnDevice(TileTensor tensor) {
        return kernels.device() != null && ElementType.has(tensor.type());
    }

    /** A tensor's rows for the kernels' device. */
    public DeviceKernel.Rows onDevice(TileTensor tensor) {
        DeviceKernel.Turn turn = null;
        if (undoesRope(tensor)) {
            Rope rope = tensor.layer().rope().orElseThrow();
            turn = new DeviceKernel.Turn(tables.get(rope, tensor.positions()), pairing(rope), tensor.headDim());
        }
        return new DeviceKernel.Rows(tensor.rows(), ElementType.of(tensor.type()), turn);
    }

    /** The type of what {@link #load} returns and {@link #target} takes. */
    public ElementType type(TileTensor tensor) {
        return isDirect(tensor) ? ElementType.of(tensor.type()) : ElementType.F32;
    }

    /** The 16-bit type for a quantizer's parameters: that of the tensor, so that its range is covered. */
    public ElementType parameterType(TileTensor tensor) {
        return tensor.type() == DType.BF16 || tensor.type() == DType.F32 ? ElementType.BF16 : ElementType.F16;
    }

    /** Rows to be read by a quantizer; valid until the next call. */
    public MemorySegment load(TileTensor tensor) {
        if (isDirect(tensor)) {
            return tensor.rows();
        }
        MemorySegment rows = floats(tensor);
        RowFloats.toF32(kernels, tensor.type(), tensor.rows(), tensor.elements(), rows);
        if (undoesRope(tensor)) {
            rotate(tensor, rows, true);
        }
        return rows;
    }

    /** Memory for a dequantizer to write to; {@link #store} brings it home. */
    public MemorySegment target(TileTensor tensor) {
        return isDirect(tensor) ? tensor.rows() : floats(tensor);
    }

    /** Finishes what was written to {@link #target}. */
    public void store(TileTensor tensor) {
        if (isDirect(tensor)) {
            return;
        }
        MemorySegment floats = floats(tensor);
        if (undoesRope(tensor)) {
            rotate(tensor, floats, false);
        }
        RowFloats.fromF32(kernels, tensor.type(), floats, tensor.elements(), tensor.rows());
    }

    private void rotate(TileTensor tensor, MemorySegment rows, boolean inverse) {
        Rope rope = tensor.layer().rope().orElseThrow();
        kernels.rope().rotate(tables.get(rope, tensor.positions()), 0, rows, 0, tensor.tokens(), tensor.layer().kvHeads(), tensor.headDim(), pairing(rope), inverse);
    }

    private static RopeKernel.Pairing pairing(Rope rope) {
        return rope.pairing() == Rope.Pairing.INTERLEAVED ? RopeKernel.Pairing.INTERLEAVED : RopeKernel.Pairing.HALVES;
    }

    private MemorySegment floats(TileTensor tensor) {
        return buffer.atLeast(tensor.elements() * Float.BYTES);
    }

    @Override
    public void close() {
        buffer.close();
    }
}
