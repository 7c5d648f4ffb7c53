package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientTables;
import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/** Settles what depends on the cache: the width of the transform, the capsule's own basis, and the step. */
final class KltFitting {
    /** From so many tokens on, a basis of three layers pays for its bytes. */
    private static final int LONG_CONTEXT = 6000;

    private static final int LONG_CONTEXT_LAYERS = 3;

    /** Widest token vector whose components are found in seconds. */
    private static final int QUICK_WIDTH = 4096;

    /** Step without anybody's wish, in units of a tensor's deviation. */
    private static final double OWN_BASIS_STEP = 0.6;

    /** Step without anybody's wish, in units of the cache's numbers, weighted. */
    private static final double SHARED_BASIS_STEP = 1;

    /** Widest token vector that gets a basis of its own: its covariance takes 8 GB. */
    private static final int MAX_WIDTH = 1 << 15;

    private KltFitting() {}

    static KltCodec fit(KltCodec codec, KvCache cache, FitOptions options) throws IOException {
        if (!codec.settings().hasSharedBasis()) {
            return withOwnBasis(codec, cache, options);
        }
        OwnFitting own = OwnFitting.of(bound(codec, cache.layout(), options), cache, options);
        if (codec.settings().ratio().isEmpty() && codec.settings().maxError().isEmpty()) {
            return own.withStep(codec.settings().step().orElse(SHARED_BASIS_STEP));
        }
        return own.withStep(new RateControl(cache, options, own::withStep, codec.settings()).step(SHARED_BASIS_STEP));
    }

    /** With a shared basis, and a step that needs no look at a cache, as components of its own do. */
    static KltCodec fit(KltCodec codec, CacheLayout layout, FitOptions options) throws IOException {
        if (!codec.codesPiecesAlike()) {
            throw new IllegalStateException(codec.spec() + " is fitted to a cache");
        }
        KltCodec bound = bound(codec, layout, options);
        return withStep(bound.spec().with("own", 0), bound.settings().step().getAsDouble()).with(bound.transforms(), bound.scales());
    }

    private static KltCodec bound(KltCodec codec, CacheLayout layout, FitOptions options) throws IOException {
        KltBasis shared = KltBasis.parse(options.bases().find(codec.settings().basis()));
        int layers = shared.layersPerGroup();
        String group = layers == 0 ? KltSettings.ALL : Integer.toString(layers);
        if (!codec.settings().group().equals(CodecParameter.AUTO) && !codec.settings().group().equals(group)) {
            throw new CapsuleRefusedException("codec klt: group=" + codec.settings().group() + ", but basis " + codec.settings().basis() + " is for group=" + group);
        }
        KltCodec bound = withStep(codec.spec().with("group", group), codec.settings().step().orElse(SHARED_BASIS_STEP)).withShared(shared, layout);
        try {
            bound.transforms().prepareForward();
        } catch (ArithmeticException e) {
            throw new MalformedDataException("basis " + codec.settings().basis() + " has a head whose matrix cannot be inverted");
        }
        return bound.with(bound.transforms(), TokenScales.of(layout));
    }

    /** Neither fitted nor bound. What the spec says is what coders use: the step as it is written. */
    static KltCodec withStep(CodecSpec spec, double step) {
        CodecSpec settled = spec.with("step", text(step));
        return KltCodec.of(settled);
    }

    /** Layers of a transform: more of them share more, but their basis has to be sent, and computed. */
    private static int group(KvCache cache) {
        if (cache.layout().tokens() < LONG_CONTEXT) {
            return 1;
        }
        for (int s = 0; s < cache.layout().subCaches().size(); s++) {
            for (LayerGroup group : LayerGroup.of(s, cache.layout().subCaches().get(s), LONG_CONTEXT_LAYERS)) {
                if (group.width() > QUICK_WIDTH) {
                    return 1;
                }
            }
        }
        return LONG_CONTEXT_LAYERS;
    }

    private static KltCodec withOwnBasis(KltCodec codec, KvCache cache, FitOptions options) throws IOException {
        CodecSpec spec = codec.spec();
        if (codec.settings().group().equals(CodecParameter.AUTO)) {
            spec = spec.with("group", group(cache));
        }
        KltCodec grouped = KltCodec.of(spec.with("own", 0));
        checkWidth(grouped, cache);
        // Whoever holds the codec holds the basis: there is no end that the codec could be told of.
        Arena arena = Arena.ofAuto();
        List<PromptSpectrum> spectra = spectra(grouped, cache, options, arena);
        TokenScales scales = TokenScales.of(cache.layout());
        double step = grouped.settings().step().orElse(OWN_BASIS_STEP);
        if (grouped.settings().ratio().isPresent() || grouped.settings().maxError().isPresent()) {
            step = new RateControl(cache, options, candidate -> withStep(grouped, spectra, candidate, scales, options, arena), grouped.settings()).step(OWN_BASIS_STEP);
        }
        return withStep(grouped, spectra, step, scales, options, arena);
    }

    private static void checkWidth(KltCodec codec, KvCache cache) throws CapsuleRefusedException {
        for (SubCache sub : cache.layout().subCaches()) {
            for (LayerGroup group : LayerGroup.of(0, sub, codec.settings().layersPerGroup(sub))) {
                if (group.width() > MAX_WIDTH) {
                    throw new CapsuleRefusedException("codec klt: " + group + " have " + group.width() + " channels a token, of which a basis of the capsule's own takes "
                            + MAX_WIDTH + " at most: take a smaller group, a shared basis or another codec");
                }
            }
        }
    }

    private static List<PromptSpectrum> spectra(KltCodec codec, KvCache cache, FitOptions options, Arena arena) throws IOException {
        TilePlan plan = new TilePlan(codec, cache.layout());
        // One thread a group: the result must not depend on how many there are.
        LinearAlgebra algebra = LinearAlgebras.best(1);
        List<Callable<PromptSpectrum>> jobs = new ArrayList<>();
        for (int s = 0; s < cache.layout().subCaches().size(); s++) {
            SubCache sub = cache.layout().subCaches().get(s);
            for (LayerGroup group : LayerGroup.of(s, sub, codec.settings().layersPerGroup(sub))) {
                jobs.add(() -> PromptSpectrum.of(group, cache, plan, options.kernels(), algebra, arena));
            }
        }
        return GroupJobs.run(options.threads(), jobs);
    }

    private static KltCodec withStep(KltCodec codec, List<PromptSpectrum> spectra, double step, TokenScales scales, FitOptions options, Arena arena) throws IOException {
        KltCodec stepped = withStep(codec.spec(), step);
        List<Callable<PromptBasis.Written>> jobs = new ArrayList<>();
        for (PromptSpectrum spectrum : spectra) {
            jobs.add(() -> PromptBasis.write(spectrum, stepped.settings().step().getAsDouble(), arena));
        }
        List<PromptBasis.Written> written = GroupJobs.run(options.threads(), jobs);
        MemorySegment basis = joined(written.stream().map(PromptBasis.Written::bytes).toList(), arena);
        List<Transform> transforms = written.stream().map(PromptBasis.Written::transform).toList();
        return new KltCodec(stepped.spec(), stepped.settings(), basis, new Transforms(transforms, CoefficientTables.standard()), scales);
    }

    /** What all groups carry, one after the other. */
    static MemorySegment joined(List<byte[]> groups, Arena arena) {
        ByteArrayOutputStream carried = new ByteArrayOutputStream();
        groups.forEach(carried::writeBytes);
        return arena.allocate(Math.max(1, carried.size()), 64).asSlice(0, carried.size()).copyFrom(MemorySegment.ofArray(carried.toByteArray()));
    }

    /** Four significant digits, as the parameter's syntax wants them. */
    static String text(double step) {
        return new BigDecimal(step).round(new MathContext(4)).setScale(6, RoundingMode.HALF_UP).stripTrailingZeros().toPlainString();
    }
}
