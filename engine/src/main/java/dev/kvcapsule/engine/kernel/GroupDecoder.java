package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** The state of one call of the vector dequantizer: scratch for a few rows, and the passes over it. */
final class GroupDecoder {
    /** Values of a block of rows, about: few, so that the stores of one block drain while the next is computed. */
    private static final int STAGE = 1536;
    /** Parameters of values fetched at a time, about. */
    private static final int PARAMETERS = 512;

    private final QuantShape shape;
    private final MemorySegment codes;
    private final long codesOffset;
    private final MemorySegment zeros;
    private final long zerosOffset;
    private final MemorySegment steps;
    private final long stepsOffset;
    private final MemorySegment rows;
    private final long rowsOffset;
    private final boolean keys;
    private final int channels;
    private final int units;
    private final int width;
    private final int codeRow;
    private final int groups;
    private final int block;
    private final float[] values;
    private final float[] zero;
    private final float[] step;
    /** Values of 16 bits through tables; keys to f16 through bytes (else null); everything else through binary32. */
    private final boolean tabled;
    /** Tables of half units, looked up straight into the rows. */
    private final boolean wide;
    /** Rows whose parameters are fetched at a time, whole blocks. */
    private final int parameterRows;
    private final byte[] bytes;
    /** Keys to f16 in registers. */
    private final boolean direct;
    private final float[] tables;
    private final short[] rounded;
    private final short[] found;
    private int token;
    private int count;

    GroupDecoder(QuantShape shape, MemorySegment codes, long codesOffset, MemorySegment zeros, long zerosOffset, MemorySegment steps,
            long stepsOffset, MemorySegment rows, long rowsOffset) {
        this.shape = shape;
        this.codes = codes;
        this.codesOffset = codesOffset;
        this.zeros = zeros;
        this.zerosOffset = zerosOffset;
        this.steps = steps;
        this.stepsOffset = stepsOffset;
        this.rows = rows;
        this.rowsOffset = rowsOffset;
        keys = shape.grouping() == QuantShape.Grouping.TOKENS;
        channels = shape.channels();
        units = CodeUnits.unitsPerRow(channels);
        width = units * CodeUnits.CODES;
        codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        groups = keys ? channels : shape.groups();
        block = Math.max(1, Math.min(STAGE / width, shape.tokens()));
        values = new float[block * width];
        // Whole units are restored, so a row may use entries behind its last group; what comes out there is not stored.
        boolean few = (shape.bits() == 3 || shape.bits() == 4) && width == channels;
        tabled = few && !keys && shape.rows() != ElementType.F32;
        bytes = few && keys && shape.rows() == ElementType.F16 ? new byte[values.length] : null;
        direct = bytes != null && VectorWidth.BITS == 512 && NativeMemory.plain(codes) && NativeMemory.plain(rows) && small();
        wide = tabled && VectorWidth.BITS == 512;
        parameterRows = wide ? Math.max(1, PARAMETERS / (block * 2 * units)) * block : block;
        zero = new float[wide ? parameterRows * 2 * units : (keys && bytes == null ? 1 : block) * groups + width];
        step = new float[zero.length];
        tables = tabled ? new float[block * (wide ? 2 * units : groups) * ValueTables.ENTRIES] : null;
        found = tabled && !wide ? new short[values.length] : null;
        rounded = tabled ? new short[tables.length + 32] : null;
    }

    void run() {
        if (direct) {
            keys();
            return;
        }
        Passes passes = bytes != null ? new Passes(this::repeated, this::unpack, this::restore)
                : wide && shape.rows() == ElementType.F16 ? new Passes(this::halves, this::half)
                : wide ? new Passes(this::halves, this::values, this::round, this::direct)
                : tabled ? new Passes(this::parameters, this::tables, this::lookup)
                : new Passes(this::parameters, this::decode, this::store);
        for (token = 0; token < shape.tokens(); token += count) {
            int left = keys ? shape.group() - token % shape.group() : block;
            count = Math.min(Math.min(block, left), shape.tokens() - token);
            passes.run();
        }
    }

    /** Whether no key can be too large for f16, whatever the codes. */
    private boolean small() {
        if (shape.parameter() != ElementType.F16 || shape.parameters() > Integer.MAX_VALUE) {
            return false;
        }
        int entries = (int) shape.parameters();
        float zero = Float.float16ToFloat(PanamaConvert.largest16(zeros, zerosOffset, entries));
        float step = Float.float16ToFloat(PanamaConvert.largest16(steps, stepsOffset, entries));
        return zero + shape.levels() * step < RotatedPairRun.LIMIT;
    }

    /** Keys in registers, parameters of a few groups of tokens at a time. */
    private void keys() {
        int fetched = Math.max(1, STAGE / channels);
        float[] z = new float[fetched * channels];
        float[] s = new float[z.length];
        for (int g = 0; g < shape.groups(); g++) {
            if (g % fetched == 0) {
                int entries = Math.min(fetched, shape.groups() - g) * channels;
                RowStage.load(shape.parameter(), zeros, zerosOffset + 2L * g * channels, z, 0, entries);
                RowStage.load(shape.parameter(), steps, stepsOffset + 2L * g * channels, s, 0, entries);
            }
            int t = g * shape.group();
            int tokens = Math.min(shape.group(), shape.tokens() - t);
            KeyRows.half512(shape.bits(), tokens * units, codes, codesOffset + (long) t * codeRow, z, s, g % fetched * channels, channels, rows,
                    rowsOffset + 2L * t * channels);
        }
    }

    private void parameters() {
        if (!keys || token % shape.group() == 0) {
            long at = 2L * (keys ? token / shape.group() : token) * groups;
            int fetched = keys ? channels : count * groups;
            RowStore.load(shape.parameter(), zeros, zerosOffset + at, fetched, zero, fetched, 1);
            RowStore.load(shape.parameter(), steps, stepsOffset + at, fetched, step, fetched, 1);
        }
    }

    private void repeated() {
        parameters();
        if (token % shape.group() == 0) {
            KeyRows.repeat(zero, channels, block);
            KeyRows.repeat(step, channels, block);
        }
    }

    private void unpack() {
        KeyRows.unpack(shape.bits(), count * units, codes, codesOffset + (long) token * codeRow, bytes);
    }

    private void restore() {
        KeyRows.restore(bytes, zero, step, count * channels, rows, rowsOffset + (long) token * channels * shape.rows().bytes());
    }

    /** Parameters of the next rows, one for each half unit. */
    private void halves() {
        if (token % parameterRows == 0) {
            int fetched = Math.min(parameterRows, shape.tokens() - token);
            int entries = fetched * groups;
            RowStore.load(shape.parameter(), zeros, zerosOffset + 2L * token * groups, entries, zero, entries, 1);
            RowStore.load(shape.parameter(), steps, stepsOffset + 2L * token * groups, entries, step, entries, 1);
            if (groups != 2 * units) {
                int shift = Integer.numberOfTrailingZeros(shape.group() / 32);
                ValueTables.halves(zero, fetched, groups, 2 * units, shift);
                ValueTables.halves(step, fetched, groups, 2 * units, shift);
            }
        }
    }

    private void half() {
        ValueTables.half512(shape.bits(), count * units, codes, codesOffset + (long) token * codeRow, zero, step,
                token % parameterRows * 2 * units, rows, rowsOffset + 2L * token * channels);
    }

    private void values() {
        ValueTables.values(zero, step, token % parameterRows * 2 * units, count * 2 * units, tables);
    }

    private void round() {
        ValueTables.round(shape.rows(), tables, count * 2 * units * ValueTables.ENTRIES, rounded);
    }

    private void direct() {
        ValueTables.lookup512(shape.bits(), count * units, codes, codesOffset + (long) token * codeRow, rounded, rows,
                rowsOffset + 2L * token * channels);
    }

    private void tables() {
        ValueTables.values(zero, step, 0, count * groups, tables);
        ValueTables.round(shape.rows(), tables, count * groups * ValueTables.ENTRIES, rounded);
    }

    private void lookup() {
        ValueTables.lookup(shape.bits(), units, count, codes, codesOffset + (long) token * codeRow, rounded, groups,
                Integer.numberOfTrailingZeros(shape.group()), found);
        MemorySegment.copy(found, 0, rows, Bounds.SHORT, rowsOffset + 2L * token * channels, count * channels);
    }

    private void decode() {
        int shift = Integer.numberOfTrailingZeros(shape.group());
        for (int t = 0; t < count; t++) {
            long code = codesOffset + (long) (token + t) * codeRow;
            if (keys) {
                GroupLanes.decodeKeys(shape.bits(), units, codes, code, zero, step, values, t * width);
            } else {
                GroupLanes.decodeValues(shape.bits(), units, codes, code, zero, step, t * groups, shift, values, t * width);
            }
        }
    }

    private void store() {
        RowStore.store(shape.rows(), values, width, count, rows, rowsOffset + (long) token * channels * shape.rows().bytes(), channels);
    }
}
