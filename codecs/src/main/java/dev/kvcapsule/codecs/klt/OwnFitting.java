package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.kernel.DeviceKernel;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/**
 * Settles how many components of its own a capsule has besides those of a shared basis: as many as are asked for, or as many as {@link OwnGain pay}.
 *
 * @param codec bound to the shared basis, with the scales of the cache's tokens
 * @param spectra what each transform leaves over; empty where there are to be no components
 */
record OwnFitting(KltCodec codec, List<OwnSpectrum> spectra, FitOptions options) {
    /** Components that are thought of where nobody says how many. */
    private static final int MOST = 256;

    /** Tokens below which nobody has to look: what components take to send would have to be saved by too few. */
    private static final int LEAST_TOKENS = 256;

    static OwnFitting of(KltCodec codec, KvCache cache, FitOptions anywhere) throws IOException {
        // What is looked for here is in the host's memory, whatever tiles are coded on.
        DeviceKernel device = anywhere.kernels().device();
        FitOptions options = new FitOptions(anywhere.threads(), device == null ? anywhere.kernels() : device.host(), anywhere.bases());
        KltSettings settings = codec.settings();
        int most = settings.leavesOwnOpen() ? MOST : settings.mostOwn();
        List<OwnSpectrum> spectra = new ArrayList<>();
        TilePlan plan = new TilePlan(codec, cache.layout());
        for (Transform transform : most == 0 ? List.<Transform>of() : codec.transforms().all()) {
            int tokens = cache.layout().subCaches().get(transform.group().subCache()).cells();
            boolean complete = transform.components() == transform.width();
            boolean few = settings.leavesOwnOpen() && tokens < LEAST_TOKENS;
            spectra.add(complete || few ? OwnSpectrum.none(tokens) : OwnSpectrum.of(transform, most, codec, cache, plan, options, Arena.ofAuto()));
        }
        return new OwnFitting(codec, spectra, options);
    }

    /** The codec with everything settled for a step. */
    KltCodec withStep(double wanted) throws IOException {
        double step = KltFitting.withStep(codec.spec(), wanted).settings().step().getAsDouble();
        // One for each step: those that are tried and left go with the codecs that hold them.
        Arena arena = Arena.ofAuto();
        List<Callable<OwnComponents.Written>> jobs = new ArrayList<>();
        int most = 0;
        for (int i = 0; i < spectra.size(); i++) {
            Transform transform = codec.transforms().all().get(i);
            OwnSpectrum spectrum = spectra.get(i);
            int components = codec.settings().leavesOwnOpen() ? OwnGain.components(spectrum.scaled(), step, spectrum.tokens(), transform.width()) : spectrum.scaled().length;
            most = Math.max(most, components);
            jobs.add(() -> OwnComponents.write(transform, spectrum, components, step, options.kernels(), arena));
        }
        CodecSpec spec = codec.spec().with("own", most);
        if (most == 0) {
            return KltFitting.withStep(spec, step).with(codec.transforms(), codec.scales());
        }
        List<OwnComponents.Written> written = GroupJobs.run(options.threads(), jobs);
        Transforms transforms = new Transforms(written.stream().map(OwnComponents.Written::transform).toList(), codec.transforms().tables());
        return KltFitting.withStep(spec, step).with(transforms, KltFitting.joined(written.stream().map(OwnComponents.Written::bytes).toList(), arena), codec.scales());
    }
}
