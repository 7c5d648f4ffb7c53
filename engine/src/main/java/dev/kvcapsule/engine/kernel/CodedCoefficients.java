package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A coded matrix of coefficients: the number of words, the words, 64 states, the bit string.
 *
 * @param bytes all of it
 * @param words how many there are, 16 bits each
 */
public record CodedCoefficients(MemorySegment bytes, int words) {
    /** Bytes before the words. */
    public static final long HEADER_BYTES = 4;

    /** Bytes of the states. */
    public static final long STATE_BYTES = 4L * CoefficientKernel.LANES;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * Looks at the lengths.
     *
     * @throws MalformedDataException if these bytes cannot be a matrix of that size
     */
    public static CodedCoefficients of(MemorySegment bytes, int rows, int components) throws MalformedDataException {
        if (bytes.byteSize() < HEADER_BYTES + STATE_BYTES) {
            throw new MalformedDataException("coefficients of " + bytes.byteSize() + " bytes");
        }
        int words = bytes.get(INT, 0);
        if (words < 0 || words > (long) rows * components || HEADER_BYTES + 2L * words > bytes.byteSize() - STATE_BYTES) {
            throw new MalformedDataException("coefficients with " + words + " words in " + bytes.byteSize() + " bytes");
        }
        return new CodedCoefficients(bytes, words);
    }

    /** Bytes before the bit string. */
    public long bitsAt() {
        return HEADER_BYTES + 2L * words + STATE_BYTES;
    }

    /** The bit string. */
    MemorySegment bits() {
        return bytes.asSlice(bitsAt());
    }

    /** What is wrong with a matrix that ends before its words do, or the other way round. */
    public static MalformedDataException wrongWords(int used, int words) {
        return new MalformedDataException(used > words ? "coefficients end early" : "coefficients use " + used + " of " + words + " words");
    }
}
