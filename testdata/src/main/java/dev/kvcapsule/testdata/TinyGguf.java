package dev.kvcapsule.testdata;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;

/** Whole models of a few layers with random f32 weights and 64 token ids, which llama.cpp runs in no time: one for each structure of a cache. What they say means nothing. */
public final class TinyGguf {
    /** Token ids, from 0 on. */
    public static final int VOCABULARY = 64;

    private static final int BOS = 1;
    private static final int EOS = 2;
    private static final int NORMAL = 1;
    private static final int UNKNOWN = 2;
    private static final int CONTROL = 3;
    private static final int BYTE = 6;

    private final ByteArrayOutputStream pairs = new ByteArrayOutputStream();
    private final ByteArrayOutputStream tensors = new ByteArrayOutputStream();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();
    private final SplittableRandom random = new SplittableRandom(7);
    private final String architecture;
    private int pairCount;
    private int tensorCount;
    private boolean tokenizer;

    private TinyGguf(String architecture) {
        this.architecture = architecture;
    }

    /** Gives it a tokenizer of 64 words: without one there are ids only, and llama-server ends when it has to write one down. */
    public TinyGguf withTokenizer() {
        tokenizer = true;
        return this;
    }

    /** Dense: 2 layers, 4 query heads, 2 KV heads of 16 channels. */
    public static TinyGguf llama() {
        TinyGguf model = new TinyGguf("llama");
        model.frame(2, 32, 4, 2, 16);
        for (int l = 0; l < 2; l++) {
            model.norm(l, "attn_norm", 32);
            model.attention(l, 32, 64, 32);
            model.norm(l, "ffn_norm", 32);
            model.network(l, 32);
        }
        return model;
    }

    /** Sliding windows of 8 tokens in layers 0 to 4, layer 5 global: 2 query heads, 1 KV head of 32 channels, whose queries are scaled by name only. */
    public static TinyGguf gemma3() {
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
        return model;
    }

    /** Hybrid: layers 1 and 3 attend, with 1 KV head of 16 channels, 0 and 2 are short convolutions, whose state is the last two tokens. */
    public static TinyGguf lfm2() {
        TinyGguf model = new TinyGguf("lfm2");
        model.frame(4, 32, 2, new int[] {0, 1, 0, 1}, 16, "token_embd_norm");
        model.u32("lfm2.shortconv.l_cache", 3);
        for (int l = 0; l < 4; l++) {
            model.norm(l, "attn_norm", 32);
            if (l % 2 == 1) {
                model.attention(l, 32, 32, 16);
                model.norm(l, "attn_q_norm", 16);
                model.norm(l, "attn_k_norm", 16);
            } else {
                model.tensor("blk." + l + ".shortconv.conv.weight", 0, 1 / Math.sqrt(3), 3, 32);
                model.tensor("blk." + l + ".shortconv.in_proj.weight", 0, 1 / Math.sqrt(32), 32, 96);
                model.tensor("blk." + l + ".shortconv.out_proj.weight", 0, 1 / Math.sqrt(32), 32, 32);
            }
            model.norm(l, "ffn_norm", 32);
            model.network(l, 32);
        }
        return model;
    }

    private void frame(int layers, int width, int heads, int kvHeads, int headDim) {
        frame(layers, width, heads, new int[] {kvHeads}, headDim, "output_norm");
    }

    /** @param kvHeads of all layers, or of each */
    private void frame(int layers, int width, int heads, int[] kvHeads, int headDim, String outputNorm) {
        string("general.architecture", architecture);
        u32(architecture + ".vocab_size", VOCABULARY);
        u32(architecture + ".context_length", 2048);
        u32(architecture + ".block_count", layers);
        u32(architecture + ".embedding_length", width);
        u32(architecture + ".feed_forward_length", 32);
        u32(architecture + ".attention.head_count", heads);
        if (kvHeads.length == 1) {
            u32(architecture + ".attention.head_count_kv", kvHeads[0]);
        } else {
            u32s(architecture + ".attention.head_count_kv", kvHeads);
        }
        u32(architecture + ".attention.key_length", headDim);
        u32(architecture + ".attention.value_length", headDim);
        u32(architecture + ".rope.dimension_count", headDim);
        f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
        f32(architecture + ".rope.freq_base", 10000);
        tensor("token_embd.weight", 0, 1, width, VOCABULARY);
        tensor(outputNorm + ".weight", 1, 0.1, width);
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

    private void u32s(String key, int... values) {
        array(key, 4, values.length);
        for (int value : values) {
            word(pairs, value);
        }
    }

    private void array(String key, int type, int count) {
        text(pairs, key);
        word(pairs, 9);
        word(pairs, type);
        wide(pairs, count);
        pairCount++;
    }

    private void tokens() {
        if (!tokenizer) {
            string("tokenizer.ggml.model", "no_vocab");
            return;
        }
        string("tokenizer.ggml.model", "llama");
        String[] first = {"<unk>", "<s>", "</s>", "<0x0A>"};
        int[] firstTypes = {UNKNOWN, CONTROL, CONTROL, BYTE};
        array("tokenizer.ggml.tokens", 8, VOCABULARY);
        for (int i = 0; i < VOCABULARY; i++) {
            text(pairs, i < first.length ? first[i] : "word" + i);
        }
        array("tokenizer.ggml.scores", 6, VOCABULARY);
        for (int i = 0; i < VOCABULARY; i++) {
            word(pairs, 0);
        }
        array("tokenizer.ggml.token_type", 5, VOCABULARY);
        for (int i = 0; i < VOCABULARY; i++) {
            word(pairs, i < first.length ? firstTypes[i] : NORMAL);
        }
        u32("tokenizer.ggml.bos_token_id", BOS);
        u32("tokenizer.ggml.eos_token_id", EOS);
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

    /**
     * Writes it, once.
     *
     * @return the file
     */
    public Path write(Path file) throws IOException {
        tokens();
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
