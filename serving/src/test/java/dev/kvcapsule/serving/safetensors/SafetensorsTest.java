package dev.kvcapsule.serving.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.cache.Rope.Pairing;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.CacheTarget;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.PromptTokens;
import dev.kvcapsule.serving.RealStates;
import dev.kvcapsule.serving.Rewrite;
import dev.kvcapsule.serving.llamacpp.GgufModel;
import dev.kvcapsule.serving.llamacpp.Mutations;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {
    private static final String KEY = "\"layers.0.key\":{\"dtype\":\"F16\",\"shape\":[1,2,3,4],\"data_offsets\":[0,48]}";
    private static final String VALUE = "\"layers.0.value\":{\"dtype\":\"F16\",\"shape\":[1,2,3,4],\"data_offsets\":[48,96]}";

    private static MemorySegment file(Arena arena, String json, int dataBytes) {
        byte[] header = json.getBytes(StandardCharsets.UTF_8);
        ByteBuffer buffer = ByteBuffer.allocate(8 + header.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putLong(header.length).put(header);
        for (int i = 0; i < dataBytes; i++) {
            buffer.put((byte) i);
        }
        return RealStates.nativeCopy(buffer.array(), arena);
    }

    private static KvCache read(MemorySegment file) throws MalformedDataException {
        return new SafetensorsFormat().read(file, ModelFacts.UNKNOWN);
    }

    private static String refusal(String json, int dataBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment file = file(arena, json, dataBytes);
            return assertThrows(MalformedDataException.class, () -> read(file), json).getMessage();
        }
    }

    @Test
    void tensorsAndMetadataAreRead() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            String meta = "\"__metadata__\":{\"format\":\"pt\",\"rope\":\"half-split:10000:4\",\"positions\":\"5+2,3+1\",\"window.0\":\"9\"}";
            String tokens = "\"tokens\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[96,112]}";
            MemorySegment file = file(arena, "{" + meta + "," + KEY + "," + VALUE + "," + tokens + "}   ", 112);
            file.set(ValueLayout.JAVA_LONG_UNALIGNED, file.byteSize() - 16, 4711);
            file.set(ValueLayout.JAVA_LONG_UNALIGNED, file.byteSize() - 8, 3);
            KvCache cache = read(file);
            SubCache sub = cache.layout().subCaches().getFirst();
            LayerLayout layer = sub.layers().getFirst();
            assertEquals(TensorOrder.HEAD_MAJOR, sub.keyOrder());
            assertEquals(Positions.ofRuns(new long[] {5, 2, 3, 1}), sub.positions());
            assertEquals(Optional.of(Rope.of(Pairing.HALF_SPLIT, 10_000, 4)), layer.rope());
            assertEquals(9, layer.window());
            assertEquals(2, layer.kvHeads());
            assertEquals(7, cache.layout().tokens());
            assertEquals(48, cache.tensor(0, 0, Part.VALUE).get(ValueLayout.JAVA_BYTE, 0));
            assertArrayEquals(new int[] {4711, 3}, PromptTokens.of(cache.layout(), Rewrite.blobs(cache)).orElseThrow());
            Rewrite.Written same = Rewrite.write(cache, CacheFormats.same(cache.layout(), OptionalInt.empty()), arena);
            assertEquals(-1, file.mismatch(same.file()));
            assertEquals(cache.layout(), same.cache().layout());
        }
    }

    @ParameterizedTest
    @CsvSource({"llama-f16.ggsq, tiny-llama", "llama-f16-noflash.ggsq, tiny-llama", "llama-f16-holes.ggsq, tiny-llama", "llama-bf16.ggsq, tiny-llama",
            "llama-f32.ggsq, tiny-llama", "gemma3tiny-f16-20.ggsq, tiny-gemma3", "gemma3tiny-f16-259-wrapped.ggsq, tiny-gemma3",
            "deepseek2-f16.ggsq, tiny-deepseek2"})
    void aStateSurvivesTheDetour(String file, String model) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            ModelFacts facts = GgufModel.facts(RealStates.model(model + ".gguf", arena), OptionalLong.empty());
            MemorySegment original = RealStates.state(file, arena);
            KvCache cache = CacheFormats.read(original, facts);
            Rewrite.Written tensors = Rewrite.write(cache, CacheFormats.choose("safetensors", OptionalInt.empty()), arena);
            KvCache again = CacheFormats.read(tensors.file(), ModelFacts.UNKNOWN);
            assertEquals(cache.layout().tokens(), again.layout().tokens());
            assertEquals(cache.layout().subCaches().getFirst().layers(), again.layout().subCaches().getFirst().layers());
            Rewrite.Written back = Rewrite.write(again, CacheFormats.choose("ggsq3", OptionalInt.empty()), arena);
            // The order of V is the one thing that safetensors does not keep.
            assertEquals(file.contains("noflash"), original.mismatch(back.file()) >= 0);
            KvCache last = CacheFormats.read(back.file(), facts);
            assertEquals(-1, tensors.file().mismatch(Rewrite.write(last, CacheFormats.choose("safetensors", OptionalInt.empty()), arena).file()));
        }
    }

    @Test
    void aPrefixGetsANewHeader() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = read(file(arena, "{\"__metadata__\":{\"who\":\"\u00e4\"}," + KEY + "," + VALUE + "}", 96));
            Rewrite.Written cut = Rewrite.write(cache, CacheFormats.same(cache.layout(), OptionalInt.of(2)), arena);
            KvCache again = read(cut.file());
            assertEquals(cut.cache().layout(), again.layout());
            assertEquals(2, again.layout().tokens());
            assertEquals("\u00e4", SafetensorsHeader.read(cut.file()).metadata().get("who"));
            assertEquals(-1, cache.tensor(0, 0, Part.KEY).asSlice(24, 16).mismatch(again.tensor(0, 0, Part.KEY).asSlice(16, 16)));
            assertEquals(0, SafetensorsHeader.read(cut.file()).dataStart() % 8);
        }
    }

    @Test
    void whatHasNoPlaceIsRefused() throws MalformedDataException {
        for (String[] refused : new String[][] {{"llama-q8_0.ggsq", "no element type q8_0"}, {"mamba.ggsq", "llamacpp.recurrent"},
                {"qwen2vl-f16.ggsq", "llamacpp.cells.kv"}}) {
            try (Arena arena = Arena.ofConfined()) {
                KvCache cache = CacheFormats.read(RealStates.state(refused[0], arena), ModelFacts.UNKNOWN);
                String message = assertThrows(UnsupportedOperationException.class,
                        () -> new SafetensorsFormat().plan(cache.layout(), Rewrite.blobs(cache), CacheTarget.SAME)).getMessage();
                assertTrue(message.contains(refused[1]), message);
            }
        }
        try (Arena arena = Arena.ofConfined()) {
            String json = "{\"layers.0.key\":{\"dtype\":\"F8_E4M3\",\"shape\":[1,1,2,4],\"data_offsets\":[0,8]}}";
            KvCache cache = read(file(arena, json, 8));
            String message = assertThrows(UnsupportedOperationException.class,
                    () -> Rewrite.write(cache, CacheFormats.choose("ggsq3", OptionalInt.empty()), arena)).getMessage();
            assertEquals("llama.cpp has no cache type f8_e4m3", message);
        }
    }

    @Test
    void wrongHeadersAreNamed() {
        assertTrue(refusal("{" + KEY + "," + VALUE + "}", 97).contains("data_offsets: end at 96, the file's data at 97"));
        assertTrue(refusal("{" + KEY + "," + VALUE + "}", 95).contains("the file's data at 95"));
        assertTrue(refusal("{" + KEY + "," + VALUE.replace("[48,96]", "[47,95]") + "}", 95).contains("(overlap)"));
        assertTrue(refusal("{" + KEY + "," + VALUE.replace("[48,96]", "[50,98]") + "}", 98).contains("(gap)"));
        assertTrue(refusal("{" + VALUE.replace("[48,96]", "[0,48]") + "}", 48).contains("no key tensor beside it"));
        assertTrue(refusal("{" + KEY + "," + KEY + "}", 48).contains("names something twice"));
        assertTrue(refusal("{" + KEY.replace("F16", "I4") + "}", 48).contains("none of F32, F16, BF16, F8_E4M3"));
        assertTrue(refusal("{" + KEY.replace("[1,2,3,4]", "[2,3,4]") + "}", 48).contains("[1, KV heads, tokens, channels]"));
        assertTrue(refusal("{" + KEY.replace("[1,2,3,4]", "[1,2,3,5]") + "}", 48).contains("has 48 bytes, its shape needs 60"));
        assertTrue(refusal("{" + KEY.replace("[0,48]", "[48,0]") + "}", 48).contains("[begin, end]"));
        assertTrue(refusal("{" + KEY.replace("[0,48]", "[0,-48]") + "}", 48).contains("at least 0"));
        assertTrue(refusal("{" + KEY.replace("48]", "99999999999999999999]") + "}", 48).contains("whole numbers"));
        assertTrue(refusal("{" + KEY.replace("key", "query") + "}", 48).contains("is none of layers.<i>.key"));
        assertTrue(refusal("{" + KEY.replace("layers.0", "layers.00") + "}", 48).contains("is none of layers.<i>.key"));
        assertTrue(refusal("{\"__metadata__\":{\"rope\":\"round\"}," + KEY + "}", 48).contains("expected none or PAIRING"));
        assertTrue(refusal("{\"__metadata__\":{\"positions\":\"0+2\"}," + KEY + "}", 48).contains("positions of 2 tokens, the tensor has 3"));
        assertTrue(refusal("{\"__metadata__\":{\"positions\":\"x\"}," + KEY + "}", 48).contains("such as 512+100"));
        assertTrue(refusal("{\"__metadata__\":{\"a\":1}," + KEY + "}", 48).contains("have to be strings"));
        assertTrue(refusal("{" + KEY + "}x", 48).contains("JSON"));
        assertTrue(refusal("{" + KEY.replace(":{", ":{\"extra\":1,") + "}", 48).contains("none of dtype, shape, data_offsets"));
    }

    @Test
    void damageGivesACacheOrAReason() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            String meta = "\"__metadata__\":{\"rope.0\":\"half-split:10000:4:1:2;3\",\"positions\":\"5+2,3+1\",\"window\":\"9\"}";
            MemorySegment whole = file(arena, "{" + meta + "," + KEY + "," + VALUE + "}", 96);
            MemorySegment buffer = arena.allocate(whole.byteSize());
            for (long length = 0; length < whole.byteSize(); length++) {
                MemorySegment cut = whole.asSlice(0, length);
                assertThrows(MalformedDataException.class, () -> read(cut));
            }
            Random random = new Random(3);
            int read = 0;
            for (int i = 0; i < 10_000; i++) {
                MemorySegment damaged = Mutations.mutate(whole, random, buffer);
                try {
                    KvCache cache = read(damaged);
                    read++;
                    assertEquals(damaged.byteSize(), new SafetensorsFormat().plan(cache.layout(), Rewrite.blobs(cache), CacheTarget.SAME).bytes());
                } catch (MalformedDataException e) {
                    assertFalse(e.getMessage().isEmpty());
                }
            }
            assertTrue(read > 0);
        }
    }
}
