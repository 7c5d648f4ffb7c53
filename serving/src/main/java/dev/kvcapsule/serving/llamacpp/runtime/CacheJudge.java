package dev.kvcapsule.serving.llamacpp.runtime;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * What a decoded cache costs: the model is given the same tokens after the untouched cache and after the decoded one, and its predictions are
 * compared. The tokens may be what comes next in the text, or a part of the context said again, which the model can only predict from the cache
 * (recall, the harder judge).
 *
 * <p>Predictions after the untouched cache are computed once and kept off-heap: tokens x vocabulary x 4 bytes. Both sides go through the same
 * batches, so an identical cache gives a divergence of exactly 0.
 */
public final class CacheJudge implements AutoCloseable {
    /**
     * Logits a batch: of a vocabulary of 262,144 they take 128 MiB in llama.cpp's own memory.
     */
    private static final int BATCH = 128;

    private final LlamaContext context;
    private final int[] continuation;
    private final int judged;
    private final int vocabulary;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment reference;
    private int start;

    /**
     * What a cache costs, by the definitions of the field.
     *
     * @param tokens predictions that were compared
     * @param meanKl mean Kullback-Leibler divergence from the predictions after the untouched cache, in nats
     * @param p99Kl its 99th percentile, interpolated linearly
     * @param maxKl its maximum
     * @param top1 share of predictions with the same most likely token, 0 to 1
     * @param referencePerplexity exp of the mean negative log-likelihood of the tokens that came, after the untouched cache
     * @param perplexity the same after the judged cache
     */
    public record Verdict(int tokens, double meanKl, double p99Kl, double maxKl, double top1, double referencePerplexity, double perplexity) {}

    private CacheJudge(LlamaContext context, int[] continuation) {
        this.context = context;
        this.continuation = continuation.clone();
        judged = continuation.length - 1;
        vocabulary = context.model().vocabulary();
        if (judged < 1) {
            throw new IllegalArgumentException("a continuation of " + continuation.length + " tokens, expected at least 2");
        }
        for (int token : continuation) {
            if (token < 0 || token >= vocabulary) {
                throw new IllegalArgumentException("token " + token + " is not within the vocabulary of " + vocabulary);
            }
        }
        reference = arena.allocate(4L * judged * vocabulary, 64);
    }

    /**
     * A judge against a state in a file.
     *
     * @param context with cells for the state's tokens and the continuation; judges may take turns on it, since each verdict loads what it needs
     * @param untouched a GGSQ file
     * @param continuation the tokens to be given, and one more that the last of them should predict
     */
    public static CacheJudge of(LlamaContext context, Path untouched, int[] continuation) throws IOException {
        return of(context, continuation, () -> context.load(untouched));
    }

    /**
     * A judge against a state in memory.
     *
     * @param untouched of the form that {@link LlamaContext#save} gives
     */
    public static CacheJudge of(LlamaContext context, MemorySegment untouched, int[] continuation) throws IOException {
        return of(context, continuation, () -> context.load(untouched));
    }

    private interface Loading {
        void run() throws IOException;
    }

    private static CacheJudge of(LlamaContext context, int[] continuation, Loading loading) throws IOException {
        CacheJudge judge = new CacheJudge(context, continuation);
        try {
            loading.run();
            judge.start = context.nextPosition();
            judge.predict((logits, from, count) ->
                    MemorySegment.copy(logits, 0, judge.reference, 4L * from * judge.vocabulary, 4L * count * judge.vocabulary));
            return judge;
        } catch (IOException | RuntimeException e) {
            judge.close();
            throw e;
        }
    }

    /** Predictions after the continuation's tokens from..from+count. */
    private interface Predictions {
        void accept(MemorySegment logits, int from, int count);
    }

    private void predict(Predictions predictions) throws LlamaException {
        int batch = Math.min(BATCH, context.options().batch());
        for (int from = 0; from < judged; from += batch) {
            int count = Math.min(batch, judged - from);
            predictions.accept(context.logits(Arrays.copyOfRange(continuation, from, from + count), start + from), from, count);
        }
    }

    /** Judges a state in a file: a GGSQ file of as many tokens as the untouched one. */
    public Verdict judge(Path state) throws IOException {
        context.load(state);
        return judge();
    }

    /** Judges a state in memory, of the form that {@link LlamaContext#save} gives. */
    public Verdict judge(MemorySegment state) throws IOException {
        context.load(state);
        return judge();
    }

    private Verdict judge() throws LlamaException {
        if (context.nextPosition() != start) {
            throw new IllegalArgumentException("the judged state ends at token " + context.nextPosition() + ", the untouched one at " + start);
        }
        double[] divergences = new double[judged];
        double[] losses = new double[2];
        int[] same = new int[1];
        float[] expected = new float[vocabulary];
        float[] found = new float[vocabulary];
        predict((logits, from, count) -> {
            for (int t = 0; t < count; t++) {
                MemorySegment.copy(reference, ValueLayout.JAVA_FLOAT, 4L * (from + t) * vocabulary, expected, 0, vocabulary);
                MemorySegment.copy(logits, ValueLayout.JAVA_FLOAT, 4L * t * vocabulary, found, 0, vocabulary);
                TokenDrift drift = TokenDrift.of(expected, found, continuation[from + t + 1]);
                divergences[from + t] = drift.divergence();
                losses[0] += drift.referenceLoss();
                losses[1] += drift.loss();
                same[0] += drift.sameTop() ? 1 : 0;
            }
        });
        double mean = Arrays.stream(divergences).sum() / judged;
        Arrays.sort(divergences);
        return new Verdict(judged, mean, quantile(divergences, 0.99), divergences[judged - 1], (double) same[0] / judged,
                Math.exp(losses[0] / judged), Math.exp(losses[1] / judged));
    }

    /** Of sorted numbers, linear between neighbours. */
    private static double quantile(double[] sorted, double share) {
        double at = share * (sorted.length - 1);
        int below = (int) at;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }

    /** Frees the untouched predictions; the context stays open. A second time does nothing. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
