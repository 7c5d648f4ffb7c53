package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.Rope;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** How a model's layers rotate K: base, scaling and frequency tables from GGUF metadata, as llama.cpp applies them. */
final class GgufRope {
    private final GgufHeader header;
    private final String prefix;
    private final String name;
    private final Architecture architecture;
    private final OptionalLong context;

    GgufRope(GgufHeader header, String name, Architecture architecture, OptionalLong context) {
        this.header = header;
        this.name = name;
        this.prefix = name + ".rope.";
        this.architecture = architecture;
        this.context = context;
    }

    /**
     * @param headDim channels of a K head, which are all turned if the metadata does not say
     * @param local whether the layer has a window
     * @return empty if the layer's rotation is not known
     */
    Optional<Rope> of(int headDim, boolean local) throws MalformedDataException {
        long dims = header.integer(prefix + "dimension_count").orElse(headDim);
        if (local) {
            dims = header.integer(prefix + "dimension_count_swa").orElse(dims);
        }
        if (architecture.pairing().isEmpty() || dims < 2 || dims % 2 != 0 || dims > headDim) {
            return Optional.empty();
        }
        double base = number("freq_base", 10_000);
        if (local) {
            base = number("freq_base_swa", architecture.windows().base() == Architecture.LocalBase.GLOBAL ? base : 10_000);
        }
        double factor = number("scaling.factor", number("scale_linear", 0));
        double scale = factor == 0 || local && !architecture.windows().scaled() ? 1 : 1 / factor;
        Optional<List<Double>> factors = factors((int) dims, local);
        if (factors.isEmpty()) {
            return Optional.empty();
        }
        if (header.string(prefix + "scaling.type").orElse("linear").equals("yarn") && scale != 1) {
            return Optional.of(new Rope(architecture.pairing().get(), base, (int) dims, 1, yarn(base, (int) dims, scale, factors.get())));
        }
        return Optional.of(new Rope(architecture.pairing().get(), base, (int) dims, scale, factors.get()));
    }

    private double number(String key, double fallback) {
        return header.number(prefix + key).orElse(fallback);
    }

    /** The divisors of the model's frequency tables; empty if which of them was in use is not known. */
    private Optional<List<Double>> factors(int dims, boolean local) throws MalformedDataException {
        // Gemma 4 divides the frequencies of its global layers only.
        if (local && name.equals("gemma4")) {
            return Optional.of(List.of());
        }
        Optional<float[]> llama3 = header.floats("rope_freqs.weight", dims / 2);
        if (llama3.isPresent()) {
            return Optional.of(list(llama3.get()));
        }
        Optional<float[]> longTable = header.floats("rope_factors_long.weight", dims / 2);
        Optional<float[]> shortTable = header.floats("rope_factors_short.weight", dims / 2);
        if (longTable.isEmpty() || shortTable.isEmpty()) {
            return Optional.of(List.of());
        }
        if (context.isEmpty()) {
            return Optional.empty();
        }
        long trained = header.integer(prefix + "scaling.original_context_length").orElse(header.integer(name + ".context_length").orElse(0));
        return Optional.of(list(context.getAsLong() > trained ? longTable.get() : shortTable.get()));
    }

    private static List<Double> list(float[] numbers) {
        List<Double> list = new ArrayList<>(numbers.length);
        for (float number : numbers) {
            list.add((double) number);
        }
        return list;
    }

    /**
     * YaRN (Peng et al., arXiv 2309.00071) as ggml computes it: fast pairs keep their frequency, slow ones are scaled, with a ramp between. Its
     * magnitude correction is left out: it scales K, and does not turn it.
     */
    private List<Double> yarn(double base, int dims, double scale, List<Double> factors) {
        double trained = header.number(prefix + "scaling.original_context_length").orElse(header.number(name + ".context_length").orElse(0));
        double extrapolation = number("scaling.yarn_ext_factor", 1);
        double low = Math.max(0, Math.floor(turns(base, dims, trained, number("scaling.yarn_beta_fast", 32))));
        double high = Math.min(dims - 1, Math.ceil(turns(base, dims, trained, number("scaling.yarn_beta_slow", 1))));
        List<Double> divisors = new ArrayList<>(dims / 2);
        for (int i = 0; i < dims / 2; i++) {
            double ramp = 1 - Math.clamp((i - low) / Math.max(0.001, high - low), 0.0, 1.0);
            double mix = ramp * extrapolation;
            divisors.add((factors.isEmpty() ? 1 : factors.get(i)) / (scale * (1 - mix) + mix));
        }
        return divisors;
    }

    /** The pair that turns {@code rotations} times over the trained context. */
    private static double turns(double base, int dims, double trained, double rotations) {
        return dims * Math.log(trained / (rotations * 2 * Math.PI)) / (2 * Math.log(base));
    }
}
