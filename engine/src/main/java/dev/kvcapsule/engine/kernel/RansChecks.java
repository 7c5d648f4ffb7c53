package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;

/** Argument and stream checks that every {@link RansKernel} makes once a call. */
final class RansChecks {
    private RansChecks() {}

    /** The encoder's arguments. */
    static void encode(MemorySegment symbols, long n, RansTables tables, RansContexts contexts, MemorySegment out) {
        if (!out.isNative() || out.byteSize() < RansKernel.maxEncodedBytes(n)) {
            throw new IllegalArgumentException("the output must be native and of at least maxEncodedBytes(" + n + ")");
        }
        common(symbols, n, tables, contexts);
    }

    /**
     * The decoder's arguments and the length of its stream.
     *
     * @return bytes of the words, which the initial states follow
     */
    static long decode(MemorySegment in, MemorySegment symbols, long n, RansTables tables, RansContexts contexts)
            throws MalformedDataException {
        if (!in.isNative()) {
            throw new IllegalArgumentException("kernels take native memory only");
        }
        common(symbols, n, tables, contexts);
        long words = in.byteSize() - RansKernel.laneSets(n) * RansKernel.STATE_BYTES;
        if (words < 0 || words % 2 != 0 || words / 2 > n) {
            throw new MalformedDataException("no rANS stream of " + n + " symbols has " + in.byteSize() + " bytes");
        }
        return words;
    }

    /** The initial state of a lane must be in [2^15, 2^31). */
    static int initialState(int state) throws MalformedDataException {
        if (state < RansKernel.STATE_MIN) {
            throw new MalformedDataException("rANS state out of range");
        }
        return state;
    }

    /** What must hold after the last symbol: all words used up, every lane in the state its encoder started from. */
    static void end(long position, long words, int[] states) throws MalformedDataException {
        if (position != words) {
            throw new MalformedDataException("rANS decoder ends at byte " + position + " of " + words);
        }
        for (int state : states) {
            if (state != RansKernel.STATE_MIN) {
                throw new MalformedDataException("rANS stream ends in a wrong state");
            }
        }
    }

    /** The decoder needs more words than there are. */
    static MalformedDataException early() {
        return new MalformedDataException("rANS stream ends early");
    }

    /** The encoder met a symbol whose frequency is 0. */
    static IllegalArgumentException uncodable() {
        return new IllegalArgumentException("a symbol has frequency 0 in its table");
    }

    private static void common(MemorySegment symbols, long n, RansTables tables, RansContexts contexts) {
        if (n < 0 || !symbols.isNative() || symbols.byteSize() < n) {
            throw new IllegalArgumentException("symbols must be native memory of at least " + n + " bytes");
        }
        if (contexts.largestTable() >= tables.count()) {
            throw new IllegalArgumentException(
                    "contexts name table " + contexts.largestTable() + " of " + tables.count());
        }
    }
}
