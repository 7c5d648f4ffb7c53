package dev.kvcapsule.codecs.svd;

import dev.kvcapsule.codecs.principal.ComponentQuantizer;
import dev.kvcapsule.codecs.principal.Covariance;
import dev.kvcapsule.codecs.principal.PartGroup;
import dev.kvcapsule.codecs.principal.RowComponents;
import dev.kvcapsule.codecs.principal.TokenVectors;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformBasis;
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
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Finds the factors of the channels: the leading right singular vectors of the centred matrix, from the eigenvectors of its covariance, or of its rows'
 * Gram matrix where there are fewer tokens than channels.
 */
final class SvdFitting {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
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
        int cells = cache.layout().subCaches().get(group.subCache()).cells();
        int most = codec.components(group, cells);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (Arena arena = Arena.ofShared()) {
            // Whichever matrix is smaller: channels x channels, or tokens x tokens.
            Factor factor = cells < group.width() ? ofRows(group, most, cells, cache, plan, kernels, algebra, arena) : ofChannels(group, most, cache, plan, kernels, algebra, arena);
            ChannelFactors.write(factor.mean(), factor.basis(), kernels, out);
        }
        return out.toByteArray();
    }

    private record Factor(float[] mean, TransformBasis basis) {
        static Factor of(float[] mean, MemorySegment vectors, int components, Arena arena) {
            for (int w = 0; w < mean.length; w++) {
                mean[w] = Float.float16ToFloat(Float.floatToFloat16(Math.clamp(mean[w], -LARGEST_MEAN, LARGEST_MEAN)));
            }
            return new Factor(mean, ComponentQuantizer.quantize(vectors, components, mean.length, arena).lasting());
        }
    }

    private static Factor ofChannels(PartGroup group, int most, KvCache cache, TilePlan plan, Kernels kernels, LinearAlgebra algebra, Arena arena) {
        try (Covariance covariance = new Covariance(group.width(), arena)) {
            forEachTile(group, cache, plan, kernels, (rows, tokens) -> covariance.add(rows, tokens, algebra));
            int components = (int) Math.min(most, covariance.rows());
            if (components == 0) {
                return Factor.of(covariance.mean(), MemorySegment.NULL, 0, arena);
            }
            try (Eigen eigen = algebra.largest(covariance.matrix(algebra), group.width(), components, ProgressListener.NONE)) {
                return Factor.of(covariance.mean(), eigen.vectors(), components, arena);
            }
        }
    }

    private static Factor ofRows(PartGroup group, int most, int cells, KvCache cache, TilePlan plan, Kernels kernels, LinearAlgebra algebra, Arena arena) {
        int width = group.width();
        MemorySegment all = arena.allocate(4L * cells * width, 64);
        int[] count = new int[1];
        forEachTile(group, cache, plan, kernels, (rows, tokens) -> {
            MemorySegment.copy(rows, 0, all, 4L * count[0] * width, 4L * tokens * width);
            count[0] += tokens;
        });
        float[] mean = center(all, count[0], width);
        if (count[0] == 0 || most == 0) {
            return Factor.of(mean, MemorySegment.NULL, 0, arena);
        }
        MemorySegment vectors = RowComponents.of(all, count[0], width, most, algebra, arena);
        return Factor.of(mean, vectors, (int) (vectors.byteSize() / (4L * width)), arena);
    }

    /** Subtracts the mean. @return the mean */
    private static float[] center(MemorySegment rows, int count, int width) {
        float[] mean = new float[width];
        for (int w = 0; w < width; w++) {
            double sum = 0;
            for (int t = 0; t < count; t++) {
                sum += rows.get(FLOAT, 4 * ((long) t * width + w));
            }
            mean[w] = (float) (sum / Math.max(1, count));
            for (int t = 0; t < count; t++) {
                long at = 4 * ((long) t * width + w);
                rows.set(FLOAT, at, rows.get(FLOAT, at) - mean[w]);
            }
        }
        return mean;
    }

    private interface RowsAction {
        void accept(MemorySegment rows, int tokens);
    }

    /** Sinks are left out, since they are kept exactly; so are tiles with numbers that are not finite. */
    private static void forEachTile(PartGroup group, KvCache cache, TilePlan plan, Kernels kernels, RowsAction action) {
        TileInput input = new TileInput(cache);
        try (Scratch scratch = new Scratch(); TokenVectors vectors = new TokenVectors(kernels); GrowingBuffer buffer = new GrowingBuffer()) {
            for (int t = 0; t < plan.size(); t++) {
                Tile tile = plan.get(t);
                if (!group.isIn(tile) || tile.region() == Region.SINK) {
                    continue;
                }
                MemorySegment rows = buffer.atLeast(4L * tile.tokens() * group.width());
                if (vectors.load(group.of(input.read(tile, scratch)), group.width(), rows)) {
                    action.accept(rows, tile.tokens());
                }
            }
        }
    }
}
