package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientStatistics;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Counts the symbols that a codec would code, in their contexts, over a range of steps. */
final class TableTrainer {
    private TableTrainer() {}

    static CoefficientStatistics statistics(KltCodec codec, KvCache cache, Kernels kernels, double... steps) {
        CoefficientStatistics statistics = new CoefficientStatistics();
        TilePlan plan = new TilePlan(codec, cache.layout());
        TileInput input = new TileInput(cache);
        try (KltCoder coder = new KltCoder(codec, kernels); Scratch scratch = new Scratch(); GrowingBuffer out = new GrowingBuffer()) {
            for (int t = 0; t < plan.size(); t++) {
                Tile tile = plan.get(t);
                if (tile.region() != Region.BODY) {
                    continue;
                }
                List<TileTensor> tensors = input.read(tile, scratch);
                Transform transform = codec.transforms().of(tile);
                byte[] symbols = coder.load(tile, transform, tensors);
                if (symbols == null) {
                    continue;
                }
                int components = KltCoder.liveComponents(transform, steps[0], symbols);
                MemorySegment projection = coder.project(transform, components, tile.tokens());
                for (int s = 0; s < steps.length; s++) {
                    coder.encode(transform, projection, symbols, tile.tokens(), components, (float) steps[s], out.atLeast(coder.maxEncodedBytes(tensors)), statistics);
                }
            }
        }
        return statistics;
    }
}
