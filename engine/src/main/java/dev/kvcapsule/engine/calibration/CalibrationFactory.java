package dev.kvcapsule.engine.calibration;

import dev.kvcapsule.engine.cache.CacheLayout;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Makes bases for one codec. Implementations are registered as services and have no state. */
public interface CalibrationFactory {
    /** The codec that uses them. */
    String codec();

    /** @param model layout of any cache of the model */
    Calibration start(CacheLayout model, CalibrationOptions options);

    /** Whether a file begins like one of its bases. */
    boolean recognises(MemorySegment file);

    /**
     * Checks a basis file whole.
     *
     * @throws dev.kvcapsule.engine.MalformedDataException if it is damaged
     */
    BasisDescription describe(MemorySegment file) throws IOException;

    /** Whether a file begins like partial sums of one of its calibrations. */
    default boolean recognisesPartial(MemorySegment file) {
        return false;
    }

    /**
     * Checks a file of partial sums whole.
     *
     * @throws dev.kvcapsule.engine.MalformedDataException if it is damaged
     * @throws UnsupportedOperationException if there are none of this codec
     */
    default PartialDescription describePartial(MemorySegment file) throws IOException {
        throw new UnsupportedOperationException("calibration of codec " + codec() + " has no partial sums");
    }
}
