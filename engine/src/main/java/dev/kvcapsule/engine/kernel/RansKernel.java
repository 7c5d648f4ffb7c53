package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;

/**
 * A 64-lane interleaved rANS coder of bytes with static, position-periodic models.
 *
 * <p>Sources: J. Duda, "Asymmetric numeral systems", arXiv 1311.2540; F. Giesen, "Interleaved
 * entropy coders", arXiv 1402.3392. Every implementation reads and writes the same bytes.
 *
 * <p>A stream is the 16-bit words in the order in which the decoder reads them, then the 64 initial
 * decoder states as u32, lane 0 first; all little-endian. Because the states come last, a decoder
 * may load a whole row of words from any valid position without leaving the stream.
 *
 * <p>Segments are native; kernels keep no reference to them. Implementations are stateless and safe
 * for concurrent use.
 */
public interface RansKernel {
    /** Number of interleaved coders; symbol i belongs to lane {@code i % LANES}. */
    int LANES = 64;

    /** Bytes of the 64 initial states at the end of every stream. */
    int STATE_BYTES = 4 * LANES;

    /** Smallest normalised state, also the state an encoder starts from and a decoder ends in. */
    int STATE_MIN = 1 << 15;

    /** Room past the longest stream, so that an encoder may always store whole vectors. */
    int OUTPUT_SLACK = 64;

    /**
     * Size an output segment must have; at most one 16-bit word is written for a symbol.
     *
     * @param n number of symbols, not negative
     * @return bytes
     */
    static long maxEncodedBytes(long n) {
        if (n < 0) {
            throw new IllegalArgumentException("negative symbol count: " + n);
        }
        return Math.addExact(Math.multiplyExact(n, 2L), STATE_BYTES + OUTPUT_SLACK);
    }

    /**
     * Encodes bytes.
     *
     * @param symbols native segment of at least {@code n} bytes
     * @param n number of symbols, 0 or more
     * @param tables the models
     * @param contexts which table models which symbol
     * @param out native segment of at least {@link #maxEncodedBytes} bytes, not overlapping
     *     {@code symbols}; bytes past the stream are left undefined
     * @return length of the stream, written from {@code out}'s first byte on
     * @throws IllegalArgumentException if a segment is too small or not native, if {@code contexts}
     *     names a table that {@code tables} lacks, or if a symbol has frequency 0 in its table
     */
    long encode(MemorySegment symbols, long n, RansTables tables, RansContexts contexts, MemorySegment out);

    /**
     * Decodes a stream. Total: whatever the stream holds, it reads only {@code in}, writes only the
     * first {@code n} bytes of {@code symbols}, and ends after at most n steps.
     *
     * @param in native segment that is exactly one stream
     * @param symbols native segment of at least {@code n} bytes
     * @param n number of symbols, 0 or more
     * @param tables the models
     * @param contexts which table models which symbol
     * @throws MalformedDataException if the stream's words or states do not fit {@code n} symbols of
     *     these models; {@code symbols} is then undefined
     * @throws IllegalArgumentException if {@code symbols} is too small, a segment is not native, or
     *     {@code contexts} names a table that {@code tables} lacks
     */
    void decode(MemorySegment in, MemorySegment symbols, long n, RansTables tables, RansContexts contexts)
            throws MalformedDataException;
}
