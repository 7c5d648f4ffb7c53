/**
 * What the entropy coding of quantized transform coefficients ({@link dev.kvcapsule.engine.kernel.CoefficientKernel}) is told: expected magnitudes from a component's deviation, and static
 * distributions of symbols for each context, which are counted, made into tables and stored here.
 */
package dev.kvcapsule.codecs.coefficients;
