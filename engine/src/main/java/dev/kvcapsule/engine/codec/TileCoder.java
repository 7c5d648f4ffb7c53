package dev.kvcapsule.engine.codec;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Codes tiles in one direction and the other. Used by one thread at a time; owns scratch memory until it is closed. */
public interface TileCoder extends AutoCloseable {
    /** What {@link #encode} returns for a tile that this codec cannot carry (infinities, NaN, extremes); it is then coded losslessly. */
    long UNREPRESENTABLE = -1;

    /** An upper bound of what {@link #encode} writes for these tensors. */
    long maxEncodedBytes(List<TileTensor> tensors);

    /**
     * @param tile where in its sub-cache the tile lies
     * @param tensors the tile's tensors
     * @param out native memory of at least {@link #maxEncodedBytes} bytes
     * @return bytes written, from offset 0; or {@link #UNREPRESENTABLE}
     */
    long encode(Tile tile, List<TileTensor> tensors, MemorySegment out);

    /**
     * @param in exactly what {@link #encode} wrote, or anything else
     * @param tile as at encoding time
     * @param tensors shapes as at encoding time; their rows are written
     * @throws MalformedDataException if {@code in} is not an encoding of such tensors; the rows then hold anything
     */
    void decode(MemorySegment in, Tile tile, List<TileTensor> tensors) throws MalformedDataException;

    /**
     * Whether it codes and restores these tensors where a device has them; otherwise rows have to be in the host's memory.
     *
     * @param tensors as at encoding or decoding time; memory does not matter
     */
    default boolean worksOnDevice(List<TileTensor> tensors) {
        return false;
    }

    /**
     * Measures an error as the codec weighs it, if it was asked to keep one within bounds.
     *
     * @param original the tile's tensors
     * @param decoded what came back
     * @param sums the weighted squared error is added to the first, the weighted squares of the original to the second number
     * @return whether it was measured; most codecs have no measure of their own
     */
    default boolean weigh(Tile tile, List<TileTensor> original, List<TileTensor> decoded, double[] sums) {
        return false;
    }

    /**
     * Measures how well a basis that was made of other caches suits the tile that {@link #encode} coded last.
     *
     * @param sums added are: to the first the weighted energy that lies outside the basis, to the second what that would be in a cache like those, to the third the energy
     * @return whether it was measured; most codecs have no such basis
     */
    default boolean fit(double[] sums) {
        return false;
    }

    @Override
    void close();
}
