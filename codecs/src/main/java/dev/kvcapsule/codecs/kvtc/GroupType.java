package dev.kvcapsule.codecs.kvtc;

/** How the coefficients of a group are kept. */
enum GroupType {
    /** Not at all: they are zero. */
    NONE(0),
    /** Four levels. */
    INT2(2),
    /** Sixteen levels. */
    INT4(4),
    /** E4M3. */
    FP8(8);

    /** Bytes of shift and scale. */
    static final int PARAMETER_BYTES = 4;

    private static final GroupType[] ALL = values();

    private final int bits;

    GroupType(int bits) {
        this.bits = bits;
    }

    static GroupType of(int number) {
        return ALL[number];
    }

    int bits() {
        return bits;
    }

    /** Largest code of an integer type. */
    int levels() {
        return (1 << bits) - 1;
    }

    /** Bytes of a token's codes in a group of that many components. */
    int codeBytes(int size) {
        return Math.ceilDiv(size * bits, Byte.SIZE);
    }

    /** Bytes that a token takes in a group of that many components. */
    int bytes(int size) {
        return this == NONE ? 0 : PARAMETER_BYTES + codeBytes(size);
    }
}
