package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Turns attention weights into the square roots of metrics, a matrix for each head: for an error e of the head's row, |e W|^2 is its harm.
 * K: W^2 = 0.8 M + 0.2 I with M the moments of the queries; V: 0.7 M + 0.3 I with M those of the output projection; in both M is first scaled to
 * trace = dim over the layer, and W^2 is then scaled by the layer's sensitivity. All matrices are finally scaled to a mean log-determinant of 0, so
 * that steps are in units of the cache's own numbers. Measured: reference of docs/fidelity.md.
 */
final class HeadMetric {
    private static final double KEY_SHARE = 0.8;
    private static final double VALUE_SHARE = 0.7;

    /** Eigenvalues below this share of the largest would make the way back amplify what was rounded away. */
    private static final double LEAST = 1e-4;

    private HeadMetric() {}

    /**
     * @param groups all layers of a cache, in order
     * @return W of each head of each group, in the order of the token vector
     */
    static List<List<double[][]>> roots(List<LayerGroup> groups, AttentionWeights weights) {
        List<List<double[][]>> roots = new ArrayList<>();
        double logDeterminant = 0;
        long dims = 0;
        for (LayerGroup group : groups) {
            List<double[][]> ofGroup = new ArrayList<>();
            for (LayerLayout layer : group.layers()) {
                for (Part part : Part.values()) {
                    if (layer.has(part)) {
                        ofGroup.addAll(layer(layer, part, weights));
                    }
                }
            }
            for (double[][] root : ofGroup) {
                logDeterminant += logDeterminant(root);
                dims += root.length;
            }
            roots.add(ofGroup);
        }
        double scale = Math.exp(-logDeterminant / Math.max(1, dims));
        for (List<double[][]> ofGroup : roots) {
            for (double[][] root : ofGroup) {
                for (double[] row : root) {
                    for (int j = 0; j < row.length; j++) {
                        row[j] *= scale;
                    }
                }
            }
        }
        return roots;
    }

    private static List<double[][]> layer(LayerLayout layer, Part part, AttentionWeights weights) {
        int dim = layer.headDim(part);
        double share = part == Part.KEY ? KEY_SHARE : VALUE_SHARE;
        double[][] moments = of(part == Part.KEY ? weights.keyMoments() : weights.valueMoments(), layer.layer());
        double sensitivity = (part == Part.KEY ? weights.keySensitivity() : weights.valueSensitivity()).map(all -> layer.layer() < all.length ? all[layer.layer()] : 1).orElse(1.0);
        sensitivity = sensitivity > 0 ? sensitivity : 1;
        if (moments != null && (moments.length != layer.kvHeads() || moments[0].length != dim * dim)) {
            moments = null;
        }
        double trace = 0;
        for (int head = 0; moments != null && head < moments.length; head++) {
            int now = head;
            double[][] all = moments;
            trace += IntStream.range(0, dim).mapToDouble(i -> all[now][i * dim + i]).sum() / moments.length / dim;
        }
        List<double[][]> roots = new ArrayList<>();
        for (int head = 0; head < layer.kvHeads(); head++) {
            double[][] metric = new double[dim][dim];
            for (int i = 0; i < dim; i++) {
                for (int j = 0; j < dim; j++) {
                    double identity = i == j ? 1 : 0;
                    metric[i][j] = sensitivity * (trace > 0 ? share * moments[head][i * dim + j] / trace + (1 - share) * identity : identity);
                }
            }
            roots.add(root(metric));
        }
        return roots;
    }

    private static double[][] of(Optional<double[][][]> moments, int layer) {
        return moments.map(all -> layer < all.length && all[layer].length > 0 ? all[layer] : null).orElse(null);
    }

    /** The symmetric square root. */
    private static double[][] root(double[][] symmetric) {
        int n = symmetric.length;
        JacobiEigen eigen = JacobiEigen.of(symmetric);
        double largest = Arrays.stream(eigen.values()).max().orElse(1);
        double[][] root = new double[n][n];
        for (int k = 0; k < n; k++) {
            double value = Math.sqrt(Math.max(eigen.values()[k], largest * LEAST));
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    root[i][j] += value * eigen.vectors()[i][k] * eigen.vectors()[j][k];
                }
            }
        }
        return root;
    }

    /** Of a symmetric positive definite matrix, by Cholesky decomposition. */
    private static double logDeterminant(double[][] matrix) {
        int n = matrix.length;
        double[][] lower = new double[n][n];
        double log = 0;
        for (int i = 0; i < n; i++) {
            for (int j = 0; j <= i; j++) {
                double sum = matrix[i][j];
                for (int k = 0; k < j; k++) {
                    sum -= lower[i][k] * lower[j][k];
                }
                lower[i][j] = i == j ? Math.sqrt(Math.max(sum, Double.MIN_NORMAL)) : sum / lower[j][j];
            }
            log += 2 * Math.log(lower[i][i]);
        }
        return log;
    }
}
