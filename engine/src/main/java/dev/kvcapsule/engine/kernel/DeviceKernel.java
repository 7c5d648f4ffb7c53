package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * What a device does in one go, where the processor takes several steps: rows are read once, in their own type and with RoPE undone on the way, and codes are written
 * once. Results are those of the other kernels, bit for bit. Every segment may be the host's or {@linkplain #memory the device's}; calls from several threads run at once,
 * those of one thread in turn. A call that leaves something in the host's memory returns when it is there.
 */
public interface DeviceKernel {
    /**
     * How keys were turned, which a quantizer that works before RoPE undoes.
     *
     * @param table cosines and sines, a row a token
     * @param pairing which channels of a head form a pair
     * @param headDim channels of a head
     */
    record Turn(RopeTable table, RopeKernel.Pairing pairing, int headDim) {}

    /**
     * Rows of a tensor.
     *
     * @param memory [tokens][channels], from its first byte on
     * @param type of the elements
     * @param turn how keys were turned; null where rows are taken as they are
     */
    record Rows(MemorySegment memory, ElementType type, Turn turn) {}

    /**
     * Rows of a tensor that are a part of token vectors.
     *
     * @param rows the rows
     * @param channels of each
     */
    record Columns(Rows rows, int channels) {}

    /** Where intermediate results are kept without a way over the bus. */
    MemoryPlace memory();

    /** Kernels for what stays in the host's memory. */
    Kernels host();

    /**
     * As {@link QuantKernel#quantize}.
     *
     * @param shape the slice; its type of rows is not looked at
     * @return groups that cannot be represented
     */
    long quantize(QuantShape shape, Rows rows, MemorySegment codes, MemorySegment zeros, MemorySegment steps);

    /**
     * As {@link QuantKernel#dequantize}, with RoPE done again.
     *
     * @throws IllegalArgumentException if a parameter is not finite; the rows then hold anything
     */
    void dequantize(QuantShape shape, MemorySegment codes, MemorySegment zeros, MemorySegment steps, Rows rows);

    /** As {@link HadamardKernel#means}. */
    void means(RotationShape shape, Rows rows, MemorySegment means);

    /** As {@link HadamardKernel#encode}; means are not looked at unless the shape is centered. */
    long encode(RotationShape shape, Rows rows, MemorySegment means, MemorySegment codes, MemorySegment gains);

    /**
     * As {@link HadamardKernel#decode}, with RoPE done again.
     *
     * @throws IllegalArgumentException if a parameter is not finite; the rows then hold anything
     */
    void decode(RotationShape shape, MemorySegment codes, MemorySegment gains, MemorySegment means, Rows rows);

    /**
     * 8-bit floats in blocks of 32 channels, as the chapter "fp8" of docs/format.md has them.
     *
     * @param tokens rows
     * @param width channels of a row
     * @param scales a byte for each block, token by token
     * @param elements a byte for each channel, token by token
     * @return whether every value was finite; if not, the outputs hold anything
     */
    boolean toFp8(Rows rows, int tokens, int width, MemorySegment scales, MemorySegment elements);

    /** The inverse of {@link #toFp8}. @return whether all scales and elements were numbers; if not, the rows hold anything */
    boolean fromFp8(MemorySegment scales, MemorySegment elements, int tokens, int width, Rows rows);

    /**
     * Sums of squared errors and of squares, in the order in which the pipeline's meter adds them.
     *
     * @param x the original
     * @param y what came back
     * @param type of both
     * @param count elements
     * @param piece elements that are summed up in binary32 before they go into a double
     * @param sums receives the two; anything if not all is finite
     * @return whether every error is finite
     */
    boolean measure(MemorySegment x, MemorySegment y, ElementType type, long count, int piece, double[] sums);

    /**
     * Joins rows of tensors to one f32 vector a token, with RoPE undone.
     *
     * @param columns the tensors, in the order in which they follow in a vector
     * @param tokens rows of each
     * @param largest bits of the least binary32 magnitude that is too large
     * @param vectors receives f32 {@code [tokens][sum of channels]}
     * @return whether no number was too large, nor an infinity or NaN; if not, the vectors hold anything
     */
    boolean join(List<Columns> columns, int tokens, int largest, MemorySegment vectors);

    /** Takes vectors apart, with RoPE done again and rounded to the nearest number of each type. */
    void split(MemorySegment vectors, int tokens, List<Columns> columns);
}
