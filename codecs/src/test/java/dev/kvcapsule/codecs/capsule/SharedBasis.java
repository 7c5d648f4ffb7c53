package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.Channels;
import java.util.Map;
import java.util.OptionalInt;

/** A basis made of one cache, and the only one there is. */
public record SharedBasis(String digest, MemorySegment file) implements Bases {
    /** Calibrates with nothing known about the harm of directions and layers. */
    public static SharedBasis of(KvCache cache, int layersPerGroup, Arena arena) throws IOException {
        return of(cache, layersPerGroup, AttentionWeights.NONE, arena);
    }

    public static SharedBasis of(KvCache cache, int layersPerGroup, AttentionWeights weights, Arena arena) throws IOException {
        return of(cache, layersPerGroup, weights, TestCaches.attention(cache.layout()), arena);
    }

    static SharedBasis of(KvCache cache, int layersPerGroup, AttentionWeights weights, TokenAttention attention, Arena arena) throws IOException {
        return of(cache, layersPerGroup, weights, attention, OptionalInt.empty(), arena);
    }

    /** @param fine components that are kept in 8 bits; those in 4 are all that can be seen of an error at fine steps */
    static SharedBasis of(KvCache cache, int layersPerGroup, AttentionWeights weights, TokenAttention attention, OptionalInt fine, Arena arena) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        CalibrationOptions options = new CalibrationOptions(layersPerGroup, 4096, fine, Kernels.scalar(), LinearAlgebras.named("java", 1));
        try (Calibration calibration = Calibrations.of("klt").start(cache.layout(), options)) {
            calibration.add(cache, attention);
            calibration.solve(weights, ProgressListener.NONE);
            calibration.train(cache);
            String digest = calibration.write(Map.of("model", "test"), Channels.newChannel(out));
            return new SharedBasis(digest, arena.allocateFrom(ValueLayout.JAVA_BYTE, out.toByteArray()));
        }
    }

    @Override
    public MemorySegment find(String wanted) throws IOException {
        if (!wanted.equals(digest)) {
            throw new CapsuleRefusedException("no basis " + wanted);
        }
        return file;
    }

    /** The codec with this basis. */
    String codec(String parameters) {
        return "klt:basis=" + digest + "," + parameters;
    }

    /** Threads and kernels, with this basis at hand. */
    PipelineOptions options(int threads, Kernels kernels) {
        return new PipelineOptions(threads, kernels, Progress.NONE, this);
    }
}
