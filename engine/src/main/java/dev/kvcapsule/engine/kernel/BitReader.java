package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Reads what {@link BitWriter} wrote. */
final class BitReader {
    private final byte[] bytes;
    private int next;
    private long pending;
    private int pendingBits;

    BitReader(MemorySegment bytes) {
        // An array: segments are slow to read byte by byte before C2 has come.
        this.bytes = bytes.toArray(ValueLayout.JAVA_BYTE);
    }

    /** @param bits 0 to 32 */
    int read(int bits) throws MalformedDataException {
        while (pendingBits < bits) {
            if (next == bytes.length) {
                throw new MalformedDataException("low bits of coefficients end early");
            }
            pending |= (bytes[next++] & 0xFFL) << pendingBits;
            pendingBits += 8;
        }
        int value = (int) (pending & (1L << bits) - 1);
        pending >>>= bits;
        pendingBits -= bits;
        return value;
    }

    /** Reads an Elias gamma code. @return 1 to 2^24 - 1 */
    int readGamma() throws MalformedDataException {
        int bits = 0;
        while (read(1) == 0) {
            if (++bits == CoefficientKernel.MAX_GAMMA_BITS) {
                throw new MalformedDataException("coefficient out of range");
            }
        }
        return 1 << bits | read(bits);
    }

    /** @throws MalformedDataException if more than the last byte's padding, or anything but zeros, is left */
    void end() throws MalformedDataException {
        if (next != bytes.length || pending != 0) {
            throw new MalformedDataException("bits follow the coefficients' low bits");
        }
    }
}
