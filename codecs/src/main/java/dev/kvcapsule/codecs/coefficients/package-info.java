/**
 * Entropy coding of matrices of quantized transform coefficients: a model that predicts each coefficient's magnitude from its component's
 * deviation, its past and its neighbourhood, static tables for each prediction, and rANS over 64 interleaved lanes.
 */
package dev.kvcapsule.codecs.coefficients;
