package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * One row between float scratch and packed group codes. There is one loop for each number of codes a byte, each without an inner
 * loop of unknown length and without helpers: C2 stops inlining ordinary methods after 8,000 bytecodes, which a few dozen vector
 * operations use up, and a vector that crosses a call is boxed. For keys the parameters lie a channel each, from {@code at}; for
 * values a group each, channel c at {@code at + (c >> shift)}.
 */
final class GroupLanes {
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Short> SHORT = VectorWidth.CODE_SHORT;
    private static final int LANES = FLOAT.length();
    private static final int SHORTS = SHORT.length();
    private static final boolean NARROWS = LANES >= 8;
    private static final int UNIT = CodeUnits.CODES;

    private GroupLanes() {}

    static void encodeKeys(int bits, int channels, float[] x, int from, float[] zeros, float[] inverses, int at, MemorySegment codes,
            long to) {
        switch (bits) {
            case 2 -> encodeKeys2(channels, x, from, zeros, inverses, at, codes, to);
            case 8 -> encodeKeys8(channels, x, from, zeros, inverses, at, codes, to);
            default -> encodeKeys4(bits, channels, x, from, zeros, inverses, at, codes, to);
        }
    }

    private static void encodeKeys2(int channels, float[] x, int from, float[] zeros, float[] inverses, int at,
            MemorySegment codes, long to) {
        long target = to;
        for (int unit = 0; unit < channels; unit += UNIT) {
            for (int v = 0; v < 16; v += LANES, target += LANES) { // constant bounds: unrolled away
                int j = unit + v;
                IntVector packed = FloatVector.fromArray(FLOAT, x, from + j)
                        .sub(FloatVector.fromArray(FLOAT, zeros, at + j))
                        .mul(FloatVector.fromArray(FLOAT, inverses, at + j))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                IntVector code1 = FloatVector.fromArray(FLOAT, x, from + j + 16)
                        .sub(FloatVector.fromArray(FLOAT, zeros, at + j + 16))
                        .mul(FloatVector.fromArray(FLOAT, inverses, at + j + 16))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                IntVector code2 = FloatVector.fromArray(FLOAT, x, from + j + 32)
                        .sub(FloatVector.fromArray(FLOAT, zeros, at + j + 32))
                        .mul(FloatVector.fromArray(FLOAT, inverses, at + j + 32))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                IntVector code3 = FloatVector.fromArray(FLOAT, x, from + j + 48)
                        .sub(FloatVector.fromArray(FLOAT, zeros, at + j + 48))
                        .mul(FloatVector.fromArray(FLOAT, inverses, at + j + 48))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                packed = packed.or(code1.lanewise(VectorOperators.LSHL, 2));
                packed = packed.or(code2.lanewise(VectorOperators.LSHL, 4));
                packed = packed.or(code3.lanewise(VectorOperators.LSHL, 6));
                if (NARROWS) {
                    ((ByteVector) packed.convertShape(VectorOperators.I2B, VectorWidth.BYTE_FOR_INT, 0)).intoMemorySegment(codes, target, LE);
                } else {
                    storeFour(packed, codes, target);
                }
            }
        }
    }

    private static void encodeKeys4(int bits, int channels, float[] x, int from, float[] zeros, float[] inverses, int at,
            MemorySegment codes, long to) {
        long target = to;
        for (int unit = 0; unit < channels; unit += UNIT) {
            for (int v = 0; v < 32; v += LANES, target += LANES) { // constant bounds: unrolled away
                int j = unit + v;
                IntVector packed = FloatVector.fromArray(FLOAT, x, from + j)
                        .sub(FloatVector.fromArray(FLOAT, zeros, at + j))
                        .mul(FloatVector.fromArray(FLOAT, inverses, at + j))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                IntVector code1 = FloatVector.fromArray(FLOAT, x, from + j + 32)
                        .sub(FloatVector.fromArray(FLOAT, zeros, at + j + 32))
                        .mul(FloatVector.fromArray(FLOAT, inverses, at + j + 32))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                packed = packed.or(code1.lanewise(VectorOperators.LSHL, bits));
                if (NARROWS) {
                    ((ByteVector) packed.convertShape(VectorOperators.I2B, VectorWidth.BYTE_FOR_INT, 0)).intoMemorySegment(codes, target, LE);
                } else {
                    storeFour(packed, codes, target);
                }
            }
        }
    }

    private static void encodeKeys8(int channels, float[] x, int from, float[] zeros, float[] inverses, int at,
            MemorySegment codes, long to) {
        long target = to;
        for (int unit = 0; unit < channels; unit += UNIT) {
            for (int v = 0; v < 64; v += LANES, target += LANES) { // constant bounds: unrolled away
                int j = unit + v;
                IntVector packed = FloatVector.fromArray(FLOAT, x, from + j)
                        .sub(FloatVector.fromArray(FLOAT, zeros, at + j))
                        .mul(FloatVector.fromArray(FLOAT, inverses, at + j))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                if (NARROWS) {
                    ((ByteVector) packed.convertShape(VectorOperators.I2B, VectorWidth.BYTE_FOR_INT, 0)).intoMemorySegment(codes, target, LE);
                } else {
                    storeFour(packed, codes, target);
                }
            }
        }
    }

    static void decodeKeys(int bits, int units, MemorySegment codes, long from, float[] zeros, float[] steps, float[] x, int to) {
        switch (bits) {
            case 2 -> decodeKeys2(units, codes, from, zeros, steps, x, to);
            case 8 -> decodeKeys8(units, codes, from, zeros, steps, x, to);
            default -> decodeKeys4(bits, units, codes, from, zeros, steps, x, to);
        }
    }

    private static void decodeKeys2(int units, MemorySegment codes, long from, float[] zeros, float[] steps, float[] x, int to) {
        long source = from;
        for (int unit = 0; unit < units * UNIT; unit += UNIT) {
            for (int v = 0; v < 16; v += SHORTS, source += SHORTS) { // constant bounds: unrolled away
                int j = unit + v;
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.CODE_BYTE, codes, source, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
                ShortVector code0 = packed.and((short) 3);
                ((FloatVector) code0.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.fromArray(FLOAT, steps, j))
                        .add(FloatVector.fromArray(FLOAT, zeros, j))
                        .intoArray(x, to + j);
                ShortVector code1 = packed.lanewise(VectorOperators.LSHR, 2).and((short) 3);
                ((FloatVector) code1.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.fromArray(FLOAT, steps, j + 16))
                        .add(FloatVector.fromArray(FLOAT, zeros, j + 16))
                        .intoArray(x, to + j + 16);
                ShortVector code2 = packed.lanewise(VectorOperators.LSHR, 4).and((short) 3);
                ((FloatVector) code2.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.fromArray(FLOAT, steps, j + 32))
                        .add(FloatVector.fromArray(FLOAT, zeros, j + 32))
                        .intoArray(x, to + j + 32);
                ShortVector code3 = packed.lanewise(VectorOperators.LSHR, 6).and((short) 3);
                ((FloatVector) code3.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.fromArray(FLOAT, steps, j + 48))
                        .add(FloatVector.fromArray(FLOAT, zeros, j + 48))
                        .intoArray(x, to + j + 48);
                if (VectorWidth.CODE_PARTS == 2) {
                    ((FloatVector) code0.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.fromArray(FLOAT, steps, j + LANES))
                            .add(FloatVector.fromArray(FLOAT, zeros, j + LANES))
                            .intoArray(x, to + j + LANES);
                    ((FloatVector) code1.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.fromArray(FLOAT, steps, j + LANES + 16))
                            .add(FloatVector.fromArray(FLOAT, zeros, j + LANES + 16))
                            .intoArray(x, to + j + LANES + 16);
                    ((FloatVector) code2.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.fromArray(FLOAT, steps, j + LANES + 32))
                            .add(FloatVector.fromArray(FLOAT, zeros, j + LANES + 32))
                            .intoArray(x, to + j + LANES + 32);
                    ((FloatVector) code3.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.fromArray(FLOAT, steps, j + LANES + 48))
                            .add(FloatVector.fromArray(FLOAT, zeros, j + LANES + 48))
                            .intoArray(x, to + j + LANES + 48);
                }
            }
        }
    }

    private static void decodeKeys4(int bits, int units, MemorySegment codes, long from, float[] zeros, float[] steps, float[] x, int to) {
        short mask = (short) ((1 << bits) - 1);
        long source = from;
        for (int unit = 0; unit < units * UNIT; unit += UNIT) {
            for (int v = 0; v < 32; v += SHORTS, source += SHORTS) { // constant bounds: unrolled away
                int j = unit + v;
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.CODE_BYTE, codes, source, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
                ShortVector code0 = packed.and(mask);
                ((FloatVector) code0.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.fromArray(FLOAT, steps, j))
                        .add(FloatVector.fromArray(FLOAT, zeros, j))
                        .intoArray(x, to + j);
                ShortVector code1 = packed.lanewise(VectorOperators.LSHR, bits).and(mask);
                ((FloatVector) code1.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.fromArray(FLOAT, steps, j + 32))
                        .add(FloatVector.fromArray(FLOAT, zeros, j + 32))
                        .intoArray(x, to + j + 32);
                if (VectorWidth.CODE_PARTS == 2) {
                    ((FloatVector) code0.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.fromArray(FLOAT, steps, j + LANES))
                            .add(FloatVector.fromArray(FLOAT, zeros, j + LANES))
                            .intoArray(x, to + j + LANES);
                    ((FloatVector) code1.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.fromArray(FLOAT, steps, j + LANES + 32))
                            .add(FloatVector.fromArray(FLOAT, zeros, j + LANES + 32))
                            .intoArray(x, to + j + LANES + 32);
                }
            }
        }
    }

    private static void decodeKeys8(int units, MemorySegment codes, long from, float[] zeros, float[] steps, float[] x, int to) {
        long source = from;
        for (int unit = 0; unit < units * UNIT; unit += UNIT) {
            for (int v = 0; v < 64; v += SHORTS, source += SHORTS) { // constant bounds: unrolled away
                int j = unit + v;
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.CODE_BYTE, codes, source, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
                ((FloatVector) packed.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.fromArray(FLOAT, steps, j))
                        .add(FloatVector.fromArray(FLOAT, zeros, j))
                        .intoArray(x, to + j);
                if (VectorWidth.CODE_PARTS == 2) {
                    ((FloatVector) packed.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.fromArray(FLOAT, steps, j + LANES))
                            .add(FloatVector.fromArray(FLOAT, zeros, j + LANES))
                            .intoArray(x, to + j + LANES);
                }
            }
        }
    }

    static void encodeValues(int bits, int channels, float[] x, int from, float[] zeros, float[] inverses, int at, int shift, MemorySegment codes,
            long to) {
        switch (bits) {
            case 2 -> encodeValues2(channels, x, from, zeros, inverses, at, shift, codes, to);
            case 8 -> encodeValues8(channels, x, from, zeros, inverses, at, shift, codes, to);
            default -> encodeValues4(bits, channels, x, from, zeros, inverses, at, shift, codes, to);
        }
    }

    private static void encodeValues2(int channels, float[] x, int from, float[] zeros, float[] inverses, int at, int shift,
            MemorySegment codes, long to) {
        long target = to;
        for (int unit = 0; unit < channels; unit += UNIT) {
            for (int v = 0; v < 16; v += LANES, target += LANES) { // constant bounds: unrolled away
                int j = unit + v;
                IntVector packed = FloatVector.fromArray(FLOAT, x, from + j)
                        .sub(FloatVector.broadcast(FLOAT, zeros[at + (j >> shift)]))
                        .mul(FloatVector.broadcast(FLOAT, inverses[at + (j >> shift)]))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                IntVector code1 = FloatVector.fromArray(FLOAT, x, from + j + 16)
                        .sub(FloatVector.broadcast(FLOAT, zeros[at + (j + 16 >> shift)]))
                        .mul(FloatVector.broadcast(FLOAT, inverses[at + (j + 16 >> shift)]))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                IntVector code2 = FloatVector.fromArray(FLOAT, x, from + j + 32)
                        .sub(FloatVector.broadcast(FLOAT, zeros[at + (j + 32 >> shift)]))
                        .mul(FloatVector.broadcast(FLOAT, inverses[at + (j + 32 >> shift)]))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                IntVector code3 = FloatVector.fromArray(FLOAT, x, from + j + 48)
                        .sub(FloatVector.broadcast(FLOAT, zeros[at + (j + 48 >> shift)]))
                        .mul(FloatVector.broadcast(FLOAT, inverses[at + (j + 48 >> shift)]))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                packed = packed.or(code1.lanewise(VectorOperators.LSHL, 2));
                packed = packed.or(code2.lanewise(VectorOperators.LSHL, 4));
                packed = packed.or(code3.lanewise(VectorOperators.LSHL, 6));
                if (NARROWS) {
                    ((ByteVector) packed.convertShape(VectorOperators.I2B, VectorWidth.BYTE_FOR_INT, 0)).intoMemorySegment(codes, target, LE);
                } else {
                    storeFour(packed, codes, target);
                }
            }
        }
    }

    private static void encodeValues4(int bits, int channels, float[] x, int from, float[] zeros, float[] inverses, int at, int shift,
            MemorySegment codes, long to) {
        long target = to;
        for (int unit = 0; unit < channels; unit += UNIT) {
            for (int v = 0; v < 32; v += LANES, target += LANES) { // constant bounds: unrolled away
                int j = unit + v;
                IntVector packed = FloatVector.fromArray(FLOAT, x, from + j)
                        .sub(FloatVector.broadcast(FLOAT, zeros[at + (j >> shift)]))
                        .mul(FloatVector.broadcast(FLOAT, inverses[at + (j >> shift)]))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                IntVector code1 = FloatVector.fromArray(FLOAT, x, from + j + 32)
                        .sub(FloatVector.broadcast(FLOAT, zeros[at + (j + 32 >> shift)]))
                        .mul(FloatVector.broadcast(FLOAT, inverses[at + (j + 32 >> shift)]))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                packed = packed.or(code1.lanewise(VectorOperators.LSHL, bits));
                if (NARROWS) {
                    ((ByteVector) packed.convertShape(VectorOperators.I2B, VectorWidth.BYTE_FOR_INT, 0)).intoMemorySegment(codes, target, LE);
                } else {
                    storeFour(packed, codes, target);
                }
            }
        }
    }

    private static void encodeValues8(int channels, float[] x, int from, float[] zeros, float[] inverses, int at, int shift,
            MemorySegment codes, long to) {
        long target = to;
        for (int unit = 0; unit < channels; unit += UNIT) {
            for (int v = 0; v < 64; v += LANES, target += LANES) { // constant bounds: unrolled away
                int j = unit + v;
                IntVector packed = FloatVector.fromArray(FLOAT, x, from + j)
                        .sub(FloatVector.broadcast(FLOAT, zeros[at + (j >> shift)]))
                        .mul(FloatVector.broadcast(FLOAT, inverses[at + (j >> shift)]))
                        .add(GroupCode.ROUND).reinterpretAsInts();
                if (NARROWS) {
                    ((ByteVector) packed.convertShape(VectorOperators.I2B, VectorWidth.BYTE_FOR_INT, 0)).intoMemorySegment(codes, target, LE);
                } else {
                    storeFour(packed, codes, target);
                }
            }
        }
    }

    static void decodeValues(int bits, int units, MemorySegment codes, long from, float[] zeros, float[] steps, int at, int shift, float[] x, int to) {
        switch (bits) {
            case 2 -> decodeValues2(units, codes, from, zeros, steps, at, shift, x, to);
            case 8 -> decodeValues8(units, codes, from, zeros, steps, at, shift, x, to);
            default -> decodeValues4(bits, units, codes, from, zeros, steps, at, shift, x, to);
        }
    }

    private static void decodeValues2(int units, MemorySegment codes, long from, float[] zeros, float[] steps, int at, int shift, float[] x, int to) {
        long source = from;
        for (int unit = 0; unit < units * UNIT; unit += UNIT) {
            for (int v = 0; v < 16; v += SHORTS, source += SHORTS) { // constant bounds: unrolled away
                int j = unit + v;
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.CODE_BYTE, codes, source, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
                ShortVector code0 = packed.and((short) 3);
                ((FloatVector) code0.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.broadcast(FLOAT, steps[at + (j >> shift)]))
                        .add(FloatVector.broadcast(FLOAT, zeros[at + (j >> shift)]))
                        .intoArray(x, to + j);
                ShortVector code1 = packed.lanewise(VectorOperators.LSHR, 2).and((short) 3);
                ((FloatVector) code1.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.broadcast(FLOAT, steps[at + (j + 16 >> shift)]))
                        .add(FloatVector.broadcast(FLOAT, zeros[at + (j + 16 >> shift)]))
                        .intoArray(x, to + j + 16);
                ShortVector code2 = packed.lanewise(VectorOperators.LSHR, 4).and((short) 3);
                ((FloatVector) code2.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.broadcast(FLOAT, steps[at + (j + 32 >> shift)]))
                        .add(FloatVector.broadcast(FLOAT, zeros[at + (j + 32 >> shift)]))
                        .intoArray(x, to + j + 32);
                ShortVector code3 = packed.lanewise(VectorOperators.LSHR, 6).and((short) 3);
                ((FloatVector) code3.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.broadcast(FLOAT, steps[at + (j + 48 >> shift)]))
                        .add(FloatVector.broadcast(FLOAT, zeros[at + (j + 48 >> shift)]))
                        .intoArray(x, to + j + 48);
                if (VectorWidth.CODE_PARTS == 2) {
                    ((FloatVector) code0.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.broadcast(FLOAT, steps[at + (j + LANES >> shift)]))
                            .add(FloatVector.broadcast(FLOAT, zeros[at + (j + LANES >> shift)]))
                            .intoArray(x, to + j + LANES);
                    ((FloatVector) code1.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.broadcast(FLOAT, steps[at + (j + LANES + 16 >> shift)]))
                            .add(FloatVector.broadcast(FLOAT, zeros[at + (j + LANES + 16 >> shift)]))
                            .intoArray(x, to + j + LANES + 16);
                    ((FloatVector) code2.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.broadcast(FLOAT, steps[at + (j + LANES + 32 >> shift)]))
                            .add(FloatVector.broadcast(FLOAT, zeros[at + (j + LANES + 32 >> shift)]))
                            .intoArray(x, to + j + LANES + 32);
                    ((FloatVector) code3.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.broadcast(FLOAT, steps[at + (j + LANES + 48 >> shift)]))
                            .add(FloatVector.broadcast(FLOAT, zeros[at + (j + LANES + 48 >> shift)]))
                            .intoArray(x, to + j + LANES + 48);
                }
            }
        }
    }

    private static void decodeValues4(int bits, int units, MemorySegment codes, long from, float[] zeros, float[] steps, int at, int shift, float[] x, int to) {
        short mask = (short) ((1 << bits) - 1);
        long source = from;
        for (int unit = 0; unit < units * UNIT; unit += UNIT) {
            for (int v = 0; v < 32; v += SHORTS, source += SHORTS) { // constant bounds: unrolled away
                int j = unit + v;
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.CODE_BYTE, codes, source, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
                ShortVector code0 = packed.and(mask);
                ((FloatVector) code0.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.broadcast(FLOAT, steps[at + (j >> shift)]))
                        .add(FloatVector.broadcast(FLOAT, zeros[at + (j >> shift)]))
                        .intoArray(x, to + j);
                ShortVector code1 = packed.lanewise(VectorOperators.LSHR, bits).and(mask);
                ((FloatVector) code1.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.broadcast(FLOAT, steps[at + (j + 32 >> shift)]))
                        .add(FloatVector.broadcast(FLOAT, zeros[at + (j + 32 >> shift)]))
                        .intoArray(x, to + j + 32);
                if (VectorWidth.CODE_PARTS == 2) {
                    ((FloatVector) code0.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.broadcast(FLOAT, steps[at + (j + LANES >> shift)]))
                            .add(FloatVector.broadcast(FLOAT, zeros[at + (j + LANES >> shift)]))
                            .intoArray(x, to + j + LANES);
                    ((FloatVector) code1.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.broadcast(FLOAT, steps[at + (j + LANES + 32 >> shift)]))
                            .add(FloatVector.broadcast(FLOAT, zeros[at + (j + LANES + 32 >> shift)]))
                            .intoArray(x, to + j + LANES + 32);
                }
            }
        }
    }

    private static void decodeValues8(int units, MemorySegment codes, long from, float[] zeros, float[] steps, int at, int shift, float[] x, int to) {
        long source = from;
        for (int unit = 0; unit < units * UNIT; unit += UNIT) {
            for (int v = 0; v < 64; v += SHORTS, source += SHORTS) { // constant bounds: unrolled away
                int j = unit + v;
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.CODE_BYTE, codes, source, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
                ((FloatVector) packed.convertShape(VectorOperators.S2F, FLOAT, 0))
                        .mul(FloatVector.broadcast(FLOAT, steps[at + (j >> shift)]))
                        .add(FloatVector.broadcast(FLOAT, zeros[at + (j >> shift)]))
                        .intoArray(x, to + j);
                if (VectorWidth.CODE_PARTS == 2) {
                    ((FloatVector) packed.convertShape(VectorOperators.S2F, FLOAT, 1))
                            .mul(FloatVector.broadcast(FLOAT, steps[at + (j + LANES >> shift)]))
                            .add(FloatVector.broadcast(FLOAT, zeros[at + (j + LANES >> shift)]))
                            .intoArray(x, to + j + LANES);
                }
            }
        }
    }

    /** Four lanes, and no vector of four bytes to narrow them to. */
    private static void storeFour(IntVector packed, MemorySegment codes, long to) {
        for (int i = 0; i < LANES; i++) {
            codes.set(ValueLayout.JAVA_BYTE, to + i, (byte) packed.lane(i));
        }
    }
}
