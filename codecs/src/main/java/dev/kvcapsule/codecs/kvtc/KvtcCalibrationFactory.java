package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.calibration.BasisDescription;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationFactory;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Registers calibration for {@code kvtc}. */
public final class KvtcCalibrationFactory implements CalibrationFactory {
    /** Stateless. */
    public KvtcCalibrationFactory() {}

    @Override
    public String codec() {
        return "kvtc";
    }

    @Override
    public Calibration start(CacheLayout model, CalibrationOptions options) {
        return new KvtcCalibration(model, options);
    }

    @Override
    public boolean recognises(MemorySegment file) {
        return KvtcBasis.recognises(file);
    }

    @Override
    public BasisDescription describe(MemorySegment file) throws IOException {
        KvtcBasis basis = KvtcBasis.parse(file);
        List<BasisDescription.Transform> transforms = new ArrayList<>();
        for (KvtcBasis.Part part : basis.parts()) {
            String layers = part.layers().isEmpty() ? "no layers" : part.layers().getFirst() + " .. " + part.layers().getLast();
            transforms.add(new BasisDescription.Transform(layers, part.basis().width(), part.deviations().length, part.deviations().length, energy(part.deviations())));
        }
        return new BasisDescription("kvtc", basis.digest(), basis.bytes(), basis.facts(), transforms);
    }

    private static double energy(float[] deviations) {
        double some = 0;
        double all = 0;
        for (int k = 0; k < deviations.length; k++) {
            double variance = (double) deviations[k] * deviations[k];
            all += variance;
            some += k < Math.ceilDiv(deviations.length, 10) ? variance : 0;
        }
        return all == 0 ? 0 : some / all;
    }
}
