package dev.kvcapsule.codecs.svd;

import dev.kvcapsule.codecs.principal.ComponentQuantizer;
import dev.kvcapsule.codecs.principal.Covariance;
import dev.kvcapsule.codecs.principal.PartGroup;
import dev.kvcapsule.codecs.principal.TokenVectors;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.Eigen;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Finds the factors of the channels: the leading right singular vectors of the centred matrix, as eigenvectors of its covariance, which takes no more
 * memory for more tokens.
 */
final class SvdFitting {
    private static final float LARGEST_MEAN = 65504;

    private SvdFitting() {}

    /** The factors of all groups as a capsule carries them. */
    static MemorySegment factors(SvdCodec codec, KvCache cache, FitOptions options) throws IOException {
        TilePlan plan = new TilePlan(codec, cache.layout());
        // One thread a group: the result must not depend on how many there are.
        LinearAlgebra algebra = LinearAlgebras.best(1);
        List<Callable<byte[]>> jobs = new ArrayList<>();
        for (PartGroup group : ChannelFactors.groups(cache.layout(), codec.layers())) {
            jobs.add(() -> factor(codec, group, cache, plan, options.kernels(), algebra));
        }
        ByteArrayOutputStream carried = new ByteArrayOutputStream();
        try (ExecutorService threads = Executors.newFixedThreadPool(options.threads())) {
            for (Future<byte[]> future : threads.invokeAll(jobs)) {
                carried.writeBytes(future.get());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        }
        // Whoever holds the codec holds its basis: there is no end that the codec could be told of.
        return Arena.ofAuto().allocate(Math.max(1, carried.size()), 64).asSlice(0, carried.size()).copyFrom(MemorySegment.ofArray(carried.toByteArray()));
    }

    private static byte[] factor(SvdCodec codec, PartGroup group, KvCache cache, TilePlan plan, Kernels kernels, LinearAlgebra algebra) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int width = group.width();
        try (Arena arena = Arena.ofShared()) {
            Covariance covariance = new Covariance(width, arena);
            addTokens(covariance, group, cache, plan, kernels, algebra);
            float[] mean = covariance.mean();
            for (int w = 0; w < width; w++) {
                mean[w] = Float.float16ToFloat(Float.floatToFloat16(Math.clamp(mean[w], -LARGEST_MEAN, LARGEST_MEAN)));
            }
            int components = (int) Math.min(codec.components(group, cache.layout().subCaches().get(group.subCache()).cells()), covariance.rows());
            if (components == 0) {
                ChannelFactors.write(mean, ComponentQuantizer.empty(0, width, arena), kernels, out);
            } else {
                try (Eigen eigen = algebra.largest(covariance.matrix(), width, components, ProgressListener.NONE)) {
                    ChannelFactors.write(mean, ComponentQuantizer.quantize(eigen.vectors(), components, width, arena), kernels, out);
                }
            }
        }
        return out.toByteArray();
    }

    /** Sinks are left out, since they are kept exactly; so are tiles with numbers that are not finite. */
    private static void addTokens(Covariance covariance, PartGroup group, KvCache cache, TilePlan plan, Kernels kernels, LinearAlgebra algebra) {
        TileInput input = new TileInput(cache);
        try (Scratch scratch = new Scratch(); TokenVectors vectors = new TokenVectors(kernels); GrowingBuffer buffer = new GrowingBuffer()) {
            for (int t = 0; t < plan.size(); t++) {
                Tile tile = plan.get(t);
                if (!group.isIn(tile) || tile.region() == Region.SINK) {
                    continue;
                }
                MemorySegment rows = buffer.atLeast(4L * tile.tokens() * group.width());
                if (vectors.load(group.of(input.read(tile, scratch)), group.width(), rows)) {
                    covariance.add(rows, tile.tokens(), algebra);
                }
            }
        }
    }
}
