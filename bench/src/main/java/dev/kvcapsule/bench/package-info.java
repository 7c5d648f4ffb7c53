/**
 * Benchmarks of every kernel, of encoding and decoding end to end, and of what they are compared with: {@code MemorySegment.copy}, zstd and
 * LZ4. Each is a JMH class on real data that checks its own result while it is set up, so that wrong code has no speed.
 * {@link dev.kvcapsule.bench.ShortBench} runs them all in one process, in a minute or two.
 */
package dev.kvcapsule.bench;
