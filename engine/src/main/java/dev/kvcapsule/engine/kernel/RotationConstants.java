package dev.kvcapsule.engine.kernel;

/**
 * The numbers behind a rotated slice, for kernels that run elsewhere; docs/format.md, chapter "rotated", has their formulas.
 *
 * @param unit the integer that stands for a head's root mean square before the transform
 * @param centroids integer centroids, ascending, 2^bits of them
 * @param thresholds a code is the number of these that its coefficient exceeds; 2^bits - 1 of them
 * @param gainScale turns root mean square times least-squares slope into the gain
 * @param decodeScale turns a gain into the factor of the inverse transform's integers
 * @param energyLimit energies of this size or more are refused
 * @param signs bit c % 64 of word c / 64 is set if channel c changes its sign
 */
public record RotationConstants(int unit, short[] centroids, short[] thresholds, double gainScale, float decodeScale, float energyLimit, long[] signs) {}
