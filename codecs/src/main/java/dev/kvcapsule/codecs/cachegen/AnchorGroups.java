package dev.kvcapsule.codecs.cachegen;

import dev.kvcapsule.codecs.quantizer.DirectedRounding;
import dev.kvcapsule.codecs.quantizer.SignedCodes;
import dev.kvcapsule.engine.kernel.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Quantization of a matrix in groups of rows: the first row of a group is its anchor, the others are differences to it as it will be decoded. Anchors
 * and differences have a step for each channel.
 *
 * @param tokens rows
 * @param channels columns
 * @param group rows of a group; the last may be shorter
 * @param step type of steps, f16 or bf16
 */
record AnchorGroups(int tokens, int channels, int group, ElementType step) {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    int anchors() {
        return Math.ceilDiv(tokens, group);
    }

    /** Bytes of the anchors' codes. */
    long anchorBytes() {
        return (long) anchors() * channels;
    }

    /** Bytes of the differences' codes. */
    long deltaBytes() {
        return (long) (tokens - anchors()) * channels;
    }

    /** Bytes of a step for each channel. */
    long stepBytes() {
        return 2L * channels;
    }

    /**
     * Quantizes.
     *
     * @param rows finite f32 {@code [tokens][channels]}; used as scratch
     * @param bin width of a difference's bin in deviations of its channel's differences
     * @return whether every step could be represented; if not, the outputs hold anything
     */
    boolean quantize(MemorySegment rows, float bin, MemorySegment anchorSteps, MemorySegment anchors, MemorySegment deltaSteps, MemorySegment deltas) {
        float[] largest = new float[channels];
        for (int t = 0; t < tokens; t += group) {
            enlarge(rows, t, largest);
        }
        float[] anchorStep = new float[channels];
        for (int c = 0; c < channels; c++) {
            anchorStep[c] = write(anchorSteps, c, largest[c] / SignedCodes.MAX);
            if (Float.isInfinite(anchorStep[c])) {
                return false;
            }
        }
        double[] squares = new double[channels];
        java.util.Arrays.fill(largest, 0);
        float[] anchor = new float[channels];
        for (int t = 0; t < tokens; t++) {
            if (t % group == 0) {
                anchor(rows, t, anchorStep, anchors, anchor);
            } else {
                difference(rows, t, anchor, squares);
                enlarge(rows, t, largest);
            }
        }
        return differences(rows, bin, largest, squares, deltaSteps, deltas);
    }

    private void enlarge(MemorySegment rows, int t, float[] largest) {
        for (int c = 0; c < channels; c++) {
            largest[c] = Math.max(largest[c], Math.abs(rows.get(FLOAT, 4 * ((long) t * channels + c))));
        }
    }

    private void anchor(MemorySegment rows, int t, float[] steps, MemorySegment codes, float[] decoded) {
        for (int c = 0; c < channels; c++) {
            int code = code(rows.get(FLOAT, 4 * ((long) t * channels + c)), steps[c]);
            codes.set(ValueLayout.JAVA_BYTE, (long) (t / group) * channels + c, SignedCodes.fold(code));
            decoded[c] = steps[c] * code;
        }
    }

    private void difference(MemorySegment rows, int t, float[] anchor, double[] squares) {
        for (int c = 0; c < channels; c++) {
            long at = 4 * ((long) t * channels + c);
            float difference = rows.get(FLOAT, at) - anchor[c];
            rows.set(FLOAT, at, difference);
            squares[c] += (double) difference * difference;
        }
    }

    private boolean differences(MemorySegment rows, float bin, float[] largest, double[] squares, MemorySegment steps, MemorySegment codes) {
        float[] step = new float[channels];
        int count = tokens - anchors();
        for (int c = 0; c < channels; c++) {
            float wanted = count == 0 ? 0 : (float) (bin * Math.sqrt(squares[c] / count));
            step[c] = write(steps, c, Math.max(wanted, largest[c] / SignedCodes.MAX));
            if (Float.isInfinite(step[c])) {
                return false;
            }
        }
        long at = 0;
        for (int t = 0; t < tokens; t++) {
            for (int c = 0; t % group != 0 && c < channels; c++) {
                codes.set(ValueLayout.JAVA_BYTE, at++, SignedCodes.fold(code(rows.get(FLOAT, 4 * ((long) t * channels + c)), step[c])));
            }
        }
        return true;
    }

    /** Stores a step, rounded up so that no code is beyond the largest. @return the value stored */
    private float write(MemorySegment steps, int c, float value) {
        short bits = DirectedRounding.up(value, step);
        steps.set(SHORT, 2L * c, bits);
        return DirectedRounding.value(bits, step);
    }

    private static int code(float value, float step) {
        return step == 0 ? 0 : (int) Math.clamp(Math.rint(value / step), -SignedCodes.MAX, SignedCodes.MAX);
    }

    /**
     * Restores what {@link #quantize} took.
     *
     * @param rows receives f32 {@code [tokens][channels]}
     * @return whether every step was a finite number; if not, the rows hold anything
     */
    boolean dequantize(MemorySegment anchorSteps, MemorySegment anchors, MemorySegment deltaSteps, MemorySegment deltas, MemorySegment rows) {
        float[] anchorStep = new float[channels];
        float[] deltaStep = new float[channels];
        for (int c = 0; c < channels; c++) {
            anchorStep[c] = DirectedRounding.value(anchorSteps.get(SHORT, 2L * c), step);
            deltaStep[c] = DirectedRounding.value(deltaSteps.get(SHORT, 2L * c), step);
            if (!Float.isFinite(anchorStep[c]) || !Float.isFinite(deltaStep[c])) {
                return false;
            }
        }
        float[] anchor = new float[channels];
        long at = 0;
        for (int t = 0; t < tokens; t++) {
            long row = 4L * t * channels;
            for (int c = 0; c < channels; c++) {
                float value;
                if (t % group == 0) {
                    value = anchorStep[c] * SignedCodes.unfold(anchors.get(ValueLayout.JAVA_BYTE, (long) (t / group) * channels + c));
                    anchor[c] = value;
                } else {
                    value = anchor[c] + deltaStep[c] * SignedCodes.unfold(deltas.get(ValueLayout.JAVA_BYTE, at++));
                }
                rows.set(FLOAT, row + 4L * c, value);
            }
        }
        return true;
    }
}
