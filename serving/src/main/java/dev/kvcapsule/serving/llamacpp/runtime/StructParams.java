package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.serving.llamacpp.GgmlType;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/**
 * The two parameter structs that llama.h passes by value. They grow with every release and carry no version, so they are held as opaque memory,
 * larger than any build's: the library fills in its defaults, only the fields below are ever set, and before that the defaults around them have
 * to be the ones that a struct of this layout has. Both ABIs in use (System V, AArch64) copy a struct of this size, so a callee that knows a
 * smaller one reads its own part.
 *
 * <p>{@code llama_context_params} as in llama.h of llama.cpp v0.5.0 (2026-08), offsets in bytes:
 * n_ctx 0, n_batch 4, n_ubatch 8, n_seq_max 12 (u32), n_threads 28, n_threads_batch 32 (i32), ctx_type 36, rope_scaling_type 40, pooling_type 44,
 * attention_type 48, flash_attn_type 52 (enums), six floats of RoPE from 56, yarn_orig_ctx 80, defrag_thold 84, cb_eval 88 and its user data 96
 * (pointers), type_k 104, type_v 108 (enum ggml_type), abort callback 112 and 120, booleans from 128 (swa_full 132, kv_unified 133).
 * {@code llama_model_params}: n_gpu_layers 16, split_mode 20; nothing in it is changed.
 */
final class StructParams {
    private static final int WORDS = 64;

    /** What is passed by value in place of either struct. */
    static final StructLayout OPAQUE = MemoryLayout.structLayout(MemoryLayout.sequenceLayout(WORDS, ValueLayout.JAVA_LONG).withName("words"));

    private static final long N_CTX = 0;
    private static final long N_BATCH = 4;
    private static final long N_UBATCH = 8;
    private static final long N_SEQ_MAX = 12;
    private static final long N_THREADS = 28;
    private static final long N_THREADS_BATCH = 32;
    private static final long FLASH_ATTN = 52;
    private static final long CB_EVAL = 88;
    private static final long TYPE_K = 104;
    private static final long TYPE_V = 108;
    private static final long BOOLEANS = 128;
    private static final long KV_UNIFIED = 133;

    private StructParams() {}

    /**
     * Why these defaults are not those of a struct of the layout above.
     *
     * @param context what llama_context_default_params returned
     * @param model what llama_model_default_params returned
     * @return null if they are
     */
    static String implausible(MemorySegment context, MemorySegment model) {
        StringBuilder wrong = new StringBuilder();
        expect(wrong, "n_ctx", context, N_CTX, 512, 4096);
        expect(wrong, "n_batch", context, N_BATCH, 512, 8192);
        expect(wrong, "n_ubatch", context, N_UBATCH, 128, 4096);
        expect(wrong, "n_seq_max", context, N_SEQ_MAX, 1, 1);
        expect(wrong, "n_threads", context, N_THREADS, 1, 512);
        expect(wrong, "n_threads_batch", context, N_THREADS_BATCH, 1, 512);
        expect(wrong, "rope_scaling_type", context, 40, -1, -1);
        expect(wrong, "pooling_type", context, 44, -1, -1);
        expect(wrong, "attention_type", context, 48, -1, -1);
        expect(wrong, "flash_attn_type", context, FLASH_ATTN, -1, 1);
        expect(wrong, "yarn_beta_slow", context, 76, Float.floatToIntBits(-1), Float.floatToIntBits(1));
        expect(wrong, "defrag_thold", context, 84, Float.floatToIntBits(-1), Float.floatToIntBits(-1));
        if (context.get(ValueLayout.JAVA_LONG, CB_EVAL) != 0 || context.get(ValueLayout.JAVA_LONG, CB_EVAL + 8) != 0) {
            wrong.append(" cb_eval is set;");
        }
        expect(wrong, "type_k", context, TYPE_K, 1, 1);
        expect(wrong, "type_v", context, TYPE_V, 1, 1);
        for (long at = BOOLEANS; at < BOOLEANS + 6; at++) {
            int value = context.get(ValueLayout.JAVA_BYTE, at);
            if (value != 0 && value != 1) {
                wrong.append(" byte ").append(at).append(" is ").append(value).append(", expected a bool;");
            }
        }
        // All layers on a GPU, if there is one: -1, or 999 in older builds.
        expect(wrong, "n_gpu_layers", model, 16, -1, 999);
        expect(wrong, "split_mode", model, 20, 0, 3);
        return wrong.isEmpty() ? null : wrong.substring(1, wrong.length() - 1);
    }

    private static void expect(StringBuilder wrong, String field, MemorySegment struct, long at, int min, int max) {
        int value = struct.get(ValueLayout.JAVA_INT, at);
        if (value < Math.min(min, max) || value > Math.max(min, max)) {
            wrong.append(' ').append(field).append(" at offset ").append(at).append(" is ").append(value).append(';');
        }
    }

    /** Sets what the options say; the rest stays the library's default. */
    static void set(MemorySegment context, ContextOptions options, MemorySegment evalCallback) {
        context.set(ValueLayout.JAVA_INT, N_CTX, options.tokens());
        context.set(ValueLayout.JAVA_INT, N_BATCH, options.batch());
        context.set(ValueLayout.JAVA_INT, N_UBATCH, options.batch());
        context.set(ValueLayout.JAVA_INT, N_SEQ_MAX, options.sequences());
        context.set(ValueLayout.JAVA_INT, N_THREADS, options.threads());
        context.set(ValueLayout.JAVA_INT, N_THREADS_BATCH, options.threads());
        context.set(ValueLayout.JAVA_INT, FLASH_ATTN, options.flashAttention() ? 1 : 0);
        context.set(ValueLayout.JAVA_INT, TYPE_K, type(options.keyType()));
        context.set(ValueLayout.JAVA_INT, TYPE_V, type(options.valueType()));
        context.set(ValueLayout.ADDRESS, CB_EVAL, evalCallback);
        if (options.sequences() > 1) {
            // One pool of cells for all: else each has its share of them, and copying moves every row.
            context.set(ValueLayout.JAVA_BYTE, KV_UNIFIED, (byte) 1);
        }
    }

    private static int type(DType type) {
        return GgmlType.id(type);
    }
}
