package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientStatistics;
import dev.kvcapsule.codecs.coefficients.CoefficientTables;
import dev.kvcapsule.codecs.principal.ComponentQuantizer;
import dev.kvcapsule.codecs.principal.Covariance;
import dev.kvcapsule.codecs.principal.TokenVectors;
import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.calibration.WeightSums;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.linalg.Eigen;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Makes a {@link KltBasis}. Takes memory for the covariances: 8 n^2 bytes for each group of layers that is n channels wide. */
final class KltCalibration implements Calibration {
    /** What tables are trained at: the steps of interest and a little beyond. */
    private static final double[] TRAINING_STEPS = {0.5, 0.7, 1, 1.4, 2, 2.8, 4};

    /** One in so many components is kept in 8 bits unless said otherwise, the strongest ones: the others in 4 cost a few percent of the KL (docs/fidelity.md). */
    private static final int FINE_SHARE = 4;

    private final CalibrationOptions options;
    private final KltCodec codec;
    private final Arena arena = Arena.ofShared();
    private final CacheLayout model;
    private final List<PartialSums.Accumulator> accumulators = new ArrayList<>();
    private final CoefficientStatistics statistics = new CoefficientStatistics();
    private boolean trained;
    private String weightsLabel = "";
    private long tokens;
    private long caches;
    private List<KltBasis.Group> groups;

    KltCalibration(CacheLayout model, CalibrationOptions options) {
        this.model = model;
        this.options = options;
        CodecSpec spec = Codecs.create(CodecSpec.of("klt").with("group", options.layersPerGroup() == 0 ? KltSettings.ALL : options.layersPerGroup()).with("step", 1)).spec();
        this.codec = KltCodec.of(spec);
        for (LayerGroup group : PartialSums.groups(model, options.layersPerGroup())) {
            accumulators.add(new PartialSums.Accumulator(group, new Covariance(group.width(), arena), new SensitivityRegression(group)));
        }
    }

    /** What must be the same for sums to be added: every layer, and the sub-cache it is in. */
    private static List<String> describe(List<LayerGroup> groups) {
        return groups.stream().flatMap(group -> group.layers().stream().map(layer -> "cache " + group.subCache() + ", " + KltBasis.describe(layer))).toList();
    }

    private List<LayerGroup> groups() {
        return accumulators.stream().map(PartialSums.Accumulator::group).toList();
    }

    private void check(CacheLayout layout) throws MalformedDataException {
        if (!describe(PartialSums.groups(layout, options.layersPerGroup())).equals(describe(groups()))) {
            throw new MalformedDataException("the cache is of another model than the first one");
        }
    }

    /** {@inheritDoc} Sinks are left out, since no basis is used for them; so are tiles with numbers that are not finite. */
    @Override
    public void add(KvCache cache, TokenAttention attention) throws MalformedDataException {
        check(cache.layout());
        TilePlan plan = new TilePlan(codec, cache.layout());
        TileInput input = new TileInput(cache);
        try (Scratch scratch = new Scratch(); TokenVectors vectors = new TokenVectors(options.kernels()); GrowingBuffer buffer = new GrowingBuffer()) {
            for (int t = 0; t < plan.size(); t++) {
                Tile tile = plan.get(t);
                if (tile.region() == Region.SINK) {
                    continue;
                }
                PartialSums.Accumulator accumulator = accumulator(tile);
                int width = accumulator.covariance().width();
                MemorySegment rows = buffer.atLeast(4L * tile.tokens() * width);
                List<TileTensor> tensors = input.read(tile, scratch);
                if (vectors.load(tensors, width, rows)) {
                    accumulator.regression().add(rows, tensors.getFirst().positions(), attention);
                    accumulator.covariance().add(rows, tile.tokens(), options.algebra());
                }
            }
        }
        tokens += cache.layout().tokens();
        caches++;
    }

    private PartialSums.Accumulator accumulator(Tile tile) {
        return accumulators.stream().filter(a -> a.group().subCache() == tile.subCache() && 2 * a.group().firstLayer() == tile.firstTensor()).findFirst().orElseThrow();
    }

    /** {@inheritDoc} Sums are put together in binary64; files are read in place. */
    @Override
    public WeightSums add(MemorySegment partial) throws IOException {
        PartialSums sums = PartialSums.parse(partial);
        if (sums.layersPerGroup() != options.layersPerGroup()) {
            throw new CapsuleRefusedException("these partial sums are of --group " + name(sums.layersPerGroup()) + ", not of " + name(options.layersPerGroup()));
        }
        List<String> theirs = describe(sums.groups().stream().map(PartialSums.Group::layers).toList());
        List<String> ours = describe(groups());
        if (!theirs.equals(ours)) {
            throw new CapsuleRefusedException("these partial sums are of another model: " + difference(theirs, ours));
        }
        for (int g = 0; g < accumulators.size(); g++) {
            PartialSums.Group group = sums.groups().get(g);
            accumulators.get(g).covariance().add(group.vectors());
            accumulators.get(g).regression().add(group.regression(), group.asked());
        }
        tokens += sums.tokens();
        caches += sums.caches();
        return sums.weights();
    }

    private static String difference(List<String> theirs, List<String> ours) {
        int first = 0;
        while (first < Math.min(theirs.size(), ours.size()) && theirs.get(first).equals(ours.get(first))) {
            first++;
        }
        return layer(theirs, first) + " where there should be " + layer(ours, first);
    }

    private static String layer(List<String> layers, int index) {
        return index < layers.size() ? layers.get(index) : "no more layers";
    }

    private static String name(int layersPerGroup) {
        return layersPerGroup == 0 ? KltSettings.ALL : Integer.toString(layersPerGroup);
    }

    @Override
    public String save(WeightSums weights, Map<String, String> facts, WritableByteChannel out) throws IOException {
        return PartialSums.write(new TreeMap<>(facts), model, options.layersPerGroup(), tokens, caches, weights, accumulators, options.algebra(), out);
    }

    @Override
    public long caches() {
        return caches;
    }

    @Override
    public void solve(AttentionWeights weights, ProgressListener progress) throws MalformedDataException {
        weightsLabel = weights.label();
        List<List<double[][]>> roots = HeadMetric.roots(groups(), weights);
        groups = new ArrayList<>();
        for (int g = 0; g < accumulators.size(); g++) {
            int now = g;
            String name = accumulators.get(g).group().toString();
            groups.add(solve(accumulators.get(g), roots.get(g), (stage, done) -> progress.update(name + ": " + stage, (now + done) / accumulators.size())));
        }
    }

    /** @throws MalformedDataException if the sums lead to numbers that are not finite: those of caches do not */
    private KltBasis.Group solve(PartialSums.Accumulator accumulator, List<double[][]> roots, ProgressListener progress) throws MalformedDataException {
        Covariance covariance = accumulator.covariance();
        int n = covariance.width();
        MemorySegment matrix = covariance.matrix(options.algebra());
        MemorySegment mean = stored(covariance.mean());
        int[] dims = accumulator.group().headDims();
        MemorySegment backward = arena.allocate(4 * HeadWeighting.floats(dims), 64);
        weigh(matrix, n, roots, backward);
        double energy = trace(matrix, n);
        int components = (int) Math.min(Math.min(n, options.maxComponents()), Math.max(1, covariance.rows()));
        try (Eigen eigen = options.algebra().largest(matrix, n, components, progress)) {
            float[] deviations = new float[components];
            double inside = 0;
            for (int k = 0; k < components; k++) {
                deviations[k] = (float) Math.sqrt(Math.max(0, eigen.value(k)));
                inside += Math.max(0, eigen.value(k));
            }
            LayerGroup group = accumulator.group();
            double outside = components == n || !(energy > 0) ? 0 : Math.clamp(1 - inside / energy, 0, 1);
            int fine = Math.min(components, options.fine().orElse(Math.ceilDiv(components, FINE_SHARE)));
            return new KltBasis.Group(group.subCache(), group.firstLayer(), group.layers().stream().map(KltBasis::describe).toList(), dims, mean, stored(deviations), backward,
                    accumulator.regression().solve(), outside, fine, ComponentQuantizer.quantize(eigen.vectors(), components, fine, n, arena));
        } catch (ArithmeticException | IllegalArgumentException e) {
            throw new MalformedDataException("no basis can be made of the sums of " + accumulator.group() + ": " + e.getMessage());
        }
    }

    private static double trace(MemorySegment matrix, int n) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += matrix.get(ValueLayout.JAVA_DOUBLE, 8L * i * (n + 1L));
        }
        return sum;
    }

    private MemorySegment stored(float[] floats) throws MalformedDataException {
        MemorySegment stored = arena.allocate(4L * floats.length, 64);
        for (int i = 0; i < floats.length; i++) {
            if (!Float.isFinite(floats[i])) {
                throw new MalformedDataException("no basis can be made of these sums: channel or component " + i + " is not finite");
            }
            stored.set(Transform.FLOAT, 4L * i, floats[i]);
        }
        return stored;
    }

    /** Carries a covariance into the weighted space, W^T C W, and stores the way back. */
    private void weigh(MemorySegment covariance, int n, List<double[][]> roots, MemorySegment backward) {
        try (Arena temporary = Arena.ofConfined()) {
            int widest = roots.stream().mapToInt(root -> root.length).max().orElse(1);
            MemorySegment matrix = temporary.allocate(8L * widest * widest, 64);
            MemorySegment product = temporary.allocate(8L * n * widest, 64);
            long column = 0;
            long at = 0;
            for (double[][] root : roots) {
                int dim = root.length;
                SquareMatrix.write(SquareMatrix.inverse(root), backward, at);
                for (int i = 0; i < dim; i++) {
                    MemorySegment.copy(root[i], 0, matrix, ValueLayout.JAVA_DOUBLE, 8L * i * dim, dim);
                }
                options.algebra().gemm64(false, false, n, dim, dim, 1, covariance.asSlice(8 * column), n, matrix, dim, 0, product, dim);
                for (int i = 0; i < n; i++) {
                    MemorySegment.copy(product, 8L * i * dim, covariance, 8 * ((long) i * n + column), 8L * dim);
                }
                options.algebra().gemm64(true, false, dim, n, dim, 1, matrix, dim, covariance.asSlice(8 * column * n), n, 0, product, n);
                MemorySegment.copy(product, 0, covariance, 8 * column * n, 8L * dim * n);
                column += dim;
                at += (long) dim * dim;
            }
        }
    }

    @Override
    public void train(KvCache cache) throws IOException {
        check(cache.layout());
        Transforms transforms = new KltBasis("", options.layersPerGroup(), Map.of(), groups, CoefficientTables.standard(), 0).transforms(cache.layout(), codec.settings(), arena);
        statistics.add(TableTrainer.statistics(codec.with(transforms, TokenScales.of(cache.layout())), cache, options.kernels(), TRAINING_STEPS));
        trained = true;
    }

    @Override
    public String write(Map<String, String> facts, WritableByteChannel out) throws IOException {
        Map<String, String> all = new TreeMap<>(facts);
        all.put("tokens", Long.toString(tokens));
        all.put("caches", Long.toString(caches));
        all.put("weights", weightsLabel);
        return KltBasis.write(options.layersPerGroup(), all, groups, trained ? statistics.tables() : CoefficientTables.standard(), out);
    }

    @Override
    public void close() {
        accumulators.forEach(accumulator -> accumulator.covariance().close());
        arena.close();
    }
}
