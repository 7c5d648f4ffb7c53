package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Finds the step that gives a size or an error, by trying steps on a sample of the cache. */
final class RateControl {
    /** Codec that is ready to code with a step. */
    interface Candidates {
        KltCodec withStep(double step);
    }

    /** Blocks of tokens that are looked at. */
    private static final int SAMPLE_BLOCKS = 3;

    private static final double SMALLEST = 0.001;
    private static final double LARGEST = 1000;

    /** Halvings of the octaves between: steps within 0.2 %. */
    private static final int TRIALS = 13;

    /** A sample errs: aim this much higher than asked. */
    private static final double MARGIN = 1.01;

    private final KvCache cache;
    private final FitOptions options;
    private final Candidates candidates;

    RateControl(KvCache cache, FitOptions options, Candidates candidates) {
        this.cache = cache;
        this.options = options;
        this.candidates = candidates;
    }

    double step(KltSettings settings) {
        if (settings.maxError().isPresent()) {
            throw new UnsupportedOperationException("max-error");
        }
        double most = cache.layout().tensorBytes() / (settings.ratio().getAsDouble() * MARGIN);
        double low = Math.log(SMALLEST);
        double high = Math.log(LARGEST);
        for (int trial = 0; trial < TRIALS; trial++) {
            double middle = (low + high) / 2;
            if (estimate(candidates.withStep(Math.exp(middle))) > most) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return Math.exp(high);
    }

    /** Bytes of the capsule with that codec, about. */
    private double estimate(KltCodec codec) {
        TilePlan plan = new TilePlan(codec, cache.layout());
        long[] sampledRaw = new long[Region.values().length];
        long[] sampledBytes = new long[Region.values().length];
        long[] allRaw = new long[Region.values().length];
        TileInput input = new TileInput(cache);
        try (KltCoder coder = new KltCoder(codec, options.kernels()); Scratch scratch = new Scratch(); GrowingBuffer out = new GrowingBuffer()) {
            for (int t = 0; t < plan.size(); t++) {
                Tile tile = plan.get(t);
                int region = tile.region().ordinal();
                long raw = TilePlan.rawBytes(cache.layout(), tile);
                allRaw[region] += raw;
                if (tile.region() == Region.BODY && !isSampled(codec, tile)) {
                    continue;
                }
                List<TileTensor> tensors = input.read(tile, scratch);
                MemorySegment payload = out.atLeast(coder.maxEncodedBytes(tensors));
                long bytes = coder.encode(tile, tensors, payload);
                sampledRaw[region] += raw;
                sampledBytes[region] += bytes < 0 ? raw : bytes;
            }
        }
        double total = codec.basis().byteSize();
        for (int region = 0; region < allRaw.length; region++) {
            total += sampledRaw[region] == 0 ? 0 : (double) sampledBytes[region] * allRaw[region] / sampledRaw[region];
        }
        return total;
    }

    private boolean isSampled(KltCodec codec, Tile tile) {
        var sub = cache.layout().subCaches().get(tile.subCache());
        int block = codec.geometry(sub).blockTokens();
        int blocks = Math.ceilDiv(sub.cells(), block);
        int number = (tile.firstToken() - Math.min(tile.firstToken(), codec.settings().sink())) / block;
        int every = Math.max(1, blocks / SAMPLE_BLOCKS);
        return number % every == every / 2;
    }
}
