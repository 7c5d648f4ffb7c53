package dev.kvcapsule.serving.llamacpp.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.testdata.TinyGguf;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.llamacpp.GgufHeader;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights read from GGUF files: against the Python package gguf, and the moments against their definition. */
class WeightsTest {
    @TempDir
    private Path folder;

    /** A GGUF file of one matrix. */
    private static MemorySegment gguf(Arena arena, int type, int columns, int rows, byte[] data) {
        ByteBuffer file = ByteBuffer.allocate(96 + data.length).order(ByteOrder.LITTLE_ENDIAN);
        file.putInt(0x46554747).putInt(3).putLong(1).putLong(0);
        file.putLong(1).put((byte) 'w').putInt(2).putLong(columns).putLong(rows).putInt(type).putLong(0);
        int start = (file.position() + 31) / 32 * 32;
        file.position(start);
        file.put(data);
        return arena.allocateFrom(ValueLayout.JAVA_BYTE, Arrays.copyOf(file.array(), start + data.length));
    }

    @Test
    void readsEveryTypeAsPythonDoes() throws Exception {
        ByteBuffer golden;
        try (InputStream in = WeightsTest.class.getResourceAsStream("weight-blocks.bin")) {
            golden = ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
        }
        int types = 0;
        while (golden.hasRemaining()) {
            int type = golden.getInt();
            int elements = golden.getInt();
            byte[] blocks = new byte[golden.getInt()];
            golden.get(blocks);
            float[] expected = new float[elements];
            for (int i = 0; i < elements; i++) {
                expected[i] = golden.getFloat();
            }
            try (Arena arena = Arena.ofConfined()) {
                // Two rows where blocks allow it.
                int rows = elements == 512 ? 2 : 1;
                MemorySegment file = gguf(arena, type, elements / rows, rows, blocks);
                WeightTensor tensor = WeightTensor.of(file, GgufHeader.read(file), "w").orElseThrow();
                float[] row = new float[elements / rows];
                for (int r = 0; r < rows; r++) {
                    tensor.row(r, row);
                    int from = r * row.length;
                    assertArrayEquals(Arrays.copyOfRange(expected, from, from + row.length), row, "type " + type + " row " + r);
                }
            }
            types++;
        }
        assertEquals(12, types);
    }

    @Test
    void refusesWhatItCannotRead() throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment unknown = gguf(arena, 11, 256, 1, new byte[110]);
            String message = assertThrows(UnsupportedOperationException.class, () -> WeightTensor.of(unknown, GgufHeader.read(unknown), "w")).getMessage();
            assertTrue(message.contains("tensor w is of ggml type 11"), message);
            MemorySegment cut = gguf(arena, 0, 8, 2, new byte[63]);
            assertThrows(MalformedDataException.class, () -> WeightTensor.of(cut, GgufHeader.read(cut), "w"));
            MemorySegment narrow = gguf(arena, 12, 128, 1, new byte[144]);
            assertThrows(MalformedDataException.class, () -> WeightTensor.of(narrow, GgufHeader.read(narrow), "w"));
            MemorySegment odd = gguf(arena, 8, 33, 1, new byte[100]);
            assertThrows(MalformedDataException.class, () -> WeightTensor.of(odd, GgufHeader.read(odd), "w"));
            assertTrue(WeightTensor.of(odd, GgufHeader.read(odd), "v").isEmpty());
        }
    }

    @Test
    void multipliesTheSlicesOfAGroup() throws Exception {
        Path file = TinyGguf.llama().write(folder.resolve("tiny.gguf"));
        double[][][] moments = OutputMoments.of(file).moments();
        assertEquals(2, moments.length);
        try (InputFile input = InputFile.open(file)) {
            GgufHeader header = GgufHeader.read(input.bytes());
            GgufHeader.Tensor tensor = header.tensor("blk.1.attn_output.weight").orElseThrow();
            float[] weights = input.bytes().asSlice(tensor.offset(), 4L * 64 * 32).toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
            for (int kvHead = 0; kvHead < 2; kvHead++) {
                double[] expected = new double[256];
                for (int row = 0; row < 32; row++) {
                    for (int head = 2 * kvHead; head < 2 * kvHead + 2; head++) {
                        for (int i = 0; i < 256; i++) {
                            expected[i] += (double) weights[row * 64 + head * 16 + i / 16] * weights[row * 64 + head * 16 + i % 16];
                        }
                    }
                }
                assertArrayEquals(expected, moments[1][kvHead], 1e-12);
            }
        }
    }

    @Test
    void saysWhichProjectionIsMissing() throws Exception {
        byte[] file = Files.readAllBytes(TinyGguf.llama().write(folder.resolve("tiny.gguf")));
        String text = new String(file, StandardCharsets.ISO_8859_1).replace("blk.1.attn_output.weight", "blk.1.attn_0utput.weight");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment damaged = arena.allocateFrom(ValueLayout.JAVA_BYTE, text.getBytes(StandardCharsets.ISO_8859_1));
            String message = assertThrows(MalformedDataException.class, () -> OutputMoments.of(damaged)).getMessage();
            assertEquals("tensor blk.1.attn_output.weight is missing", message);
        }
    }
}
