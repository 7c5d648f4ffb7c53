/**
 * The inner loops. Every kernel is an interface with a scalar form, which is the readable specification, and a Panama form (Vector API), which
 * is tested to give the same bytes. {@link dev.kvcapsule.engine.kernel.Kernels} says which one runs. Kernels take native memory only: a loop
 * that has seen both heap and native segments is several times slower ever after.
 */
package dev.kvcapsule.engine.kernel;
