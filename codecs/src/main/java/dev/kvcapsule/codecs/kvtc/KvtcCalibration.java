package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.codecs.principal.CenteredBasis;
import dev.kvcapsule.codecs.principal.ComponentQuantizer;
import dev.kvcapsule.codecs.principal.Covariance;
import dev.kvcapsule.codecs.principal.PartGroup;
import dev.kvcapsule.codecs.principal.TokenVectors;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.linalg.Eigen;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Makes a {@link KvtcBasis}. Takes 8 n^2 bytes for the covariance of K and of V, n channels wide over all layers. */
final class KvtcCalibration implements Calibration {
    private final CalibrationOptions options;
    private final KvtcCodec codec = KvtcCodec.of(Codecs.create("kvtc:window=0").spec());
    private final Arena arena = Arena.ofShared();
    private final List<PartGroup> groups;
    private final List<Covariance> covariances = new ArrayList<>();
    private List<KvtcBasis.Part> parts = List.of();
    private long tokens;
    private int caches;

    KvtcCalibration(CacheLayout model, CalibrationOptions options) {
        if (options.layersPerGroup() != 0) {
            throw new IllegalArgumentException("kvtc transforms all layers together: " + options.layersPerGroup() + " layers a group cannot be had");
        }
        this.options = options;
        this.groups = KvtcBasis.groups(model);
        for (PartGroup group : groups) {
            covariances.add(new Covariance(group.width(), arena));
        }
    }

    private static List<List<String>> describe(List<PartGroup> groups) {
        return groups.stream().map(PartGroup::describe).toList();
    }

    /** {@inheritDoc} Sinks are left out, since no basis is used for them; so are tiles with numbers that are not finite. All tokens count the same. */
    @Override
    public void add(KvCache cache, TokenAttention attention) throws MalformedDataException {
        if (!describe(KvtcBasis.groups(cache.layout())).equals(describe(groups))) {
            throw new MalformedDataException("the cache is of another model than the first one");
        }
        TilePlan plan = new TilePlan(codec, cache.layout());
        TileInput input = new TileInput(cache);
        try (Scratch scratch = new Scratch(); TokenVectors vectors = new TokenVectors(options.kernels()); GrowingBuffer buffer = new GrowingBuffer()) {
            for (int t = 0; t < plan.size(); t++) {
                Tile tile = plan.get(t);
                for (int g = 0; g < groups.size(); g++) {
                    PartGroup group = groups.get(g);
                    if (tile.region() == Region.SINK || !group.isIn(tile)) {
                        continue;
                    }
                    MemorySegment rows = buffer.atLeast(4L * tile.tokens() * group.width());
                    if (vectors.load(group.of(input.read(tile, scratch)), group.width(), rows)) {
                        covariances.get(g).add(rows, tile.tokens(), options.algebra());
                    }
                }
            }
        }
        tokens += cache.layout().tokens();
        caches++;
    }

    @Override
    public long caches() {
        return caches;
    }

    /** {@inheritDoc} The published method minimises plain squared error: the weights are not used. */
    @Override
    public void solve(AttentionWeights weights, ProgressListener progress) {
        List<KvtcBasis.Part> solved = new ArrayList<>();
        for (int g = 0; g < groups.size(); g++) {
            int now = g;
            String name = groups.get(g).toString();
            solved.add(solve(groups.get(g), covariances.get(g), (stage, done) -> progress.update(name + ": " + stage, (now + done) / groups.size())));
        }
        parts = solved;
    }

    private KvtcBasis.Part solve(PartGroup group, Covariance covariance, ProgressListener progress) {
        int width = covariance.width();
        int components = (int) Math.min(Math.min(width, options.maxComponents()), covariance.rows());
        if (components == 0) {
            return new KvtcBasis.Part(group.describe(), new CenteredBasis(covariance.mean(), ComponentQuantizer.empty(0, width, arena)), new float[0]);
        }
        try (Eigen eigen = options.algebra().largest(covariance.matrix(options.algebra()), width, components, progress)) {
            float[] deviations = new float[components];
            for (int k = 0; k < components; k++) {
                deviations[k] = (float) Math.sqrt(Math.max(0, eigen.value(k)));
            }
            TransformBasis basis = ComponentQuantizer.quantize(eigen.vectors(), components, width, arena);
            return new KvtcBasis.Part(group.describe(), new CenteredBasis(covariance.mean(), basis), deviations);
        }
    }

    /** {@inheritDoc} There is nothing to learn: encoders allocate bits by the cache at hand. */
    @Override
    public void train(KvCache cache) {}

    @Override
    public String write(Map<String, String> facts, WritableByteChannel out) throws IOException {
        Map<String, String> all = new TreeMap<>(facts);
        all.put("tokens", Long.toString(tokens));
        all.put("caches", Integer.toString(caches));
        all.put("weights", AttentionWeights.NONE.label());
        return KvtcBasis.write(all, parts, out);
    }

    @Override
    public void close() {
        covariances.forEach(Covariance::close);
        arena.close();
    }
}
