package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.format.CapsuleWriter;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;

/**
 * Finds the step that gives a size or an error: by the secant method in logarithms, where bytes and errors are nearly straight lines, first on a sample of the cache, then on all of it,
 * since a sample errs by some percent.
 */
final class RateControl {
    /** Codec that is ready to code with a step. */
    interface Candidates {
        KltCodec withStep(double step) throws IOException;
    }

    /** Tokens that are looked at, about, besides the window. */
    private static final int SAMPLE_TOKENS = 1024;

    private static final double SMALLEST = 0.001;
    private static final double LARGEST = 1000;

    /** Steps that are tried on a sample, and on all. */
    private static final int SAMPLE_TRIALS = 13;
    private static final int TRIALS = 8;

    /** How far inside of what was asked for, in logarithms, a step may come out: of a sample, which is not the last word, and of all. */
    private static final double SAMPLE_SLACK = 0.01;
    private static final double SLACK = 0.006;

    /** Steps that are not further apart, in logarithms, are one: also where none does, and the search ends where steps end. */
    private static final double NARROW = 0.002;

    /** Trailer and index are a small part of a capsule, and not counted: so much less is asked for. */
    private static final double MARGIN = 1.003;

    /** Exponents of the step that bytes and errors are believed to grow or fall with: an error that lies outside the basis hardly depends on it. */
    private static final double FLATTEST = 0.02;
    private static final double STEEPEST = 4;

    /** Logarithm of the factor that a step changes by, at most, as long as it is not known on which side of it too much lies. */
    private static final double LARGEST_LEAP = Math.log(8);

    /** Logarithms of what is asked for and what is there are not further apart: either may be 0. */
    private static final double FARTHEST = 20;

    /** Ahead of each tile, docs/format.md. */
    private static final int FRAME_HEADER_BYTES = 40;

    private final KvCache cache;
    private final FitOptions options;
    private final Candidates candidates;
    private final boolean byError;
    private final double bound;
    private double slope;

    /** @param settings that ask for a ratio or an error */
    RateControl(KvCache cache, FitOptions options, Candidates candidates, KltSettings settings) {
        this.cache = cache;
        this.options = options;
        this.candidates = candidates;
        this.byError = settings.maxError().isPresent();
        this.bound = (byError ? settings.maxError().getAsDouble() : cache.layout().tensorBytes() / settings.ratio().getAsDouble()) / MARGIN;
        this.slope = byError ? 1 : -1;
    }

    /**
     * The largest step that keeps the error, or the smallest that reaches the ratio, about; one near the end of what steps can be where none does.
     *
     * @param start where to begin
     */
    double step(double start) throws IOException {
        double sampled = search(Math.log(start), false, SAMPLE_SLACK, SAMPLE_TRIALS);
        return Math.exp(search(sampled, true, SLACK, TRIALS));
    }

    /** @return logarithm of the best step that does, or, if none was met, of the one that would be tried next */
    private double search(double start, boolean whole, double slack, int trials) throws IOException {
        double low = Math.log(SMALLEST);
        double high = Math.log(LARGEST);
        double excessLow = Double.NaN;
        double excessHigh = Double.NaN;
        double at = Math.clamp(start, low, high);
        int sameSide = 0;
        for (int trial = 0; trial < trials && high - low > NARROW; trial++) {
            double excess = excess(Math.exp(at), whole);
            if (excess <= 0 && excess >= -slack) {
                return at;
            }
            double before = Double.isNaN(excessLow) ? high : low;
            double excessBefore = Double.isNaN(excessLow) ? excessHigh : excessLow;
            double measured = (excess - excessBefore) / (at - before);
            if (byError ? measured > 0 : measured < 0) {
                slope = Math.copySign(Math.clamp(Math.abs(measured), FLATTEST, STEEPEST), measured);
            }
            boolean tooHigh = excess > 0 == byError;
            sameSide = tooHigh ? Math.min(sameSide, 0) - 1 : Math.max(sameSide, 0) + 1;
            if (tooHigh) {
                high = at;
                excessHigh = excess;
            } else {
                low = at;
                excessLow = excess;
            }
            at = next(low, excessLow, high, excessHigh, -slack / 2, Math.abs(sameSide) > 2);
        }
        boolean reached = !Double.isNaN(byError ? excessLow : excessHigh);
        return reached ? byError ? low : high : at;
    }

    /** Where the line between both ends is {@code wanted}, or, of one end, that of the slope; the middle, if that is outside or has come nearer from one side only for too long. */
    private double next(double low, double excessLow, double high, double excessHigh, double wanted, boolean oneSided) {
        boolean both = !Double.isNaN(excessLow) && !Double.isNaN(excessHigh);
        double at;
        if (both) {
            at = oneSided ? Double.NaN : low + (high - low) * (wanted - excessLow) / (excessHigh - excessLow);
        } else if (Double.isNaN(excessLow)) {
            at = high - Math.min(LARGEST_LEAP, (excessHigh - wanted) / slope);
        } else {
            at = low + Math.min(LARGEST_LEAP, (wanted - excessLow) / slope);
        }
        return at > low && at < high ? at : (low + high) / 2;
    }

    /** Logarithm of the bytes or the error, against the bound. */
    private double excess(double step, boolean whole) throws IOException {
        KltCodec codec = candidates.withStep(step);
        double value = byError ? error(codec, whole) : bytes(codec, whole);
        return Math.clamp(Math.log(value / bound), -FARTHEST, FARTHEST);
    }

    /** The weighted relative error. */
    private double error(KltCodec codec, boolean whole) throws IOException {
        double[] sums = new double[2];
        for (Measured tile : measure(codec, whole)) {
            sums[0] += tile.sums[0];
            sums[1] += tile.sums[1];
        }
        return sums[0] == 0 ? 0 : Math.sqrt(sums[0] / sums[1]);
    }

    /** Bytes of the capsule without a seal, but for its end. */
    private double bytes(KltCodec codec, boolean whole) throws IOException {
        long[] measuredRaw = new long[Region.values().length];
        long[] measuredBytes = new long[Region.values().length];
        for (Measured tile : measure(codec, whole)) {
            int region = tile.tile.region().ordinal();
            long raw = TilePlan.rawBytes(cache.layout(), tile.tile);
            measuredRaw[region] += raw;
            measuredBytes[region] += tile.bytes < 0 ? raw : tile.bytes;
        }
        long[] allRaw = new long[Region.values().length];
        TilePlan plan = new TilePlan(codec, cache.layout());
        for (int t = 0; t < plan.size(); t++) {
            allRaw[plan.get(t).region().ordinal()] += TilePlan.rawBytes(cache.layout(), plan.get(t));
        }
        double total = bytesAhead(codec, plan) + (double) FRAME_HEADER_BYTES * plan.size();
        for (int region = 0; region < allRaw.length; region++) {
            total += measuredRaw[region] == 0 ? 0 : (double) measuredBytes[region] * allRaw[region] / measuredRaw[region];
        }
        return total;
    }

    /** Bytes of what a capsule has ahead of its tiles: manifest, blobs, basis. */
    private long bytesAhead(KltCodec codec, TilePlan plan) throws IOException {
        CacheLayout layout = cache.layout();
        MemorySegment[] blobs = new MemorySegment[layout.blobs().size()];
        Arrays.setAll(blobs, cache::blob);
        try (CountingChannel out = new CountingChannel()) {
            new CapsuleWriter(out).begin(new Manifest(codec.spec(), layout, codec.basis().byteSize()), blobs, codec.basis(), plan.size());
            return out.bytes;
        }
    }

    private static final class CountingChannel implements WritableByteChannel {
        private long bytes;

        @Override
        public int write(ByteBuffer from) {
            int count = from.remaining();
            from.position(from.limit());
            bytes += count;
            return count;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }

    /**
     * What came of a tile.
     *
     * @param bytes that it takes; negative if it has to be coded losslessly
     * @param sums what {@link KltCoder#weigh} adds, if an error is asked for
     */
    private record Measured(Tile tile, long bytes, double[] sums) {}

    /** In the order of the tiles, whatever the number of threads. */
    private List<Measured> measure(KltCodec codec, boolean whole) throws IOException {
        TilePlan plan = new TilePlan(codec, cache.layout());
        List<Tile> tiles = new ArrayList<>();
        for (int t = 0; t < plan.size(); t++) {
            if (whole || plan.get(t).region() != Region.BODY || isSampled(codec, plan.get(t))) {
                tiles.add(plan.get(t));
            }
        }
        Measured[] measured = new Measured[tiles.size()];
        List<Callable<Void>> jobs = new ArrayList<>();
        for (int thread = 0; thread < options.threads(); thread++) {
            int first = thread;
            jobs.add(() -> {
                TileInput input = new TileInput(cache);
                try (KltCoder coder = new KltCoder(codec, options.kernels()); Scratch scratch = new Scratch(); Scratch restored = new Scratch(); GrowingBuffer out = new GrowingBuffer()) {
                    for (int t = first; t < measured.length; t += options.threads()) {
                        measured[t] = measure(tiles.get(t), input.read(tiles.get(t), scratch), coder, restored, out);
                    }
                }
                return null;
            });
        }
        GroupJobs.run(options.threads(), jobs);
        return List.of(measured);
    }

    private Measured measure(Tile tile, List<TileTensor> tensors, KltCoder coder, Scratch restored, GrowingBuffer out) {
        MemorySegment payload = out.atLeast(coder.maxEncodedBytes(tensors));
        long bytes = coder.encode(tile, tensors, payload);
        double[] sums = new double[2];
        if (byError && bytes >= 0 && tile.region() != Region.SINK) {
            restored.reset();
            List<TileTensor> decoded = tensors.stream()
                    .map(x -> new TileTensor(x.layer(), x.part(), x.tokens(), restored.take(x.rows().byteSize()), x.positions())).toList();
            try {
                coder.decode(payload.asSlice(0, bytes), tile, decoded);
            } catch (MalformedDataException e) {
                throw new IllegalStateException("what was just coded cannot be decoded", e);
            }
            coder.weigh(tile, tensors, decoded, sums);
        }
        return new Measured(tile, bytes, sums);
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
