package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Finds the step that gives a size or an error, by trying steps on a sample of the cache. */
final class RateControl {
    /** Codec that is ready to code with a step. */
    interface Candidates {
        KltCodec withStep(double step) throws IOException;
    }

    /** Tokens that are looked at, about, besides the window. */
    private static final int SAMPLE_TOKENS = 1024;

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

    /** The largest step that keeps the error, or the smallest that reaches the ratio, whichever was asked for. */
    double step(KltSettings settings) throws IOException {
        double low = Math.log(SMALLEST);
        double high = Math.log(LARGEST);
        boolean byError = settings.maxError().isPresent();
        double mostBytes = byError ? 0 : cache.layout().tensorBytes() / (settings.ratio().getAsDouble() * MARGIN);
        double mostError = byError ? settings.maxError().getAsDouble() / MARGIN : 0;
        for (int trial = 0; trial < TRIALS; trial++) {
            double middle = (low + high) / 2;
            KltCodec codec = candidates.withStep(Math.exp(middle));
            if (byError ? error(codec) <= mostError : estimate(codec) > mostBytes) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return Math.exp(byError ? low : high);
    }

    /** The weighted relative error of the sample. */
    private double error(KltCodec codec) {
        TilePlan plan = new TilePlan(codec, cache.layout());
        TileInput input = new TileInput(cache);
        double[] sums = new double[2];
        try (KltCoder coder = new KltCoder(codec, options.kernels()); Scratch scratch = new Scratch(); Scratch restored = new Scratch(); GrowingBuffer out = new GrowingBuffer()) {
            for (int t = 0; t < plan.size(); t++) {
                Tile tile = plan.get(t);
                if (tile.region() == Region.SINK || tile.region() == Region.BODY && !isSampled(codec, tile)) {
                    continue;
                }
                List<TileTensor> tensors = input.read(tile, scratch);
                MemorySegment payload = out.atLeast(coder.maxEncodedBytes(tensors));
                long bytes = coder.encode(tile, tensors, payload);
                if (bytes >= 0) {
                    restored.reset();
                    List<TileTensor> decoded = tensors.stream()
                            .map(x -> new TileTensor(x.layer(), x.part(), x.tokens(), restored.take(x.rows().byteSize()), x.positions())).toList();
                    coder.decode(payload.asSlice(0, bytes), tile, decoded);
                    coder.weigh(tile, tensors, decoded, sums);
                }
            }
        } catch (MalformedDataException e) {
            throw new IllegalStateException("what was just coded cannot be decoded", e);
        }
        return sums[0] == 0 ? 0 : Math.sqrt(sums[0] / sums[1]);
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
        SubCache sub = cache.layout().subCaches().get(tile.subCache());
        int block = codec.geometry(sub).blockTokens();
        int blocks = Math.ceilDiv(sub.cells(), block);
        int number = (tile.firstToken() - Math.min(tile.firstToken(), codec.settings().sink())) / block;
        int every = Math.max(1, blocks * block / SAMPLE_TOKENS);
        return number % every == every / 2;
    }
}
