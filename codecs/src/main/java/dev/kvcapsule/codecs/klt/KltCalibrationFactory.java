package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.calibration.BasisDescription;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationFactory;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import dev.kvcapsule.engine.calibration.PartialDescription;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Registers calibration for {@code klt}. */
public final class KltCalibrationFactory implements CalibrationFactory {
    /** Stateless. */
    public KltCalibrationFactory() {}

    @Override
    public String codec() {
        return "klt";
    }

    @Override
    public Calibration start(CacheLayout model, CalibrationOptions options) {
        return new KltCalibration(model, options);
    }

    @Override
    public boolean recognises(MemorySegment file) {
        return KltBasis.recognises(file);
    }

    @Override
    public BasisDescription describe(MemorySegment file) throws IOException {
        KltBasis basis = KltBasis.parse(file);
        List<BasisDescription.Transform> transforms = new ArrayList<>();
        for (KltBasis.Group group : basis.groups()) {
            String first = group.layers().getFirst();
            String layers = group.layers().size() == 1 ? first : first + " .. " + group.layers().getLast();
            transforms.add(new BasisDescription.Transform(layers, group.basis().width(), group.basis().components(), group.fine(), energy(group)));
        }
        return new BasisDescription("klt", basis.digest(), basis.bytes(), basis.facts(), transforms);
    }

    @Override
    public boolean recognisesPartial(MemorySegment file) {
        return PartialSums.recognises(file);
    }

    @Override
    public PartialDescription describePartial(MemorySegment file) throws IOException {
        PartialSums sums = PartialSums.parse(file);
        List<PartialDescription.Group> groups = sums.groups().stream()
                .map(group -> new PartialDescription.Group(group.layers().toString(), group.layers().width(), group.vectors().rows(), group.asked())).toList();
        return new PartialDescription("klt", sums.digest(), sums.bytes(), sums.facts(), sums.model(), sums.layersPerGroup(), sums.tokens(), sums.caches(), sums.weights(), groups);
    }

    private static double energy(KltBasis.Group group) {
        int components = group.basis().components();
        double some = 0;
        double all = 0;
        for (int k = 0; k < components; k++) {
            double variance = Math.pow(group.deviations().get(Transform.FLOAT, 4L * k), 2);
            all += variance;
            some += k < Math.ceilDiv(components, 10) ? variance : 0;
        }
        return all == 0 ? 0 : some / all;
    }
}
