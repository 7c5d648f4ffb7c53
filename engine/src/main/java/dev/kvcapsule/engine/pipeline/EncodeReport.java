package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Trailer;

/**
 * What encoding did.
 *
 * @param manifest what the capsule says of itself
 * @param trailer what was measured: errors of the decoded result, tiles that fell back
 * @param tiles tiles written
 * @param capsuleBytes bytes of the whole capsule
 */
public record EncodeReport(Manifest manifest, Trailer trailer, int tiles, long capsuleBytes) {}
