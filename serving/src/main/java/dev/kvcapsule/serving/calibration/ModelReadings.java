package dev.kvcapsule.serving.calibration;

import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.calibration.WeightSums;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.llamacpp.runtime.ContextOptions;
import dev.kvcapsule.serving.llamacpp.runtime.LayerSensitivity;
import dev.kvcapsule.serving.llamacpp.runtime.LlamaException;
import dev.kvcapsule.serving.llamacpp.runtime.ModelRunner;
import dev.kvcapsule.serving.llamacpp.runtime.QueryMoments;
import dev.kvcapsule.serving.llamacpp.runtime.QuerySample;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** States of texts that a model has read, in temporary files if it was asked to read them here, and the weights that were found on the way. */
public final class ModelReadings implements AutoCloseable {
    /** Tokens of a text whose queries are kept, to see what they attend to, about. */
    private static final int ASKED = 128;

    /** Predictions that a layer's sensitivity is measured on. */
    private static final int JUDGED = 96;

    /** Caches that sensitivities are the mean of. */
    private static final int PROBED = 2;

    private final List<Path> states;
    private final List<TokenAttention> attention;
    private final WeightSums weights;
    private final Path folder;

    private ModelReadings(List<Path> states, List<TokenAttention> attention, WeightSums weights, Path folder) {
        this.states = states;
        this.attention = attention;
        this.weights = weights;
        this.folder = folder;
    }

    /** States that were saved before; nothing is known about harm. */
    public static ModelReadings ofStates(List<Path> states) {
        return new ModelReadings(List.copyOf(states), List.of(), WeightSums.NONE, null);
    }

    /**
     * Has a model read texts.
     *
     * @param model GGUF file
     * @param texts files in UTF-8
     * @param tokens how many tokens of each to read, at most
     * @param threads threads for the model
     * @param facts of the model
     * @param moments whether second moments of queries, output projections, and the attention that tokens are paid are wanted
     * @param sensitivity whether layers are to be probed with noise: two evaluations a layer for each of the first {@value #PROBED} texts
     * @param progress hears how far it is
     */
    public static ModelReadings ofTexts(Path model, List<Path> texts, int tokens, int threads, ModelFacts facts, boolean moments, boolean sensitivity, ProgressListener progress)
            throws IOException {
        Path folder = Files.createTempDirectory("kvcapsule-calibration");
        folder.toFile().deleteOnExit();
        List<Path> states = new ArrayList<>();
        List<TokenAttention> attention = new ArrayList<>();
        try (ModelRunner runner = ModelRunner.open(model, ContextOptions.of(tokens + JUDGED + 1).withThreads(threads))) {
            QueryMoments queries = null;
            List<LayerSensitivity> sensitivities = new ArrayList<>();
            for (int i = 0; i < texts.size(); i++) {
                int now = i;
                String name = texts.get(i).getFileName().toString();
                progress.update("reading " + name, (double) i / texts.size());
                String text = Files.readString(texts.get(i));
                int available = runner.model().tokenize(text).length;
                int read = Math.min(tokens, available);
                if (read < 2) {
                    throw new LlamaException(texts.get(i) + " has " + available + " tokens");
                }
                Path state = folder.resolve(i + ".ggsq");
                int asked = PaidAttention.firstAsked(read);
                QuerySample sample = new QuerySample(asked, Math.max(1, (read - asked) / ASKED));
                QueryMoments here = runner.prefill(text, read, state, sample);
                queries = queries == null ? here : queries.and(here);
                states.add(state);
                state.toFile().deleteOnExit();
                if (moments) {
                    progress.update("attention in " + name, (i + 0.9) / texts.size());
                    try (InputFile in = InputFile.open(state)) {
                        attention.add(PaidAttention.of(CacheFormats.read(in.bytes(), facts), sample, LinearAlgebras.best(threads), Kernels.best()));
                    }
                }
                if (sensitivity && sensitivities.size() < PROBED && Math.min(tokens, available - JUDGED - 1) > JUDGED) {
                    try (Arena arena = Arena.ofShared()) {
                        ModelRunner.Prefill probed = runner.prefill(text, Math.min(tokens, available - JUDGED - 1), arena);
                        sensitivities.add(runner.sensitivity(probed, JUDGED, (done, total) -> progress.update("probing layers of " + name,
                                (now + (double) done / total) / texts.size())));
                    }
                }
            }
            Optional<LayerSensitivity> layers = sensitivities.isEmpty() ? Optional.empty() : Optional.of(LayerSensitivity.geometricMean(sensitivities));
            AttentionWeights means = new AttentionWeights(moments ? Optional.of(queries.moments()) : Optional.empty(),
                    moments ? Optional.of(runner.outputMoments().moments()) : Optional.empty(), layers.map(LayerSensitivity::key), layers.map(LayerSensitivity::value));
            WeightSums weights = new WeightSums(means, moments ? queries.tokens() : 0, sensitivities.size());
            return new ModelReadings(states, attention, weights, folder);
        } catch (IOException | RuntimeException e) {
            delete(states, folder);
            throw e;
        }
    }

    /** The states' files. */
    public List<Path> states() {
        return states;
    }

    /** How much attention the tokens of a state were paid; {@link TokenAttention#NONE} if that was not looked at. */
    public TokenAttention attention(int state) {
        return state < attention.size() ? attention.get(state) : TokenAttention.NONE;
    }

    /** How much errors harm, as far as it was measured here: can be put together with what was elsewhere. */
    public WeightSums weights() {
        return weights;
    }

    /** What to solve with in the end: sensitivities smoothed, since each is measured on few predictions. */
    public static AttentionWeights smoothed(WeightSums weights) {
        AttentionWeights means = weights.means();
        if (weights.probes() == 0) {
            return means;
        }
        LayerSensitivity layers = new LayerSensitivity(means.keySensitivity().orElseThrow(), means.valueSensitivity().orElseThrow()).smoothed();
        return new AttentionWeights(means.keyMoments(), means.valueMoments(), Optional.of(layers.key()), Optional.of(layers.value()));
    }

    private static void delete(List<Path> states, Path folder) throws IOException {
        for (Path state : states) {
            Files.deleteIfExists(state);
        }
        Files.deleteIfExists(folder);
    }

    @Override
    public void close() throws IOException {
        if (folder != null) {
            delete(states, folder);
        }
    }
}
