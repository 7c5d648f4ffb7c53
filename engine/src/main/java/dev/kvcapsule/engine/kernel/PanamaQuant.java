package dev.kvcapsule.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link QuantKernel} with the Vector API. Rows that are not a whole number of code units are staged through padded ones; slices
 * with a group that is out of the ordinary (an infinity, a range beyond the format) go to {@link ScalarQuant} whole.
 */
public final class PanamaQuant implements QuantKernel {
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Integer> INT = VectorWidth.INT;
    private static final int LANES = FLOAT.length();
    private static final boolean NARROWS = LANES >= 8;
    /** Bytes of rows handled between the two passes of the encoder: they stay in the second-level cache. */
    private static final int BLOCK_BYTES = 1 << 17;
    private static final ConvertKernel CONVERT = new PanamaConvert();
    private static final QuantKernel SCALAR = new ScalarQuant();

    /** Creates the kernel; it has no state. */
    public PanamaQuant() {}

    @Override
    public long quantize(QuantShape shape, MemorySegment rows, long rowsOffset, MemorySegment codes, long codesOffset,
            MemorySegment zeros, long zerosOffset, MemorySegment steps, long stepsOffset) {
        QuantBounds.quantize(shape, rows, rowsOffset, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset);
        boolean done;
        if (shape.channels() % CodeUnits.CODES == 0) {
            done = quantizeWhole(shape, shape, rows, rowsOffset, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset);
        } else {
            QuantShape padded = RowPadding.widen(shape);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment wide = RowPadding.pad(shape, rows, rowsOffset, arena);
                done = quantizeWhole(shape, padded, wide, 0, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset);
            }
            RowPadding.clearCodes(shape, codes, codesOffset);
        }
        return done ? 0 : SCALAR.quantize(shape, rows, rowsOffset, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset);
    }

    /** Quantizes rows of whole units; parameters of padding ({@code wide} against {@code shape}) are not written. */
    private static boolean quantizeWhole(QuantShape shape, QuantShape wide, MemorySegment rows, long rowsOffset, MemorySegment codes,
            long codesOffset, MemorySegment zeros, long zerosOffset, MemorySegment steps, long stepsOffset) {
        boolean keys = wide.grouping() == QuantShape.Grouping.TOKENS;
        int channels = wide.channels();
        int group = wide.group();
        int kept = keys ? shape.channels() : shape.groups();
        int each = keys ? channels : wide.groups();
        long rowBytes = (long) channels * wide.rows().bytes();
        int codeRow = CodeUnits.rowBytes(wide.bits(), channels);
        int block = (int) Math.max(1, BLOCK_BYTES / (group * rowBytes)) * group;
        int most = Math.min(block, wide.tokens());
        int capacity = (keys ? (most + group - 1) / group : most) * each;
        GroupScratch scratch = new GroupScratch(capacity, channels, !keys && wide.rows() != ElementType.F32);
        for (int token = 0; token < wide.tokens(); token += block) {
            int count = Math.min(block, wide.tokens() - token);
            int runs = keys ? (count + group - 1) / group : count;
            long from = rowsOffset + token * rowBytes;
            ranges(wide, rows, from, count, scratch);
            if (!GroupFit.fit(wide.parameter(), wide.levels(), scratch.min, scratch.max, runs * each, scratch.zeros, scratch.steps,
                    scratch.zeroValues, scratch.inverses)) {
                return false;
            }
            long first = (long) (keys ? token / group : token) * kept;
            for (int run = 0; run < runs; run++) {
                long at = 2 * (first + (long) run * kept);
                MemorySegment.copy(scratch.zeros, run * each, zeros, Bounds.SHORT, zerosOffset + at, kept);
                MemorySegment.copy(scratch.steps, run * each, steps, Bounds.SHORT, stepsOffset + at, kept);
            }
            for (int t = 0; t < count; t++) {
                long row = from + t * rowBytes;
                long code = codesOffset + (long) (token + t) * codeRow;
                if (keys) {
                    encode(wide, rows, row, scratch.zeroValues, scratch.inverses, t / group * each, codes, code);
                } else {
                    spread(scratch.zeroValues, t * each, group, scratch.rowZeros);
                    spread(scratch.inverses, t * each, group, scratch.rowInverses);
                    encode(wide, rows, row, scratch.rowZeros, scratch.rowInverses, 0, codes, code);
                }
            }
        }
        return true;
    }

    private static void ranges(QuantShape shape, MemorySegment rows, long offset, int count, GroupScratch scratch) {
        boolean keys = shape.grouping() == QuantShape.Grouping.TOKENS;
        int channels = shape.channels();
        int group = shape.group();
        long rowBytes = (long) channels * shape.rows().bytes();
        int each = keys ? channels : shape.groups();
        int filled = 0;
        for (int t = 0; t < count; t += keys ? group : 1, filled += each) {
            long at = offset + t * rowBytes;
            int run = Math.min(group, count - t);
            if (shape.rows() == ElementType.F32) {
                if (keys) {
                    GroupRange.keys32(rows, at, run, channels, scratch.min, scratch.max, filled);
                } else {
                    GroupRange.values32(rows, at, channels, group, scratch.min, scratch.max, filled);
                }
            } else if (keys) {
                GroupRange.keys16(rows, at, run, channels, scratch.min16, scratch.max16, filled);
            } else {
                int lanes = VectorWidth.SHORT.length();
                GroupRange.values16(rows, at, channels, group, scratch.min16, scratch.max16, filled * lanes);
            }
        }
        if (shape.rows() != ElementType.F32) {
            if (!keys) {
                LaneFold.minima(scratch.min16, filled);
                LaneFold.minima(scratch.max16, filled);
                GroupRange.patterns(scratch.min16, 0, filled);
                GroupRange.patterns(scratch.max16, -1, filled);
            }
            widen(shape.rows(), scratch.min16, scratch.min, filled);
            widen(shape.rows(), scratch.max16, scratch.max, filled);
        }
        // The last vector of groups is whole: harmless values behind the last group.
        Arrays.fill(scratch.min, filled, Math.min(scratch.min.length, filled + LANES), 0);
        Arrays.fill(scratch.max, filled, Math.min(scratch.max.length, filled + LANES), 0);
    }

    private static void widen(ElementType type, short[] bits, float[] values, int count) {
        if (type == ElementType.F16) {
            for (int i = 0; i < count; i++) {
                values[i] = Float.float16ToFloat(bits[i]);
            }
        } else {
            for (int i = 0; i < count; i++) {
                values[i] = Float.intBitsToFloat(bits[i] << 16);
            }
        }
    }

    /** Repeats each group's value over the group's channels; {@code target} is a whole row of units. */
    private static void spread(float[] values, int at, int group, float[] target) {
        int from = at;
        for (int c = 0; c < target.length; from++) {
            FloatVector value = FloatVector.broadcast(FLOAT, values[from]);
            int end = Math.min(c + group, target.length);
            for (; c < end; c += LANES) {
                value.intoArray(target, c);
            }
        }
    }

    private static void encode(QuantShape shape, MemorySegment rows, long row, float[] zeros, float[] inverses, int at,
            MemorySegment codes, long code) {
        switch (shape.rows()) {
            case F16 -> encodeHalf(shape.bits(), shape.channels(), rows, row, zeros, inverses, at, codes, code);
            case BF16 -> encodeBfloat(shape.bits(), shape.channels(), rows, row, zeros, inverses, at, codes, code);
            case F32 -> encodeFloat(shape.bits(), shape.channels(), rows, row, zeros, inverses, at, codes, code);
        }
    }

    private static void encodeHalf(int bits, int channels, MemorySegment rows, long row, float[] zeros, float[] inverses, int at,
            MemorySegment codes, long code) {
        int width = CodeUnits.unitBytes(bits);
        long to = code;
        for (int unit = 0; unit < channels; unit += CodeUnits.CODES) {
            for (int j = unit; j < unit + width; j += LANES, to += LANES) {
                IntVector packed = code(loadHalf(rows, row + 2L * j), zeros, inverses, at + j);
                for (int k = 1, c = j + width; c < unit + CodeUnits.CODES; k++, c += width) {
                    IntVector next = code(loadHalf(rows, row + 2L * c), zeros, inverses, at + c);
                    packed = packed.or(next.lanewise(VectorOperators.LSHL, k * bits));
                }
                store(packed, codes, to);
            }
        }
    }

    private static void encodeBfloat(int bits, int channels, MemorySegment rows, long row, float[] zeros, float[] inverses, int at,
            MemorySegment codes, long code) {
        int width = CodeUnits.unitBytes(bits);
        long to = code;
        for (int unit = 0; unit < channels; unit += CodeUnits.CODES) {
            for (int j = unit; j < unit + width; j += LANES, to += LANES) {
                IntVector packed = code(loadBfloat(rows, row + 2L * j), zeros, inverses, at + j);
                for (int k = 1, c = j + width; c < unit + CodeUnits.CODES; k++, c += width) {
                    IntVector next = code(loadBfloat(rows, row + 2L * c), zeros, inverses, at + c);
                    packed = packed.or(next.lanewise(VectorOperators.LSHL, k * bits));
                }
                store(packed, codes, to);
            }
        }
    }

    private static void encodeFloat(int bits, int channels, MemorySegment rows, long row, float[] zeros, float[] inverses, int at,
            MemorySegment codes, long code) {
        int width = CodeUnits.unitBytes(bits);
        long to = code;
        for (int unit = 0; unit < channels; unit += CodeUnits.CODES) {
            for (int j = unit; j < unit + width; j += LANES, to += LANES) {
                IntVector packed = code(FloatVector.fromMemorySegment(FLOAT, rows, row + 4L * j, LE), zeros, inverses, at + j);
                for (int k = 1, c = j + width; c < unit + CodeUnits.CODES; k++, c += width) {
                    IntVector next = code(FloatVector.fromMemorySegment(FLOAT, rows, row + 4L * c, LE), zeros, inverses, at + c);
                    packed = packed.or(next.lanewise(VectorOperators.LSHL, k * bits));
                }
                store(packed, codes, to);
            }
        }
    }

    /** f16 bits moved into place are the value times 2^-112, sign and subnormals included; infinities do not get here. */
    private static FloatVector loadHalf(MemorySegment rows, long at) {
        IntVector bits = (IntVector) ShortVector.fromMemorySegment(VectorWidth.SHORT_FOR_INT, rows, at, LE)
                .convertShape(VectorOperators.S2I, INT, 0);
        return bits.lanewise(VectorOperators.LSHL, 13).and(0x8fffe000).reinterpretAsFloats().mul(0x1p112f);
    }

    private static FloatVector loadBfloat(MemorySegment rows, long at) {
        IntVector bits = (IntVector) ShortVector.fromMemorySegment(VectorWidth.SHORT_FOR_INT, rows, at, LE)
                .convertShape(VectorOperators.S2I, INT, 0);
        return bits.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    /** The codes, in the low byte of lanes whose upper bytes are the rounding constant's. */
    private static IntVector code(FloatVector value, float[] zeros, float[] inverses, int at) {
        return value.sub(FloatVector.fromArray(FLOAT, zeros, at)).mul(FloatVector.fromArray(FLOAT, inverses, at)).add(GroupCode.ROUND)
                .reinterpretAsInts();
    }

    private static void store(IntVector packed, MemorySegment codes, long to) {
        if (NARROWS) {
            packed.convertShape(VectorOperators.I2B, VectorWidth.BYTE_FOR_INT, 0).reinterpretAsBytes().intoMemorySegment(codes, to, LE);
        } else { // four lanes, and no vector of four bytes to narrow them to
            for (int i = 0; i < LANES; i++) {
                codes.set(ValueLayout.JAVA_BYTE, to + i, (byte) packed.lane(i));
            }
        }
    }

    @Override
    public void dequantize(QuantShape shape, MemorySegment codes, long codesOffset, MemorySegment zeros, long zerosOffset,
            MemorySegment steps, long stepsOffset, MemorySegment rows, long rowsOffset) {
        QuantBounds.dequantize(CONVERT, shape, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset, rows, rowsOffset);
        boolean keys = shape.grouping() == QuantShape.Grouping.TOKENS;
        int channels = shape.channels();
        int units = CodeUnits.unitsPerRow(channels);
        int width = units * CodeUnits.CODES;
        int codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        int groups = keys ? channels : shape.groups();
        float[] zero = new float[Math.max(groups, width)];
        float[] step = new float[zero.length];
        float[] rowZero = keys ? zero : new float[width];
        float[] rowStep = keys ? step : new float[width];
        // A few rows at a time: long enough loops, and the floats stay in the first-level cache.
        int block = Math.max(1, Math.min(4096 / width, shape.group()));
        float[] values = new float[block * width];
        for (int token = 0; token < shape.tokens();) {
            if (keys && token % shape.group() == 0) {
                long at = 2L * (token / shape.group()) * channels;
                RowStage.load(shape.parameter(), zeros, zerosOffset + at, zero, 0, channels);
                RowStage.load(shape.parameter(), steps, stepsOffset + at, step, 0, channels);
            }
            int left = keys ? shape.group() - token % shape.group() : block;
            int count = Math.min(Math.min(block, left), shape.tokens() - token);
            for (int t = 0; t < count; t++) {
                if (!keys) {
                    long at = 2L * (token + t) * groups;
                    RowStage.load(shape.parameter(), zeros, zerosOffset + at, zero, 0, groups);
                    RowStage.load(shape.parameter(), steps, stepsOffset + at, step, 0, groups);
                    spread(zero, 0, shape.group(), rowZero);
                    spread(step, 0, shape.group(), rowStep);
                }
                restore(shape.bits(), units, codes, codesOffset + (long) (token + t) * codeRow, rowZero, rowStep, values, t * width);
            }
            RowStore.store(shape.rows(), values, width, count, rows, rowsOffset + (long) token * channels * shape.rows().bytes(), channels);
            token += count;
        }
    }

    private static void restore(int bits, int units, MemorySegment codes, long code, float[] zeros, float[] steps, float[] values, int to) {
        int width = CodeUnits.unitBytes(bits);
        short mask = (short) ((1 << bits) - 1);
        int lanes = VectorWidth.CODE_SHORT.length();
        long from = code;
        for (int unit = 0; unit < units * CodeUnits.CODES; unit += CodeUnits.CODES) {
            for (int j = unit; j < unit + width; j += lanes, from += lanes) {
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.CODE_BYTE, codes, from, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, VectorWidth.CODE_SHORT, 0);
                for (int k = 0, c = j; c < unit + CodeUnits.CODES; k += bits, c += width) {
                    ShortVector code16 = packed.lanewise(VectorOperators.LSHR, k).and(mask);
                    FloatVector first = (FloatVector) code16.convertShape(VectorOperators.S2F, FLOAT, 0);
                    first.mul(FloatVector.fromArray(FLOAT, steps, c)).add(FloatVector.fromArray(FLOAT, zeros, c)).intoArray(values, to + c);
                    if (VectorWidth.CODE_PARTS == 2) {
                        int d = c + LANES;
                        FloatVector second = (FloatVector) code16.convertShape(VectorOperators.S2F, FLOAT, 1);
                        second.mul(FloatVector.fromArray(FLOAT, steps, d)).add(FloatVector.fromArray(FLOAT, zeros, d))
                                .intoArray(values, to + d);
                    }
                }
            }
        }
    }
}
