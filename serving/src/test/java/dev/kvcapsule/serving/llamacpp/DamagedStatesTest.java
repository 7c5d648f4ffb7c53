package dev.kvcapsule.serving.llamacpp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.serving.CacheFormat;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.CacheImage;
import dev.kvcapsule.serving.CacheTarget;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.RealStates;
import dev.kvcapsule.serving.Rewrite;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever the bytes, reading gives a cache or a {@link MalformedDataException}, and what was read can be planned again. */
class DamagedStatesTest {

    @ParameterizedTest
    @CsvSource({"llama-q4_0.ggsq, tiny-llama", "lfm2swa-f16.ggsq, tiny-lfm2-swa", "qwen2vl-f16-image-noflash.ggsq, tiny-qwen2vl",
            "llama-f16-session.ggsn, tiny-llama", "llama-f16-buffer.buf, tiny-llama", "deepseek2-f16-noflash.ggsq, tiny-deepseek2",
            "mamba.ggsq, tiny-mamba",
            "granitehybrid-f16.ggsq, tiny-granitehybrid", "gemma3tiny-f16-20.ggsq, tiny-gemma3"})
    void everyTruncationIsRefused(String file, String model) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment whole = RealStates.state(file, arena);
            ModelFacts facts = GgufModel.facts(RealStates.model(model + ".gguf", arena), OptionalLong.empty());
            int whatElseFits = 0;
            for (long length = 0; length < whole.byteSize(); length++) {
                MemorySegment cut = whole.asSlice(0, length);
                assertThrows(MalformedDataException.class, () -> CacheFormats.read(cut, facts), () -> file + " cut to " + cut.byteSize());
                try {
                    CacheFormats.read(cut, ModelFacts.UNKNOWN);
                    whatElseFits++;
                } catch (MalformedDataException e) {
                    assertTrue(e.getMessage().startsWith("offset "), e::getMessage);
                }
            }
            // Without the model, a state cut off behind one of its caches or behind half of its R is one of another model.
            assertTrue(whatElseFits <= 4, file + " is whole at " + whatElseFits + " other lengths");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama-q4_0.ggsq", "lfm2swa-f16.ggsq", "qwen2vl-f16-image.ggsq", "llama-f16-two-streams-session.ggsn",
            "llama-f16-buffer.buf",
            "granitehybrid-f16-empty.ggsq"})
    void mutationsGiveACacheOrAReason(String file) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment whole = RealStates.state(file, arena);
            MemorySegment buffer = arena.allocate(whole.byteSize());
            CacheFormat format = CacheFormats.detect(whole);
            List<ModelFacts> models = List.of(ModelFacts.UNKNOWN, ModelFacts.parse("heads=2x16,rope=half-split:10000:16,window=8"),
                    GgufModel.facts(RealStates.model("tiny-lfm2-swa.gguf", arena), OptionalLong.empty()));
            Random random = new Random(file.hashCode());
            int read = 0;
            for (int i = 0; i < 10_000; i++) {
                MemorySegment damaged = Mutations.mutate(whole, random, buffer);
                try {
                    KvCache cache = format.read(damaged, models.get(i % models.size()));
                    read++;
                    assertEquals(damaged.byteSize(), format.plan(cache.layout(), Rewrite.blobs(cache), CacheTarget.SAME).bytes());
                } catch (MalformedDataException e) {
                    assertTrue(e.getMessage().startsWith("offset "), e::getMessage);
                }
            }
            // Most of the bytes are tensors, in which a change is not damage.
            assertTrue(read > 0);
        }
    }

    /** Layouts and blobs out of a capsule are as untrusted as files. */
    @ParameterizedTest
    @ValueSource(strings = {"qwen2vl-f16-image.ggsq", "lfm2swa-f16.ggsq", "llama-f16-two-streams-session.ggsn", "llama-f16.ggsq"})
    void damagedBlobsAndFactsAreRefused(String file) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = CacheFormats.read(RealStates.state(file, arena), ModelFacts.UNKNOWN);
            CacheLayout layout = cache.layout();
            Random random = new Random(11);
            String[] texts = {"", "-1", "99999999999", "1", "4", "kv", "kv,kv", "swa,base,recurrent", "recurrent", "ggsn", "\u0000"};
            List<String> facts = new ArrayList<>(layout.origin().keySet());
            for (int i = 0; i < 5_000; i++) {
                Map<String, String> origin = new TreeMap<>(layout.origin());
                origin.put(facts.get(random.nextInt(facts.size())), texts[random.nextInt(texts.length)]);
                List<MemorySegment> blobs = new ArrayList<>();
                for (MemorySegment blob : Rewrite.blobs(cache)) {
                    MemorySegment copy = arena.allocate(blob.byteSize());
                    blobs.add(blob.byteSize() < 8 ? blob : Mutations.mutate(blob, random, copy));
                }
                CacheLayout damaged = new CacheLayout(layout.tokens(), layout.subCaches(), layout.blobs(),
                        random.nextBoolean() ? origin : layout.origin());
                OptionalInt tokens = random.nextBoolean() ? OptionalInt.empty() : OptionalInt.of(1 + random.nextInt(8));
                CacheTarget target = new CacheTarget(OptionalInt.empty(), tokens);
                for (String name : CacheFormats.NAMES) {
                    try {
                        CacheImage image = CacheFormats.choose(name, target.tokens()).format().plan(damaged, blobs, target);
                        image.write(arena.allocate(image.bytes()));
                    } catch (MalformedDataException | UnsupportedOperationException e) {
                        assertTrue(e.getMessage().length() > 10);
                    }
                }
            }
        }
    }

    private static String message(String file, long offset, int value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = RealStates.state(file, arena);
            state.set(Input.I32, offset, value);
            return assertThrows(MalformedDataException.class, () -> CacheFormats.read(state, ModelFacts.UNKNOWN)).getMessage();
        }
    }

    @Test
    void messagesNameOffsetFieldAndExpectation() {
        // llama-f16.ggsq: 12 prompt words end at 60; n_stream, cell_count, 12 cells of 12 bytes, v_trans at 212, n_layer, K type at 220, row size at 224.
        assertEquals("offset 4, version: is 7, expected 2 to 3", message("llama-f16.ggsq", 4, 7));
        assertEquals("offset 220, K type of layer 0: no known memory structure fits; the best one stops here: ggml type 41 is not a KV cache type "
                + "(0 f32, 1 f16, 2 q4_0, 3 q4_1, 6 q5_0, 7 q5_1, 8 q8_0, 20 iq4_nl, 30 bf16)", message("llama-f16.ggsq", 220, 41));
        assertEquals("offset 8, prompt words: needs 8589934588 bytes, the file has 6400 more".replace("offset 8", "offset 12"),
                message("llama-f16.ggsq", 8, Integer.MAX_VALUE));
        assertTrue(message("llama-f16.ggsq", 224, 127).startsWith("offset 224, K row size of layer 0: "));
        assertTrue(message("llama-f16.ggsq", 60, 0x34565344).contains("DeepSeek-V4"));
        assertTrue(message("llama-f16.ggsq", 0, 0x34565344).startsWith("offset 0, magic: is 44 53 56 34, expected"));
    }

    @Test
    void contradictionsOfTheModelAreNamed() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = RealStates.state("llama-f16.ggsq", arena);
            ModelFacts wrongHeads = ModelFacts.parse("heads=3x64");
            String heads = assertThrows(MalformedDataException.class, () -> CacheFormats.read(state, wrongHeads)).getMessage();
            assertEquals("offset 232, K row of layer 0 in cache 'kv': has 64 channels, the model has 3 heads of 64", heads);
            ModelFacts other = GgufModel.facts(RealStates.model("SmolLM2-135M-Instruct.Q4_1.gguf", arena), OptionalLong.empty());
            String layers = assertThrows(MalformedDataException.class, () -> CacheFormats.read(state, other)).getMessage();
            assertEquals("offset 216, n_layer of cache 'kv': is 2, the model has 30 such layers", layers);
            ModelFacts windowed = GgufModel.facts(RealStates.model("gemma3-270m.gguf", arena), OptionalLong.empty());
            String memory = assertThrows(MalformedDataException.class, () -> CacheFormats.read(state, windowed)).getMessage();
            assertTrue(memory.contains("the model has 15 such layers") || memory.contains("not a state of a model with iswa memory"), memory);
        }
    }
}
