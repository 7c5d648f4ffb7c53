package dev.kvcapsule.serving.report;

import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.List;

/**
 * Every codec on one state.
 *
 * @param name of the state's file
 * @param tokens tokens in its cache
 * @param layers layers in its cache
 * @param rawBytes bytes of its file
 * @param measurements by ratio, the smallest first
 * @param skipped codecs that cannot code it
 * @param judged what the model was asked, in a sentence; empty if it was not
 */
public record StateFidelity(String name, long tokens, int layers, long rawBytes, List<Measurement> measurements, List<Skipped> skipped, String judged) {
    /**
     * A codec that was left out.
     *
     * @param codec as it was asked for
     * @param reason why
     */
    public record Skipped(CodecSpec codec, String reason) {}

    /** Sorts the measurements. */
    public StateFidelity {
        measurements = measurements.stream().sorted(Measurement.BY_RATIO).toList();
        skipped = List.copyOf(skipped);
    }
}
