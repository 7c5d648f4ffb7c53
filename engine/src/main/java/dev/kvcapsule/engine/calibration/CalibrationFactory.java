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
}
