package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** One call of {@link RotatedPairs} over the rows of a slice, as many as make whole pairs. */
final class RotatedPairRun {
    /** Heads whose factors are fetched at a time, about. */
    private static final int HEADS = 510;
    /** Decoded values must stay below this, short of the largest f16 by more than all roundings before the last. */
    static final float LIMIT = 65_000;

    private final RotationShape shape;
    private final RotationTables tables;
    private final MemorySegment codes;
    private final long codesOffset;
    private final MemorySegment gains;
    private final long gainsOffset;
    private final float[] mean;
    private final MemorySegment rows;
    private final long rowsOffset;

    /** @param mean a mean for each channel, not read if there are none */
    RotatedPairRun(RotationShape shape, RotationTables tables, MemorySegment codes, long codesOffset, MemorySegment gains,
            long gainsOffset, float[] mean, MemorySegment rows, long rowsOffset) {
        this.shape = shape;
        this.tables = tables;
        this.codes = codes;
        this.codesOffset = codesOffset;
        this.gains = gains;
        this.gainsOffset = gainsOffset;
        this.mean = mean;
        this.rows = rows;
        this.rowsOffset = rowsOffset;
    }

    /** {@return the rows that were decoded, counted from the first; 0 if the slice is not of the kind} */
    int run() {
        int whole = shape.tokens() & -2;
        if (whole == 0 || !fits()) {
            return 0;
        }
        int heads = shape.heads();
        int chunk = Math.max(2, HEADS / heads & -2);
        float[] factors = new float[chunk * heads];
        short[] signs = turns(RotationTables.signs(shape.seed(), shape.channels(), shape.channels()));
        float[] means = means();
        short[] table = table(tables.centroids);
        short[] state = new short[RotatedPairs.PAIR];
        int codeRow = CodeUnits.rowBytes(shape.bits(), shape.channels());
        int codePair = 2 * CodeUnits.unitBytes(shape.bits());
        // Fetches the first pair; what it writes is written again.
        RotatedPairs.decode(shape.bits(), table, codes, codesOffset, 1, signs, means, 0, factors, 0, state, rows, rowsOffset);
        for (int token = 0; token < whole; token += chunk) {
            int count = Math.min(chunk, whole - token);
            load(token, factors, count * heads);
            int pairs = count * heads / 2;
            int fetched = token + count == whole ? pairs - 1 : pairs;
            long from = codesOffset + (long) token * codeRow;
            long to = rowsOffset + 2L * token * shape.channels();
            RotatedPairs.decode(shape.bits(), table, codes, from + codePair, fetched, signs, means, 0, factors, 0, state, rows, to);
            if (fetched < pairs) {
                RotatedPairs.decode(shape.bits(), table, codes, from, 1, signs, means, RotatedPairs.PAIR * fetched % signs.length, factors,
                        2 * fetched, state, rows, to + 2L * RotatedPairs.PAIR * fetched);
            }
        }
        return whole;
    }

    /** Whether no value can be too large for f16, whatever the codes. */
    private boolean fits() {
        if (shape.gains() > Integer.MAX_VALUE) {
            return false;
        }
        float most = 0;
        for (int c = 0; shape.centered() && c < shape.channels(); c++) {
            most = Math.max(most, Math.abs(mean[c]));
        }
        float gain = Float.float16ToFloat(PanamaConvert.largest16(gains, gainsOffset, (int) shape.gains()));
        return most + gain * tables.decodeScale * Short.MAX_VALUE < LIMIT;
    }

    private void load(int token, float[] factors, int count) {
        RowStage.load(ElementType.F16, gains, gainsOffset + 2L * token * shape.heads(), factors, 0, count);
        for (int i = 0; i < count; i++) {
            factors[i] = factors[i] * tables.decodeScale * 0x1p-16f; // a power of two: no rounding
        }
    }

    /** The centroids over and over, so that bits above those of a code do not change what it finds. */
    private static short[] table(short[] centroids) {
        short[] table = new short[VectorWidth.SHORT.length()];
        for (int i = 0; i < table.length; i++) {
            table[i] = centroids[i % centroids.length];
        }
        return table;
    }

    /** The signs of two rows, those of two neighbouring heads by turns. */
    private static short[] turns(short[] signs) {
        short[] result = new short[2 * signs.length];
        int half = RotatedPairs.PAIR / 2;
        int from = 0;
        for (int head = 0; head < result.length / half; head++) {
            int to = (head & -2) * half + (head & 1);
            for (int i = 0; i < half; i++) {
                result[to + 2 * i] = signs[from + i];
            }
            from = from + half == signs.length ? 0 : from + half;
        }
        return result;
    }

    /** The means of two rows. */
    private float[] means() {
        float[] result = new float[2 * shape.channels()];
        if (shape.centered()) {
            System.arraycopy(mean, 0, result, 0, shape.channels());
            System.arraycopy(mean, 0, result, shape.channels(), shape.channels());
        } else {
            Arrays.fill(result, -0.0f); // changes no value, zeros included
        }
        return result;
    }
}
