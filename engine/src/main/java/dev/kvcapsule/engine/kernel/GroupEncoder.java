package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** The state of one call of the vector quantizer over rows of whole code units, and its passes. */
final class GroupEncoder {
    /** Bytes of rows handled between the two readings: they stay in the second-level cache. */
    private static final int BLOCK_BYTES = 1 << 15;
    /** Floats staged at a time: long enough loops, and they stay in the first-level cache. */
    private static final int STAGE = 4096;

    private final QuantShape shape;
    private final MemorySegment rows;
    private final long rowsOffset;
    private final MemorySegment codes;
    private final long codesOffset;
    private final MemorySegment zeros;
    private final long zerosOffset;
    private final MemorySegment steps;
    private final long stepsOffset;
    private final boolean keys;
    private final int channels;
    private final int group;
    private final long rowBytes;
    private final int codeRow;
    /** Parameters of a run (a token group of keys, a token of values), and how many of them are not padding. */
    private final int each;
    private final int kept;
    private final int block;
    private final int stage;
    private final float[] values;
    private final GroupScratch scratch;
    private int token;
    private int count;
    private int runs;
    private int from;
    private int some;
    private boolean ordinary = true;

    /** {@code shape} has whole units; {@code narrow} is the caller's shape, whose parameters alone are written. */
    GroupEncoder(QuantShape shape, QuantShape narrow, MemorySegment rows, long rowsOffset, MemorySegment codes, long codesOffset,
            MemorySegment zeros, long zerosOffset, MemorySegment steps, long stepsOffset) {
        this.shape = shape;
        this.rows = rows;
        this.rowsOffset = rowsOffset;
        this.codes = codes;
        this.codesOffset = codesOffset;
        this.zeros = zeros;
        this.zerosOffset = zerosOffset;
        this.steps = steps;
        this.stepsOffset = stepsOffset;
        keys = shape.grouping() == QuantShape.Grouping.TOKENS;
        channels = shape.channels();
        group = shape.group();
        rowBytes = (long) channels * shape.rows().bytes();
        codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        each = keys ? channels : shape.groups();
        kept = keys ? narrow.channels() : narrow.groups();
        block = (int) Math.max(1, BLOCK_BYTES / (group * rowBytes)) * group;
        int most = Math.min(block, shape.tokens());
        stage = Math.max(1, Math.min(STAGE / channels, most));
        values = new float[stage * channels];
        scratch = new GroupScratch((keys ? (most + group - 1) / group : most) * each, !keys && shape.rows() != ElementType.F32);
    }

    /** {@return false if a group is out of the ordinary; the outputs are then void} */
    boolean run() {
        Passes fit = new Passes(this::ranges, this::zeros, this::steps, this::write);
        Passes encode = new Passes(this::load, this::encode);
        for (token = 0; token < shape.tokens() && ordinary; token += block) {
            count = Math.min(block, shape.tokens() - token);
            runs = keys ? (count + group - 1) / group : count;
            fit.run();
            for (from = 0; from < count; from += stage) {
                some = Math.min(stage, count - from);
                encode.run();
            }
        }
        return ordinary;
    }

    private void ranges() {
        int filled = 0;
        for (int t = 0; t < count; t += keys ? group : 1, filled += each) {
            long at = rowsOffset + (token + t) * rowBytes;
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
                GroupRange.values16(rows, at, channels, group, scratch.min16, scratch.max16, filled * VectorWidth.SHORT.length());
            }
        }
        if (shape.rows() != ElementType.F32) {
            if (!keys) {
                LaneFold.minima(scratch.min16, filled);
                LaneFold.minima(scratch.max16, filled);
            }
            GroupRange.patterns(scratch.min16, 0, filled);
            GroupRange.patterns(scratch.max16, keys ? 0 : -1, filled);
            GroupRange.widen(shape.rows(), scratch.min16, scratch.min, filled);
            GroupRange.widen(shape.rows(), scratch.max16, scratch.max, filled);
        }
        // The last vector of groups is whole: harmless values behind the last group.
        int end = Math.min(scratch.min.length, filled + VectorWidth.FLOAT.length());
        Arrays.fill(scratch.min, filled, end, 0);
        Arrays.fill(scratch.max, filled, end, 0);
    }

    private void zeros() {
        if (shape.parameter() == ElementType.F16) {
            GroupFit.halfZeros(scratch.min, runs * each, scratch.zeros, scratch.zeroValues);
        } else {
            GroupFit.bfloatZeros(scratch.min, runs * each, scratch.zeros, scratch.zeroValues);
        }
    }

    private void steps() {
        ordinary &= shape.parameter() == ElementType.F16
                ? GroupFit.halfSteps(shape.levels(), scratch.min, scratch.max, runs * each, scratch.zeroValues, scratch.steps, scratch.inverses)
                : GroupFit.bfloatSteps(shape.levels(), scratch.min, scratch.max, runs * each, scratch.zeroValues, scratch.steps,
                        scratch.inverses);
    }

    private void write() {
        long first = 2L * (keys ? token / group : token) * kept;
        if (each == kept) {
            MemorySegment.copy(scratch.zeros, 0, zeros, Bounds.SHORT, zerosOffset + first, runs * each);
            MemorySegment.copy(scratch.steps, 0, steps, Bounds.SHORT, stepsOffset + first, runs * each);
            return;
        }
        for (int run = 0; run < runs; run++) {
            long at = first + 2L * run * kept;
            MemorySegment.copy(scratch.zeros, run * each, zeros, Bounds.SHORT, zerosOffset + at, kept);
            MemorySegment.copy(scratch.steps, run * each, steps, Bounds.SHORT, stepsOffset + at, kept);
        }
    }

    private void load() {
        RowStore.load(shape.rows(), rows, rowsOffset + (token + from) * rowBytes, channels, values, channels, some);
    }

    private void encode() {
        int shift = Integer.numberOfTrailingZeros(group);
        for (int t = from; t < from + some; t++) {
            long code = codesOffset + (long) (token + t) * codeRow;
            int at = (t - from) * channels;
            if (keys) {
                GroupLanes.encodeKeys(shape.bits(), channels, values, at, scratch.zeroValues, scratch.inverses, t / group * each, codes, code);
            } else {
                GroupLanes.encodeValues(shape.bits(), channels, values, at, scratch.zeroValues, scratch.inverses, t * each, shift, codes, code);
            }
        }
    }
}
