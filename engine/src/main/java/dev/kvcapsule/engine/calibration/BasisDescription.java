package dev.kvcapsule.engine.calibration;

import java.util.List;
import java.util.Map;

/**
 * What a basis file holds, for people.
 *
 * @param codec the codec it is for
 * @param digest its name: SHA-256, 64 hexadecimal digits
 * @param bytes size of the file
 * @param facts what it was made of and how
 * @param transforms its transforms, in order
 */
public record BasisDescription(String codec, String digest, long bytes, Map<String, String> facts, List<Transform> transforms) {
    /**
     * One of its transforms.
     *
     * @param layers what is transformed
     * @param width channels that go in
     * @param components coefficients that come out at most
     * @param fine components that are stored in full precision, where others are stored more roughly
     * @param energy share of the weighted variance in the first tenth of the components
     */
    public record Transform(String layers, int width, int components, int fine, double energy) {}
}
