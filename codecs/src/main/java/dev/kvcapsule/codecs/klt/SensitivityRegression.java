package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.MemorySegment;

/**
 * Learns the {@link TokenSensitivity} of a group of layers from tokens of which it is known how much attention they were paid: ridge regression of the
 * logarithm of the attention. Only sums are kept, which can be put together.
 */
final class SensitivityRegression {
    /** Weight of keeping weights small, as a share of the tokens, with features scaled to deviation 1. */
    private static final double RIDGE = 0.02;

    /** Attention that cannot be told from none. */
    private static final double LEAST = 1e-7;

    private final LayerGroup group;
    private final int[] headDims;
    private final HeadNorms headNorms = new HeadNorms();

    /** Features are the age and the norms; the sums of their products with each other and, last, with 1 and with the label. */
    private final int features;
    private final double[][] moments;
    private final double[] products;
    private final double[] sums;
    private double labels;
    private long tokens;

    SensitivityRegression(LayerGroup group) {
        this.group = group;
        this.headDims = group.headDims();
        this.features = 1 + headDims.length;
        this.moments = new double[features][features];
        this.products = new double[features];
        this.sums = new double[features];
    }

    /**
     * Learns from tokens; nothing from those that the last tokens were not asked about.
     *
     * @param rows f32 {@code [tokens][width]}, keys as before RoPE
     * @param positions of the tokens
     */
    void add(MemorySegment rows, int[] positions, TokenAttention attention) {
        int end = Integer.MAX_VALUE;
        for (LayerLayout layer : group.layers()) {
            end = Math.min(end, attention.of(layer.layer()).length);
        }
        if (end == 0) {
            return;
        }
        float[] norms = headNorms.of(Kernels.scalar(), rows, positions.length, headDims);
        double[] row = new double[features];
        for (int t = 0; t < positions.length; t++) {
            if (positions[t] < end) {
                row[0] = TokenSensitivity.age(end - positions[t]);
                for (int h = 0; h < headDims.length; h++) {
                    row[1 + h] = norms[t * headDims.length + h];
                }
                learn(row, label(attention, positions[t]));
            }
        }
    }

    private void learn(double[] row, double label) {
        for (int i = 0; i < features; i++) {
            for (int j = 0; j <= i; j++) {
                moments[i][j] += row[i] * row[j];
            }
            products[i] += label * row[i];
            sums[i] += row[i];
        }
        labels += label;
        tokens++;
    }

    private double label(TokenAttention attention, int position) {
        double sum = 0;
        for (LayerLayout layer : group.layers()) {
            sum += attention.of(layer.layer())[position];
        }
        return StrictMath.log(sum / group.layers().size() + LEAST);
    }

    /** Tokens learnt from. */
    long tokens() {
        return tokens;
    }

    /** Numbers that {@link #sums} gives for so many heads. */
    static long sums(int heads) {
        long features = 1 + heads;
        return features * (features + 1) / 2 + 2 * features + 1;
    }

    /** What was added up: the lower triangle of the features' products, row by row, their products with the labels, their sums, the sum of the labels. */
    double[] sums() {
        double[] all = new double[Math.toIntExact(sums(headDims.length))];
        int at = 0;
        for (int i = 0; i < features; i++) {
            System.arraycopy(moments[i], 0, all, at, i + 1);
            at += i + 1;
        }
        System.arraycopy(products, 0, all, at, features);
        System.arraycopy(sums, 0, all, at + features, features);
        all[at + 2 * features] = labels;
        return all;
    }

    /** Adds what another one of the same group added up. @param others its {@link #sums} */
    void add(double[] others, long otherTokens) {
        int at = 0;
        for (int i = 0; i < features; i++) {
            for (int j = 0; j <= i; j++) {
                moments[i][j] += others[at++];
            }
        }
        for (int i = 0; i < features; i++) {
            products[i] += others[at + i];
            sums[i] += others[at + features + i];
        }
        labels += others[at + 2 * features];
        tokens += otherTokens;
    }

    /**
     * What was learnt; {@link TokenSensitivity#UNKNOWN} from too few tokens.
     *
     * @throws ArithmeticException if the sums are not those of any tokens
     */
    TokenSensitivity solve() {
        if (tokens <= features) {
            return TokenSensitivity.UNKNOWN;
        }
        // About the means and in units of the deviations, so that the penalty is the same for all.
        double[] mean = new double[features];
        double[] deviation = new double[features];
        for (int i = 0; i < features; i++) {
            mean[i] = sums[i] / tokens;
            deviation[i] = Math.sqrt(Math.max(0, moments[i][i] / tokens - mean[i] * mean[i])) + 1e-6;
        }
        double[][] correlation = new double[features][features];
        double[] target = new double[features];
        for (int i = 0; i < features; i++) {
            for (int j = 0; j <= i; j++) {
                double value = (moments[i][j] / tokens - mean[i] * mean[j]) / (deviation[i] * deviation[j]);
                correlation[i][j] = i == j ? value + RIDGE : value;
                correlation[j][i] = correlation[i][j];
            }
            target[i] = (products[i] / tokens - mean[i] * labels / tokens) / deviation[i];
        }
        double[][] inverse = SquareMatrix.inverse(correlation);
        float[] weights = new float[features + 1];
        for (int i = 0; i < features; i++) {
            double weight = 0;
            for (int j = 0; j < features; j++) {
                weight += inverse[i][j] * target[j];
            }
            weights[i] = (float) (weight / deviation[i]);
            weights[features] -= i == 0 ? 0 : (float) (weight / deviation[i] * mean[i]);
        }
        for (float weight : weights) {
            if (!Float.isFinite(weight)) {
                throw new ArithmeticException("a weight is not finite");
            }
        }
        return new TokenSensitivity(weights);
    }
}
