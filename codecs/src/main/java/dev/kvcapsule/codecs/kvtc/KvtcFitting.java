package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.codecs.principal.CenteredBasis;
import dev.kvcapsule.codecs.principal.PartGroup;
import dev.kvcapsule.codecs.principal.TokenVectors;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformScratch;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** Allocates bits by the errors that groups would have on a sample of the cache's own tokens. */
final class KvtcFitting {
    /** Tokens of the sample, at most about. */
    private static final int SAMPLE = 256;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private KvtcFitting() {}

    static BitAllocation allocate(KvtcCodec codec, PartGroup group, CenteredBasis basis, KvCache cache, Kernels kernels) {
        List<float[]> sample = sample(codec, group, basis, cache, kernels);
        GroupQuantizer quantizer = new GroupQuantizer();
        int budget = (int) (group.rowBytes() / codec.settings().ratio());
        return BitAllocator.allocate(basis.components().components(), budget, (first, size, type) -> {
            double sum = 0;
            for (float[] coefficients : sample) {
                sum += quantizer.error(coefficients, first, size, type);
            }
            return sum;
        });
    }

    private static List<float[]> sample(KvtcCodec codec, PartGroup group, CenteredBasis basis, KvCache cache, Kernels kernels) {
        List<float[]> sample = new ArrayList<>();
        int stride = Math.ceilDiv(cache.layout().subCaches().get(group.subCache()).cells(), SAMPLE);
        TilePlan plan = new TilePlan(codec, cache.layout());
        TileInput input = new TileInput(cache);
        try (Scratch scratch = new Scratch(); TokenVectors vectors = new TokenVectors(kernels); TransformScratch products = new TransformScratch();
                GrowingBuffer rowBuffer = new GrowingBuffer(); GrowingBuffer coefficientBuffer = new GrowingBuffer()) {
            int width = basis.width();
            int components = basis.components().components();
            for (int n = 0; n < plan.size(); n++) {
                Tile tile = plan.get(n);
                if (!group.isIn(tile) || tile.region() != Region.BODY) {
                    continue;
                }
                MemorySegment rows = rowBuffer.atLeast(4L * tile.tokens() * width);
                if (!vectors.load(group.of(input.read(tile, scratch)), width, rows)) {
                    continue;
                }
                int tokens = 0;
                for (int t = 0; t < tile.tokens(); t += stride) {
                    MemorySegment.copy(rows, 4L * t * width, rows, 4L * tokens++ * width, 4L * width);
                }
                MemorySegment coefficients = coefficientBuffer.atLeast(4L * Math.max(1, tokens * components));
                basis.project(kernels, rows, tokens, components, coefficients, products);
                for (int t = 0; t < tokens; t++) {
                    float[] row = new float[components];
                    MemorySegment.copy(coefficients, FLOAT, 4L * t * components, row, 0, components);
                    sample.add(row);
                }
            }
        }
        return sample;
    }
}
