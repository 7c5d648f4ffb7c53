package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.Part;
import java.util.ArrayList;
import java.util.List;

/**
 * Sums of squared errors and squared values by tensor, added up tile by tile in order, so that the figures do not depend on the number of
 * threads.
 */
final class TileErrors {
    private final List<double[][]> squaredErrors = new ArrayList<>();
    private final List<double[][]> squares = new ArrayList<>();

    TileErrors(CacheLayout layout) {
        layout.subCaches().forEach(sub -> {
            squaredErrors.add(new double[sub.layers().size()][2]);
            squares.add(new double[sub.layers().size()][2]);
        });
    }

    /**
     * @param sub index of the sub-cache
     * @param firstTensor number of the tile's first tensor
     * @param sums for each tensor number of the tile: squared error, squares
     */
    void add(int sub, int firstTensor, double[][] sums) {
        for (int i = 0; i < sums.length; i++) {
            int tensor = firstTensor + i;
            squaredErrors.get(sub)[tensor / 2][tensor % 2] += sums[i][0];
            squares.get(sub)[tensor / 2][tensor % 2] += sums[i][1];
        }
    }

    /** By sub-cache, then layer: relative error of K and V. */
    List<List<double[]>> relative() {
        List<List<double[]>> caches = new ArrayList<>();
        for (int s = 0; s < squares.size(); s++) {
            List<double[]> layers = new ArrayList<>();
            for (int l = 0; l < squares.get(s).length; l++) {
                double[] errors = new double[Part.values().length];
                for (Part part : Part.values()) {
                    errors[part.ordinal()] = ratio(squaredErrors.get(s)[l][part.ordinal()], squares.get(s)[l][part.ordinal()]);
                }
                layers.add(errors);
            }
            caches.add(layers);
        }
        return caches;
    }

    /** Relative error over everything. */
    double overall() {
        double error = 0;
        double square = 0;
        for (int s = 0; s < squares.size(); s++) {
            for (int l = 0; l < squares.get(s).length; l++) {
                for (int part = 0; part < 2; part++) {
                    error += squaredErrors.get(s)[l][part];
                    square += squares.get(s)[l][part];
                }
            }
        }
        return ratio(error, square);
    }

    private static double ratio(double squaredError, double square) {
        return squaredError == 0 ? 0 : Math.sqrt(squaredError / square);
    }
}
