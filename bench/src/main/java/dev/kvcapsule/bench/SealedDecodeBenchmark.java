package dev.kvcapsule.bench;

import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.seal.Caller;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.RestorePolicy;
import dev.kvcapsule.engine.seal.Scope;
import dev.kvcapsule.engine.seal.SealSpec;
import dev.kvcapsule.serving.files.TemporaryFolder;
import dev.kvcapsule.engine.memory.MemoryChannel;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.Optional;
import java.util.Set;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** The whole cache out of a sealed capsule and out of one without a seal, one after the other: what the seal costs. */
public class SealedDecodeBenchmark extends KernelBenchmark {
    /** The codec. */
    @Param({"kivi:bits=4,entropy=off", "rotated:bits=4", "lossless", "raw"})
    public String codec = "kivi:bits=4,entropy=off";

    /** Worker threads. */
    @Param({"1", "2"})
    public int threads = 1;

    private MemorySegment open;
    private MemorySegment sealed;
    private KeyFolder keys;

    /** With its parameters at their defaults. */
    public SealedDecodeBenchmark() {}

    private PipelineOptions options() {
        return new PipelineOptions(threads, engine(), Progress.NONE);
    }

    @Override
    boolean hasOwnThreads() {
        return true;
    }

    @Override
    void prepare(Arena arena) throws IOException {
        Instant now = Instant.now();
        // The keys' folder is needed for as long as the benchmark runs, and goes with the process.
        keys = KeyFolder.open(TemporaryFolder.create("bench").resolve("keys"), null);
        keys.lifecycle().newSigningKey(Optional.of("bench"), KeyStatus.ACTIVE, now, Optional.empty());
        keys.lifecycle().newTenantKey("bench");
        MemorySegment memory = arena.allocate(2 * (workload().bytes() + workload().bytes() / 8 + (1 << 20)), 64);
        MemoryChannel plain = new MemoryChannel(memory);
        CapsuleEncoder.encode(workload().sourceCache(), Codecs.create(codec), plain, options());
        open = plain.passed();
        MemoryChannel out = new MemoryChannel(memory.asSlice(open.byteSize()));
        Scope scope = new Scope("bench", "bench", Optional.empty(), Optional.empty());
        try (CapsuleSeal seal = new CapsuleSeal(SealSpec.of("bench", "bench", "bench", scope, now), keys)) {
            CapsuleEncoder.encode(workload().sourceCache(), Codecs.create(codec), out, options(), seal);
        }
        sealed = out.passed();
    }

    /** Without a seal. */
    @Benchmark
    public void unsealed(Amount amount) throws IOException {
        new CapsuleDecoder(CapsuleReader.of(open)).decode(CacheSink.of(workload().targetCache()), options());
        amount.bytes += workload().bytes();
    }

    /** With one: signature, tags, Merkle root and all. */
    @Benchmark
    public void sealed(Amount amount) throws IOException {
        RestorePolicy policy = RestorePolicy.of(new Caller("bench", "bench", Optional.empty(), Set.of()));
        try (CapsuleOpening opening = new CapsuleOpening(keys, policy)) {
            new CapsuleDecoder(CapsuleReader.of(sealed, opening)).decode(CacheSink.of(workload().targetCache()), options());
        }
        amount.bytes += workload().bytes();
    }

    @Override
    void runAll(Amount amount) throws IOException {
        unsealed(amount);
        sealed(amount);
    }

    @Override
    void verify() {
        double error = Checks.relativeError(workload().source(), workload().target());
        if (!(error <= Checks.mostError(4))) {
            throw new IllegalStateException("the decoded cache has a relative error of " + error);
        }
    }
}
