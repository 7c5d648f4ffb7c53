package dev.kvcapsule.serving.llamacpp;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Small GGUF files: 4 heads of 16 channels unless said otherwise. */
final class GgufBuilder {
    private final ByteArrayOutputStream pairs = new ByteArrayOutputStream();
    private final ByteArrayOutputStream tensors = new ByteArrayOutputStream();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();
    private String prefix = "";
    private int pairCount;
    private int tensorCount;

    GgufBuilder(String architecture, int layers) {
        string("general.architecture", architecture);
        prefix = architecture + ".";
        u32("block_count", layers);
        u32("embedding_length", 64);
        u32("attention.head_count", 4);
    }

    private void key(String key, int type) {
        text(pairs, prefix + key);
        word(pairs, type);
        pairCount++;
    }

    private static void word(ByteArrayOutputStream out, int value) {
        out.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
    }

    private static void wide(ByteArrayOutputStream out, long value) {
        out.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    }

    private static void text(ByteArrayOutputStream out, String text) {
        wide(out, text.length());
        out.writeBytes(text.getBytes(StandardCharsets.UTF_8));
    }

    GgufBuilder u32(String key, int value) {
        key(key, 4);
        word(pairs, value);
        return this;
    }

    GgufBuilder f32(String key, float value) {
        key(key, 6);
        word(pairs, Float.floatToIntBits(value));
        return this;
    }

    GgufBuilder bool(String key, boolean value) {
        key(key, 7);
        pairs.write(value ? 1 : 0);
        return this;
    }

    GgufBuilder string(String key, String value) {
        key(key, 8);
        text(pairs, value);
        return this;
    }

    GgufBuilder i32s(String key, int... values) {
        key(key, 9);
        word(pairs, 5);
        wide(pairs, values.length);
        for (int value : values) {
            word(pairs, value);
        }
        return this;
    }

    GgufBuilder booleans(String key, boolean... values) {
        key(key, 9);
        word(pairs, 7);
        wide(pairs, values.length);
        for (boolean value : values) {
            pairs.write(value ? 1 : 0);
        }
        return this;
    }

    GgufBuilder tensor(String name, float... values) {
        text(tensors, name);
        word(tensors, 1);
        wide(tensors, values.length);
        word(tensors, 0);
        wide(tensors, data.size());
        for (float value : values) {
            word(data, Float.floatToIntBits(value));
        }
        tensorCount++;
        return this;
    }

    MemorySegment build(Arena arena) {
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        file.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        word(file, 3);
        wide(file, tensorCount);
        wide(file, pairCount);
        file.writeBytes(pairs.toByteArray());
        file.writeBytes(tensors.toByteArray());
        while (file.size() % 32 != 0) {
            file.write(0);
        }
        file.writeBytes(data.toByteArray());
        return arena.allocateFrom(ValueLayout.JAVA_BYTE, file.toByteArray());
    }
}
