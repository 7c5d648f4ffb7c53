package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;

/**
 * An interleaved rANS coder of bytes with static, position-periodic models.
 *
 * <p>Sources: J. Duda, "Asymmetric numeral systems", arXiv 1311.2540; F. Giesen, "Interleaved
 * entropy coders", arXiv 1402.3392. Every implementation reads and writes the same bytes.
 *
 * <p>Symbols are coded in rows of 64. Lane c (0..63) codes position {@code 4 * (c % 16) + c / 16} of
 * every row; lanes that share {@code c / 16} fill one 512-bit vector, and the bytes of four such
 * vectors interleave without a permutation.
 *
 * <p>Long streams have two sets of lanes, which rows use in turn ({@link #laneSets}).
 *
 * <p>A stream is the 16-bit words in the order in which the decoder reads them, row by row and in a
 * row by ascending lane, then the initial decoder states as u32, set 0 first, in a set lane 0 first;
 * all little-endian.
 * Because the states come last, a decoder may load a whole row of words from any valid position
 * without leaving the stream.
 *
 * <p>Segments are native; kernels keep no reference to them. Implementations are stateless and safe
 * for concurrent use.
 */
public interface RansKernel {
    /** Symbols of a row, each coded by a lane of its own. */
    int LANES = 64;

    /** Bytes of the states of a set of 64 lanes. */
    int STATE_BYTES = 4 * LANES;

    /** Number of symbols from which on rows take turns on two sets of lanes. */
    int TWO_SETS_FROM = 1 << 16;

    /** Smallest normalised state, also the state an encoder starts from and a decoder ends in. */
    int STATE_MIN = 1 << 15;

    /** Room past the longest stream, so that an encoder may always store whole vectors. */
    int OUTPUT_SLACK = 64;

    /**
     * Sets of 64 lanes in a stream: a row's steps depend on the row before in the same set, so that
     * two sets let a CPU overlap them, but cost 256 bytes more.
     *
     * @param n number of symbols
     * @return 1 or 2; row r belongs to set {@code r % laneSets(n)}
     */
    static int laneSets(long n) {
        return n < TWO_SETS_FROM ? 1 : 2;
    }

    /**
     * Where in each row a lane's symbol is.
     *
     * @param lane 0 to 63
     * @return position, 0 to 63
     */
    static int position(int lane) {
        return lane % 16 * 4 + lane / 16;
    }

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
        return Math.addExact(Math.multiplyExact(n, 2L), laneSets(n) * STATE_BYTES + OUTPUT_SLACK);
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
