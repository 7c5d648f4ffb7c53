package dev.kvcapsule.engine.calibration;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import java.util.OptionalInt;

/**
 * How to make a basis.
 *
 * @param layersPerGroup layers that are transformed together; 0 for all of a sub-cache
 * @param maxComponents components a transform keeps at most, at least 1
 * @param fine components a transform keeps in full precision, where a codec stores others more roughly, 0 or more; empty leaves it to the codec
 * @param kernels kernels to run on
 * @param algebra who multiplies and solves
 */
public record CalibrationOptions(int layersPerGroup, int maxComponents, OptionalInt fine, Kernels kernels, LinearAlgebra algebra) {
    /** @throws IllegalArgumentException if a number is out of range */
    public CalibrationOptions {
        if (layersPerGroup < 0 || maxComponents < 1 || fine.orElse(0) < 0) {
            throw new IllegalArgumentException("impossible calibration: " + layersPerGroup + " layers a group, " + maxComponents + " components, " + fine + " of them fine");
        }
    }
}
