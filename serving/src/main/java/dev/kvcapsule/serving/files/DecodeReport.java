package dev.kvcapsule.serving.files;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Trailer;
import java.util.Optional;

/**
 * What decoding did.
 *
 * @param manifest what the capsule says of itself
 * @param trailer what it says at its end; empty if only a prefix was read
 * @param written the cache that was written
 * @param stateBytes bytes of the file that was written
 */
public record DecodeReport(Manifest manifest, Optional<Trailer> trailer, CacheLayout written, long stateBytes) {}
