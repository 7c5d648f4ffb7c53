package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.cache.DType;
import java.util.Objects;

/**
 * How a context is set up.
 *
 * @param tokens cells of the KV cache, 1 to 2^24; llama.cpp rounds it up to a multiple of 256
 * @param batch tokens evaluated at once, 1 to 4096; each asks for a row of the vocabulary's size in memory when logits are wanted
 * @param threads CPU threads, 1 to 512
 * @param keyType element type of K: any but f8_e4m3; llama.cpp rotates keys of block types by Hadamard matrices
 * @param valueType element type of V; a block type needs flash attention
 * @param flashAttention whether attention is one fused operation and V is stored by rows; query capture needs it
 * @param sequences that the context holds, 1 to 256; they share its cells
 */
public record ContextOptions(int tokens, int batch, int threads, DType keyType, DType valueType, boolean flashAttention, int sequences) {
    /** Tokens a batch, unless said otherwise: as llama.cpp's own default. */
    public static final int DEFAULT_BATCH = 512;

    /** @throws IllegalArgumentException if a component is out of its range */
    public ContextOptions {
        Objects.requireNonNull(keyType);
        Objects.requireNonNull(valueType);
        range("tokens", tokens, 1 << 24);
        range("batch", batch, 4096);
        range("threads", threads, 512);
        range("sequences", sequences, 256);
        if (keyType == DType.F8_E4M3 || valueType == DType.F8_E4M3) {
            throw new IllegalArgumentException("llama.cpp has no cache type " + DType.F8_E4M3.label());
        }
        if (!valueType.isScalar() && !flashAttention) {
            throw new IllegalArgumentException("V of type " + valueType.label() + " needs flash attention");
        }
    }

    private static void range(String name, int value, int max) {
        if (value < 1 || value > max) {
            throw new IllegalArgumentException(name + " " + value + " is not within 1 to " + max);
        }
    }

    /** An f16 cache with flash attention, all processors, one sequence. */
    public static ContextOptions of(int tokens) {
        return new ContextOptions(tokens, DEFAULT_BATCH, Math.min(512, Runtime.getRuntime().availableProcessors()), DType.F16, DType.F16, true, 1);
    }

    /** The same with another number of threads. */
    public ContextOptions withThreads(int count) {
        return new ContextOptions(tokens, batch, count, keyType, valueType, flashAttention, sequences);
    }

    /** The same with another batch. */
    public ContextOptions withBatch(int size) {
        return new ContextOptions(tokens, size, threads, keyType, valueType, flashAttention, sequences);
    }

    /** The same with another number of sequences. */
    public ContextOptions withSequences(int count) {
        return new ContextOptions(tokens, batch, threads, keyType, valueType, flashAttention, count);
    }
}
