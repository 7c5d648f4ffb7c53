package dev.kvcapsule.serving.llamacpp.runtime;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;

/** Whole models of a few layers with random f32 weights and 64 token ids without a tokenizer, which llama.cpp can run in no time. */
final class TinyGguf {
    static final int VOCABULARY = 64;

    private final ByteArrayOutputStream pairs = new ByteArrayOutputStream();
    private final ByteArrayOutputStream tensors = new ByteArrayOutputStream();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();
    private final SplittableRandom random = new SplittableRandom(7);
    private final String architecture;
    private int pairCount;
    private int tensorCount;

    private TinyGguf(String architecture) {
        this.architecture = architecture;
    }

    /** Dense: 2 layers, 4 query heads, 2 KV heads of 16 channels. */
    static Path llama(Path file) throws IOException {
        TinyGguf model = new TinyGguf("llama");
        model.frame(2, 32, 4, 2, 16);
        for (int l = 0; l < 2; l++) {
            model.norm(l, "attn_norm", 32);
            model.attention(l, 32, 64, 32);
            model.norm(l, "ffn_norm", 32);
            model.network(l, 32);
        }
        return model.write(file);
    }

    /** Sliding windows of 8 tokens in layers 0 to 4, layer 5 global: 2 query heads, 1 KV head of 32 channels, whose queries are scaled by name only. */
    static Path gemma3(Path file) throws IOException {
        TinyGguf model = new TinyGguf("gemma3");
        model.frame(6, 32, 2, 1, 32);
        model.u32("gemma3.attention.sliding_window", 8);
        for (int l = 0; l < 6; l++) {
            for (String norm : new String[] {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "attn_q_norm", "attn_k_norm"}) {
                model.norm(l, norm, 32);
            }
            model.attention(l, 32, 64, 32);
            model.network(l, 32);
        }
        return model.write(file);
    }

    private void frame(int layers, int width, int heads, int kvHeads, int headDim) {
        string("general.architecture", architecture);
        string("tokenizer.ggml.model", "no_vocab");
        u32(architecture + ".vocab_size", VOCABULARY);
        u32(architecture + ".context_length", 2048);
        u32(architecture + ".block_count", layers);
        u32(architecture + ".embedding_length", width);
        u32(architecture + ".feed_forward_length", 32);
        u32(architecture + ".attention.head_count", heads);
        u32(architecture + ".attention.head_count_kv", kvHeads);
        u32(architecture + ".attention.key_length", headDim);
        u32(architecture + ".attention.value_length", headDim);
        u32(architecture + ".rope.dimension_count", headDim);
        f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
        f32(architecture + ".rope.freq_base", 10000);
        tensor("token_embd.weight", 0, 1, width, VOCABULARY);
        tensor("output_norm.weight", 1, 0.1, width);
    }

    private void attention(int layer, int width, int queries, int keys) {
        String prefix = "blk." + layer + ".attn_";
        tensor(prefix + "q.weight", 0, 1 / Math.sqrt(width), width, queries);
        tensor(prefix + "k.weight", 0, 1 / Math.sqrt(width), width, keys);
        tensor(prefix + "v.weight", 0, 1 / Math.sqrt(width), width, keys);
        tensor(prefix + "output.weight", 0, 1 / Math.sqrt(queries), queries, width);
    }

    private void norm(int layer, String name, int width) {
        tensor("blk." + layer + "." + name + ".weight", 1, 0.1, width);
    }

    private void network(int layer, int width) {
        for (String part : new String[] {"gate", "up", "down"}) {
            tensor("blk." + layer + ".ffn_" + part + ".weight", 0, 1 / Math.sqrt(width), width, width);
        }
    }

    private static void word(ByteArrayOutputStream out, int value) {
        out.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
    }

    private static void wide(ByteArrayOutputStream out, long value) {
        out.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    }

    private static void text(ByteArrayOutputStream out, String text) {
        wide(out, text.length());
        out.writeBytes(text.getBytes(StandardCharsets.US_ASCII));
    }

    private void string(String key, String value) {
        text(pairs, key);
        word(pairs, 8);
        text(pairs, value);
        pairCount++;
    }

    private void u32(String key, int value) {
        text(pairs, key);
        word(pairs, 4);
        word(pairs, value);
        pairCount++;
    }

    private void f32(String key, float value) {
        text(pairs, key);
        word(pairs, 6);
        word(pairs, Float.floatToIntBits(value));
        pairCount++;
    }

    private void tensor(String name, double mean, double deviation, int... dims) {
        text(tensors, name);
        word(tensors, dims.length);
        int elements = 1;
        for (int dim : dims) {
            wide(tensors, dim);
            elements *= dim;
        }
        word(tensors, 0);
        wide(tensors, data.size());
        for (int i = 0; i < elements; i++) {
            word(data, Float.floatToIntBits((float) (mean + deviation * random.nextGaussian())));
        }
        while (data.size() % 32 != 0) {
            data.write(0);
        }
        tensorCount++;
    }

    private Path write(Path file) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        word(all, 3);
        wide(all, tensorCount);
        wide(all, pairCount);
        all.writeBytes(pairs.toByteArray());
        all.writeBytes(tensors.toByteArray());
        while (all.size() % 32 != 0) {
            all.write(0);
        }
        all.writeBytes(data.toByteArray());
        return Files.write(file, all.toByteArray());
    }
}
