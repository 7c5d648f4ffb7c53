package dev.kvcapsule.engine.calibration;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.ServiceLoader;

/** The calibrations that this installation has. */
public final class Calibrations {
    private Calibrations() {}

    private static Iterable<CalibrationFactory> all() {
        return ServiceLoader.load(CalibrationFactory.class, Calibrations.class.getClassLoader());
    }

    /** @throws IllegalArgumentException if that codec has none */
    public static CalibrationFactory of(String codec) {
        for (CalibrationFactory factory : all()) {
            if (factory.codec().equals(codec)) {
                return factory;
            }
        }
        throw new IllegalArgumentException("codec " + codec + " takes no basis");
    }

    /** Whose basis file this is. */
    public static Optional<CalibrationFactory> recognise(MemorySegment file) {
        for (CalibrationFactory factory : all()) {
            if (factory.recognises(file)) {
                return Optional.of(factory);
            }
        }
        return Optional.empty();
    }

    /** Whose partial sums this file has. */
    public static Optional<CalibrationFactory> recognisePartial(MemorySegment file) {
        for (CalibrationFactory factory : all()) {
            if (factory.recognisesPartial(file)) {
                return Optional.of(factory);
            }
        }
        return Optional.empty();
    }
}
