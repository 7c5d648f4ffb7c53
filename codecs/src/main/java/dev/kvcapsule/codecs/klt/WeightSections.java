package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.principal.BasisFileReader;
import dev.kvcapsule.codecs.principal.BasisFileWriter;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.calibration.WeightSums;
import dev.kvcapsule.engine.format.CborMap;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Attention weights in a file of partial sums: shapes in its header, numbers in its last four sections. */
final class WeightSections {
    private static final int MAX_LAYERS = 1 << 16;
    private static final double LARGEST_SENSITIVITY = 1e30;

    /** What is stored for a layer that has no such cache. */
    private static final double NO_CACHE = -1;

    /** Second moments may miss the Cauchy-Schwarz inequality by rounding, by this share of their trace. */
    private static final double ROUNDING = 1e-6;

    private WeightSections() {}

    /** What the header has of them. */
    static Map<String, Object> header(WeightSums weights) {
        return Map.of("queries", weights.queries(), "probes", weights.probes(), "k_moments", shapes(weights.means().keyMoments()), "v_moments",
                shapes(weights.means().valueMoments()), "probed", (long) weights.means().keySensitivity().map(all -> all.length).orElse(0));
    }

    /** Heads and channels of a head of each layer of the model. */
    private static List<Long> shapes(Optional<double[][][]> moments) {
        List<Long> shapes = new ArrayList<>();
        for (double[][] layer : moments.orElse(new double[0][][])) {
            long dim = layer.length == 0 ? 0 : Math.round(Math.sqrt(layer[0].length));
            shapes.add(dim == 0 ? 0L : layer.length);
            shapes.add(dim);
        }
        return shapes;
    }

    static void write(WeightSums weights, BasisFileWriter out) throws IOException {
        for (Optional<double[][][]> moments : List.of(weights.means().keyMoments(), weights.means().valueMoments())) {
            out.begin();
            for (double[][] layer : moments.orElse(new double[0][][])) {
                for (double[] head : layer) {
                    out.append(head);
                }
            }
        }
        for (Optional<double[]> sensitivity : List.of(weights.means().keySensitivity(), weights.means().valueSensitivity())) {
            double[] stored = sensitivity.orElse(new double[0]).clone();
            for (int layer = 0; layer < stored.length; layer++) {
                stored[layer] = Double.isNaN(stored[layer]) ? NO_CACHE : stored[layer];
            }
            out.section(stored);
        }
    }

    /** @param map what {@link #header} gave */
    static WeightSums read(CborMap map, BasisFileReader reader) throws MalformedDataException {
        long queries = map.number("queries", 0, PartialSums.MAX_COUNT);
        long probes = map.number("probes", 0, PartialSums.MAX_COUNT);
        int probed = map.integer("probed", 0, MAX_LAYERS);
        Optional<double[][][]> keys = moments(map, map.numbers("k_moments"), reader);
        Optional<double[][][]> values = moments(map, map.numbers("v_moments"), reader);
        Optional<double[]> keySensitivity = sensitivity(map, probed, reader);
        Optional<double[]> valueSensitivity = sensitivity(map, probed, reader);
        map.end();
        try {
            return new WeightSums(new AttentionWeights(keys, values, keySensitivity, valueSensitivity), queries, probes);
        } catch (IllegalArgumentException e) {
            throw map.malformed(e.getMessage());
        }
    }

    private static Optional<double[][][]> moments(CborMap map, long[] shapes, BasisFileReader reader) throws MalformedDataException {
        long total = 0;
        for (int i = 0; i + 1 < shapes.length; i += 2) {
            if (shapes[i] < 0 || shapes[i] > LayerLayout.MAX_WIDTH || shapes[i + 1] < 0 || shapes[i] * shapes[i + 1] > LayerLayout.MAX_WIDTH || shapes[i] > 0 != shapes[i + 1] > 0) {
                throw map.malformed("moments of " + shapes[i] + " heads of " + shapes[i + 1] + " channels");
            }
            total += shapes[i] * shapes[i + 1] * shapes[i + 1];
        }
        if (shapes.length % 2 != 0 || shapes.length > 2 * MAX_LAYERS || total > Integer.MAX_VALUE) {
            throw map.malformed(total + " moments of " + shapes.length / 2 + " layers");
        }
        double[] all = reader.doubles((int) total);
        double[][][] moments = new double[shapes.length / 2][][];
        int at = 0;
        for (int layer = 0; layer < moments.length; layer++) {
            int dim = (int) shapes[2 * layer + 1];
            moments[layer] = new double[(int) shapes[2 * layer]][];
            for (int head = 0; head < moments[layer].length; head++, at += dim * dim) {
                moments[layer][head] = Arrays.copyOfRange(all, at, at + dim * dim);
                check(map, moments[layer][head], dim);
            }
        }
        return moments.length == 0 ? Optional.empty() : Optional.of(moments);
    }

    /** Refuses what cannot be second moments: metrics made of it might not be finite. */
    private static void check(CborMap map, double[] moments, int dim) throws MalformedDataException {
        double trace = 0;
        for (int i = 0; i < dim; i++) {
            trace += moments[i * dim + i];
        }
        for (int i = 0; i < dim; i++) {
            for (int j = 0; j < dim; j++) {
                double most = moments[i * dim + i] / 2 + moments[j * dim + j] / 2 + ROUNDING * trace;
                if (!(moments[i * dim + i] >= 0 && Math.abs(moments[i * dim + j]) <= most)) {
                    throw map.malformed("a matrix is not one of second moments");
                }
            }
        }
    }

    private static Optional<double[]> sensitivity(CborMap map, int layers, BasisFileReader reader) throws MalformedDataException {
        double[] sensitivity = reader.doubles(layers);
        for (int layer = 0; layer < layers; layer++) {
            if (sensitivity[layer] != NO_CACHE && !(sensitivity[layer] >= 0 && sensitivity[layer] <= LARGEST_SENSITIVITY)) {
                throw map.malformed("a sensitivity of " + sensitivity[layer]);
            }
            sensitivity[layer] = sensitivity[layer] == NO_CACHE ? Double.NaN : sensitivity[layer];
        }
        return layers == 0 ? Optional.empty() : Optional.of(sensitivity);
    }
}
