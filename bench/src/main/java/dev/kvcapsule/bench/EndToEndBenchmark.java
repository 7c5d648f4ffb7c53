package dev.kvcapsule.bench;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.EncodeReport;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.memory.MemoryChannel;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/**
 * The whole cache into a capsule in memory and back, with everything that users get: tiles on threads, checksums, and the encoder's check of
 * what it has done.
 */
public class EndToEndBenchmark extends KernelBenchmark {
    /** The error that the encoder claims is summed in another order. */
    private static final double MOST_MISREPORTED = 1e-3;

    /** The codec. */
    @Param({"raw", "lossless", "fp8", "kivi:bits=4,entropy=off", "kivi:bits=4", "kivi:bits=2", "rotated:bits=4,entropy=off", "rotated:bits=4", "rotated:bits=3", "klt:basis=none,group=1"})
    public String codec = "kivi:bits=4";

    /** Worker threads. */
    @Param({"1", "2"})
    public int threads = 1;

    private Codec made;
    private MemorySegment memory;
    private MemorySegment capsule;
    private EncodeReport report;
    private Trailer trailer;
    private double sampleRatio;

    /** With its parameters at their defaults. */
    public EndToEndBenchmark() {}

    @Override
    boolean hasOwnThreads() {
        return true;
    }

    @Override
    void prepare(Arena arena) throws IOException {
        made = Codecs.create(codec);
        memory = arena.allocate(workload().bytes() + workload().bytes() / 8 + (1 << 20), 64);
        sampleRatio = made.isLossless() ? sampleRatio() : 0;
    }

    /** Ratio on the real sample, in which nothing is repeated. */
    private double sampleRatio() throws IOException {
        SubCache sub = workload().sourceCache().layout().subCaches().getFirst();
        SubCache shorter = new SubCache(sub.name(), Positions.sequential(workload().sampleTokens()), sub.keyOrder(), sub.valueOrder(), sub.layers());
        CacheLayout layout = new CacheLayout(workload().sampleTokens(), List.of(shorter), List.of(), Map.of());
        KvCache.Builder cache = new KvCache.Builder(layout);
        for (int t = 0; t < 2 * workload().layers(); t++) {
            cache.add(0, t % 2 == 0 ? Part.KEY : Part.VALUE, workload().sampleTensor(t));
        }
        MemoryChannel out = new MemoryChannel(memory);
        CapsuleEncoder.encode(cache.build(), made, out, options());
        return (double) workload().sample().byteSize() / out.passed().byteSize();
    }

    private PipelineOptions options() {
        return new PipelineOptions(threads, engine(), Progress.NONE);
    }

    /**
     * Cache to capsule.
     *
     * @throws IOException if the memory is too small
     */
    @Benchmark
    public void encode(Amount amount) throws IOException {
        MemoryChannel out = new MemoryChannel(memory);
        report = CapsuleEncoder.encode(workload().sourceCache(), made, out, options());
        capsule = out.passed();
        amount.bytes += workload().bytes();
    }

    /**
     * Capsule to cache.
     *
     * @throws IOException if the capsule is damaged
     */
    @Benchmark
    public void decode(Amount amount) throws IOException {
        trailer = new CapsuleDecoder(CapsuleReader.of(capsule)).decode(CacheSink.of(workload().targetCache()), options());
        amount.bytes += workload().bytes();
    }

    /** Bytes of the cache over those of the capsule; of the real sample if the codec is lossless, since repetition would help it. */
    double ratio() {
        return made.isLossless() ? sampleRatio : (double) workload().bytes() / capsule.byteSize();
    }

    @Override
    void runAll(Amount amount) throws IOException {
        encode(amount);
        decode(amount);
    }

    @Override
    void verify() {
        if (made.isLossless()) {
            Checks.same("the decoded cache", workload().source(), workload().target());
            return;
        }
        double error = Checks.relativeError(workload().source(), workload().target());
        double most = Checks.mostError(Integer.parseInt(made.spec().parameters().getOrDefault("bits", "4")));
        double claimed = trailer.relativeError();
        if (!(error <= most) || !(Math.abs(error - claimed) <= MOST_MISREPORTED) || claimed != report.trailer().relativeError()) {
            throw new IllegalStateException("the decoded cache has a relative error of " + error + ", the capsule says " + claimed + ", at most " + most + " is right");
        }
    }
}
