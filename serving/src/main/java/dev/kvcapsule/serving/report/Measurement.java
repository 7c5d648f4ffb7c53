package dev.kvcapsule.serving.report;

import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.serving.llamacpp.runtime.CacheJudge.Verdict;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/**
 * One codec on one state.
 *
 * @param codec as it was asked for
 * @param rawBytes bytes of the state's file
 * @param capsuleBytes bytes of the capsule's file, all counted
 * @param ratio the first over the second
 * @param keyError relative error of all K
 * @param valueError relative error of all V
 * @param attentionError relative error of attention outputs for made-up queries, mean over the layers that have V; NaN if none has
 * @param encodeSeconds time to encode, reading what was encoded back included
 * @param decodeSeconds time to decode
 * @param continuation what the model says about what comes next in the text; empty if it was not asked
 * @param recall what the model says about tokens of the context, said again; empty if it was not asked
 */
public record Measurement(CodecSpec codec, long rawBytes, long capsuleBytes, double ratio, double keyError, double valueError, double attentionError,
        double encodeSeconds, double decodeSeconds, Optional<Verdict> continuation, Optional<Verdict> recall) {
    /** Largest ratio last. */
    static final Comparator<Measurement> BY_RATIO = Comparator.comparingDouble(Measurement::ratio).thenComparing(m -> m.codec().toString());

    /** @throws NullPointerException if a component is null */
    public Measurement {
        Objects.requireNonNull(codec);
        Objects.requireNonNull(continuation);
        Objects.requireNonNull(recall);
    }

    /** Raw bytes a second of encoding. */
    public double encodeRate() {
        return rawBytes / encodeSeconds;
    }

    /** Raw bytes a second of decoding. */
    public double decodeRate() {
        return rawBytes / decodeSeconds;
    }

    /** Sums of bytes and seconds, means of everything else. */
    static Measurement mean(List<Measurement> all) {
        return new Measurement(all.getFirst().codec, all.stream().mapToLong(Measurement::rawBytes).sum(), all.stream().mapToLong(Measurement::capsuleBytes).sum(),
                mean(all, Measurement::ratio), mean(all, Measurement::keyError), mean(all, Measurement::valueError), mean(all, Measurement::attentionError),
                all.stream().mapToDouble(Measurement::encodeSeconds).sum(), all.stream().mapToDouble(Measurement::decodeSeconds).sum(),
                verdict(all, Measurement::continuation), verdict(all, Measurement::recall));
    }

    /** Of those that have one; perplexities by the geometric mean, as if the texts were one. */
    private static Optional<Verdict> verdict(List<Measurement> all, Function<Measurement, Optional<Verdict>> which) {
        List<Verdict> verdicts = all.stream().map(which).flatMap(Optional::stream).toList();
        if (verdicts.size() < all.size()) {
            return Optional.empty();
        }
        return Optional.of(new Verdict(verdicts.stream().mapToInt(Verdict::tokens).sum(), mean(verdicts, Verdict::meanKl), mean(verdicts, Verdict::p99Kl),
                verdicts.stream().mapToDouble(Verdict::maxKl).max().orElseThrow(), mean(verdicts, Verdict::top1),
                Math.exp(mean(verdicts, v -> Math.log(v.referencePerplexity()))), Math.exp(mean(verdicts, v -> Math.log(v.perplexity())))));
    }

    private static <T> double mean(List<T> all, ToDoubleFunction<T> what) {
        return all.stream().mapToDouble(what).sum() / all.size();
    }
}
