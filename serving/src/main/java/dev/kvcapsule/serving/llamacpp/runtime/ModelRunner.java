package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.KvCache;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A model ready to read texts, for each of which it gives the KV cache and the moments of the queries, and to judge caches. One task at a time: all of
 * them use the same context. Not thread-safe.
 */
public final class ModelRunner implements AutoCloseable {
    private final LlamaModel model;
    private final LlamaContext context;

    /**
     * What reading a text gave.
     *
     * @param tokens the tokens that were read
     * @param rest the text's other tokens: what really comes next
     * @param state the KV cache, of the form that {@link LlamaContext#save} gives
     * @param queries moments of the queries
     */
    public record Prefill(int[] tokens, int[] rest, MemorySegment state, QueryMoments queries) {}

    private ModelRunner(LlamaModel model, ContextOptions options) throws IOException {
        this.model = model;
        this.context = model.context(options);
    }

    /**
     * Loads a model with the library that {@code CAPSULE_LIBLLAMA} names.
     *
     * @param gguf the model
     * @param options with flash attention; as many tokens as the longest text and what is judged after it
     */
    public static ModelRunner open(Path gguf, ContextOptions options) throws IOException {
        return open(LibLlama.load(), gguf, options);
    }

    /** The same with a library that is already there. */
    public static ModelRunner open(LibLlama library, Path gguf, ContextOptions options) throws IOException {
        LlamaModel model = LlamaModel.open(library, gguf);
        try {
            return new ModelRunner(model, options);
        } catch (IOException | RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /** The model. */
    public LlamaModel model() {
        return model;
    }

    /**
     * Reads the beginning of a text.
     *
     * @param text at least as many tokens as are read
     * @param tokens how many to read, 1 to the context's size
     * @param owner whose memory the state becomes
     * @throws LlamaException if the text is shorter
     */
    public Prefill prefill(String text, int tokens, Arena owner) throws IOException {
        QueryCapture capture = new QueryCapture(context.facts());
        int[] all = read(text, tokens, capture);
        return new Prefill(Arrays.copyOf(all, tokens), Arrays.copyOfRange(all, tokens, all.length), context.save(owner),
                capture.moments(QueryCapture.DEFAULT_DISTANCES));
    }

    /**
     * Reads the beginning of a text and writes its KV cache to a GGSQ file.
     *
     * @param state the file to write
     * @param listener sees the queries as well
     * @return moments of the queries
     */
    public QueryMoments prefill(String text, int tokens, Path state, QueryListener listener) throws IOException {
        QueryCapture capture = new QueryCapture(context.facts());
        int[] all = read(text, tokens, (layer, position, batch) -> {
            capture.queries(layer, position, batch);
            listener.queries(layer, position, batch);
        });
        context.save(state, Arrays.copyOf(all, tokens));
        return capture.moments(QueryCapture.DEFAULT_DISTANCES);
    }

    private int[] read(String text, int tokens, QueryListener listener) throws LlamaException {
        int[] all = model.tokenize(text);
        if (tokens < 1 || tokens > all.length || tokens > context.size()) {
            throw new LlamaException("the text has " + all.length + " tokens and the context room for " + context.size() + ", asked for " + tokens);
        }
        context.clear();
        context.evaluate(Arrays.copyOf(all, tokens), 0, listener);
        return all;
    }

    /**
     * The cache in a state that {@link #prefill(String, int, Arena)} gave: slices of it.
     *
     * @throws MalformedDataException if it is not one
     */
    public KvCache read(MemorySegment state) throws MalformedDataException {
        return context.read(state);
    }

    /** How much of an error of a value reaches each layer's output, from the model's weights. */
    public OutputMoments outputMoments() throws IOException {
        return OutputMoments.of(model.file());
    }

    /**
     * A judge of caches against an untouched one; see {@link CacheJudge}. One at a time.
     *
     * @param untouched a GGSQ file
     * @param continuation the tokens to be given, and one more
     */
    public CacheJudge judge(Path untouched, int[] continuation) throws IOException {
        return CacheJudge.of(context, untouched, continuation);
    }

    /** The same for a state in memory. */
    public CacheJudge judge(MemorySegment untouched, int[] continuation) throws IOException {
        return CacheJudge.of(context, untouched, continuation);
    }

    /**
     * What errors in each layer of a cache cost, by noise in proportion to that cache.
     *
     * @param prefill of a text with at least {@code judged} tokens more
     * @param judged predictions a measurement, 64 to 128
     * @throws LlamaException if the text is shorter
     */
    public LayerSensitivity sensitivity(Prefill prefill, int judged, SensitivityProbe.Progress progress) throws IOException {
        return sensitivity(prefill, judged, SensitivityProbe.of(NoiseLevel.of(read(prefill.state()))), progress);
    }

    /** The same with noise of one's own choice. */
    public LayerSensitivity sensitivity(Prefill prefill, int judged, SensitivityProbe probe, SensitivityProbe.Progress progress) throws IOException {
        if (judged < 1 || prefill.rest().length <= judged) {
            throw new LlamaException("the text has " + prefill.rest().length + " tokens more, expected more than " + judged);
        }
        return probe.measure(context, prefill.state(), Arrays.copyOf(prefill.rest(), judged + 1), progress);
    }

    /** Frees the model and its contexts. */
    @Override
    public void close() {
        model.close();
    }
}
