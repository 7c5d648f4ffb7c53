package dev.kvcapsule.codecs.quantizer;

/**
 * Signed integers of 8 bits as bytes whose size grows with the magnitude (0, -1, 1, -2, ...): entropy coding groups positions by the mean of their bytes,
 * which then tells how far their numbers spread.
 */
public final class SignedCodes {
    /** Largest magnitude. */
    public static final int MAX = 127;

    private SignedCodes() {}

    /** The byte of a number from -{@value #MAX} to {@value #MAX}. */
    public static byte fold(int code) {
        return (byte) (code << 1 ^ code >> 31);
    }

    /** The number of a byte; 255 is -128. */
    public static int unfold(byte folded) {
        return (folded & 0xFF) >>> 1 ^ -(folded & 1);
    }
}
