package dev.kvcapsule.serving.llamacpp;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.PromptTokens;
import dev.kvcapsule.serving.RealStates;
import dev.kvcapsule.serving.Rewrite;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PrefixAndConversionTest {
    private static KvCache read(String file, Arena arena) throws MalformedDataException {
        return CacheFormats.read(RealStates.state(file, arena), ModelFacts.UNKNOWN);
    }

    private static Rewrite.Written cut(KvCache cache, int tokens, Arena arena) throws MalformedDataException {
        return cut(cache, tokens, ModelFacts.UNKNOWN, arena);
    }

    private static Rewrite.Written cut(KvCache cache, int tokens, ModelFacts facts, Arena arena) throws MalformedDataException {
        Rewrite.Written written = Rewrite.write(cache, CacheFormats.same(cache.layout(), OptionalInt.of(tokens)), arena);
        KvCache again = CacheFormats.read(written.file(), facts);
        assertEquals(written.cache().layout(), again.layout());
        assertEquals(tokens, again.layout().tokens());
        assertEquals(tokens, written.cache().layout().tokens());
        return new Rewrite.Written(written.file(), again);
    }

    private static void assertUncuttable(String file, ModelFacts facts, int tokens, String reason) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = CacheFormats.read(RealStates.state(file, arena), facts);
            String message = assertThrows(UnsupportedOperationException.class, () -> cut(cache, tokens, arena)).getMessage();
            assertTrue(message.contains(reason), message);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama-f16.ggsq", "llama-f16-noflash.ggsq", "llama-q4_0.ggsq", "qwen2vl-f16.ggsq", "llama-f16-buffer.buf",
            "llama-f16-two-streams.ggsq", "llama-f16-session.ggsn"})
    void denseCachesAreCutToAPrefix(String file) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = read(file, arena);
            for (int tokens = 1; tokens < 12; tokens++) {
                KvCache cut = cut(cache, tokens, arena).cache();
                for (SubCache sub : cut.layout().subCaches()) {
                    assertEquals(Positions.sequential(tokens), sub.positions());
                }
                MemorySegment whole = cache.tensor(0, 0, Part.KEY);
                MemorySegment part = cut.tensor(0, 0, Part.KEY);
                assertEquals(-1, whole.asSlice(0, part.byteSize()).mismatch(part));
                int[] ids = PromptTokens.of(cut.layout(), Rewrite.blobs(cut)).orElse(null);
                if (!file.endsWith(".buf")) {
                    assertEquals(tokens, ids.length);
                    assertEquals(3, ids[0]);
                }
            }
        }
    }

    @Test
    void windowsAreCutWhileTheyReachBack() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            ModelFacts gemma = GgufModel.facts(RealStates.model("tiny-gemma3.gguf", arena), OptionalLong.empty());
            KvCache cache = CacheFormats.read(RealStates.state("gemma3tiny-f16-20.ggsq", arena), gemma);
            // The window of 8 holds positions 12 to 19: what follows position 18 needs 12 and later, what follows 17 would need 11.
            KvCache cut = cut(cache, 19, gemma, arena).cache();
            assertEquals(19, cut.layout().subCaches().get(0).cells());
            assertEquals(Positions.ofRuns(new long[] {12, 7}), cut.layout().subCaches().get(1).positions());
        }
        ModelFacts gemma = facts("tiny-gemma3.gguf");
        assertUncuttable("gemma3tiny-f16-20.ggsq", gemma, 18, "no longer holds position 11, which the window of 8 tokens reaches back to");
        assertUncuttable("gemma3tiny-f16-20.ggsq", ModelFacts.UNKNOWN, 19, "no longer holds position 0");
        assertUncuttable("gemma3tiny-f16-259-wrapped.ggsq", gemma, 257, "no longer holds position 250");
    }

    private static ModelFacts facts(String model) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            return GgufModel.facts(RealStates.model(model, arena), OptionalLong.empty());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"deepseek2", "deepseek32"})
    void latentAttentionIsCutWithItsModel(String model) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            ModelFacts facts = facts("tiny-" + model + ".gguf");
            KvCache cache = CacheFormats.read(RealStates.state(model + "-f16.ggsq", arena), facts);
            KvCache cut = cut(cache, 5, facts, arena).cache();
            assertEquals(0, cut.tensor(0, 0, Part.VALUE).byteSize());
            assertEquals(Positions.sequential(5), cut.layout().subCaches().getLast().positions());
            String reason = assertThrows(MalformedDataException.class, () -> read(model + "-f16.ggsq", arena)).getMessage();
            assertTrue(reason.endsWith("without V (multi-head latent attention) it would be whole: name the model to say so"), reason);
        }
    }

    @Test
    void aWrappedWindowKeepsItsCellOrder() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            ModelFacts gemma = GgufModel.facts(RealStates.model("tiny-gemma3.gguf", arena), OptionalLong.empty());
            KvCache cache = CacheFormats.read(RealStates.state("gemma3tiny-f16-259-wrapped.ggsq", arena), gemma);
            assertArrayEquals(new long[] {256, 3, 251, 5}, cache.layout().subCaches().get(1).positions().runs());
            KvCache cut = cut(cache, 258, gemma, arena).cache();
            assertArrayEquals(new long[] {256, 2, 251, 5}, cut.layout().subCaches().get(1).positions().runs());
        }
    }

    @Test
    void whatCannotBeCutSaysWhy() throws MalformedDataException {
        assertUncuttable("mamba.ggsq", ModelFacts.UNKNOWN, 5, "recurrent state sums up all of its tokens");
        assertUncuttable("granitehybrid-f16.ggsq", ModelFacts.UNKNOWN, 5, "recurrent state");
        assertUncuttable("qwen2vl-f16-image.ggsq", ModelFacts.UNKNOWN, 6, "holds position 4 more than once");
        assertUncuttable("llama-f16-two-streams-session.ggsn", ModelFacts.UNKNOWN, 4, "2 streams of different sequences");
        assertUncuttable("llama-f16-holes.ggsq", ModelFacts.UNKNOWN, 14, "no longer holds position");
        assertUncuttable("llama-f16.ggsq", ModelFacts.UNKNOWN, 13, "has 12 tokens");
        assertUncuttable("llama-f16.ggsq", ModelFacts.UNKNOWN, 0, "prefix of 0");
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama-f16.ggsq", "llama-f16-noflash.ggsq", "gemma3tiny-f16-20.ggsq", "granitehybrid-f16.ggsq",
            "lfm2swa-f16.ggsq", "mamba.ggsq"})
    void versionsAndBuffersHoldTheSame(String file) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment original = RealStates.state(file, arena);
            KvCache cache = CacheFormats.read(original, ModelFacts.UNKNOWN);
            Rewrite.Written two = Rewrite.write(cache, CacheFormats.choose("ggsq2", OptionalInt.empty()), arena);
            assertEquals(2, two.file().get(Input.I32, 4));
            assertEquals(4, original.mismatch(two.file()));
            assertEquals(-1, original.asSlice(8).mismatch(two.file().asSlice(8)));

            KvCache older = CacheFormats.read(two.file(), ModelFacts.UNKNOWN);
            Rewrite.Written buffer = Rewrite.write(older, CacheFormats.choose("buffer", OptionalInt.empty()), arena);
            long payload = 12 + 4L * original.get(Input.I32, 8);
            assertEquals(-1, original.asSlice(payload).mismatch(buffer.file().asSlice(8)));

            KvCache fromBuffer = CacheFormats.read(buffer.file(), ModelFacts.UNKNOWN);
            Rewrite.Written three = Rewrite.write(fromBuffer, CacheFormats.choose("ggsq3", OptionalInt.empty()), arena);
            assertEquals(0, three.file().get(Input.I32, 8));
            assertEquals(-1, original.asSlice(payload).mismatch(three.file().asSlice(12)));
        }
    }

    @Test
    void aBufferIsWhatLlamaCppWrites() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = read("llama-f16.ggsq", arena);
            Rewrite.Written buffer = Rewrite.write(cache, CacheFormats.choose("buffer", OptionalInt.empty()), arena);
            assertEquals(-1, RealStates.state("llama-f16-buffer.buf", arena).mismatch(buffer.file()));
            MemorySegment bare = buffer.file().asSlice(8);
            assertThrows(MalformedDataException.class, () -> CacheFormats.read(bare, ModelFacts.UNKNOWN));
            KvCache read = new BufferFormat().read(bare, ModelFacts.UNKNOWN);
            assertEquals("0", read.layout().origin().get("prefix"));
            assertEquals(-1, bare.mismatch(Rewrite.write(read, CacheFormats.same(read.layout(), OptionalInt.empty()), arena).file()));
        }
    }

    @Test
    void sessionsConvertWhereTheyHoldOneSequence() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            KvCache session = read("llama-f16-session.ggsn", arena);
            Rewrite.Written single = Rewrite.write(session, CacheFormats.choose("ggsq3", OptionalInt.empty()), arena);
            assertEquals(-1, RealStates.state("llama-f16.ggsq", arena).mismatch(single.file()));

            ModelFacts llama = GgufModel.facts(RealStates.model("tiny-llama.gguf", arena), OptionalLong.empty());
            KvCache named = CacheFormats.read(RealStates.state("llama-f16.ggsq", arena), llama);
            Rewrite.Written back = Rewrite.write(named, CacheFormats.choose("ggsn", OptionalInt.empty()), arena);
            assertEquals(-1, RealStates.state("llama-f16-session.ggsn", arena).mismatch(back.file()));

            assertRefused(read("llama-f16.ggsq", arena), "ggsn", "names the model's architecture", arena);
            assertRefused(read("llama-f16-two-streams-session.ggsn", arena), "ggsq3", "2 streams", arena);
            assertRefused(read("granitehybrid-f16-session.ggsn", arena), "buffer", "recurrent state names its sequences", arena);
            assertRefused(read("qwen2vl-f16-image.ggsq", arena), "ggsq2", "differ between version 3 and version 2", arena);
        }
    }

    private static void assertRefused(KvCache cache, String format, String reason, Arena arena) {
        String message = assertThrows(UnsupportedOperationException.class,
                () -> Rewrite.write(cache, CacheFormats.choose(format, OptionalInt.empty()), arena)).getMessage();
        assertTrue(message.contains(reason), message);
    }

    /** llama-server's encoding of the prompt, as GGSQ version 2 carries it: here around the payload of a real state. */
    @Test
    void serverPromptsAreReadAndCut() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment plain = RealStates.state("llama-f16.ggsq", arena);
            int[] words = new int[16];
            int[] head = {-1, 1, 12};
            System.arraycopy(head, 0, words, 0, 3);
            for (int i = 0; i < 12; i++) {
                words[3 + i] = plain.get(Input.I32, 12 + 4L * i);
            }
            MemorySegment file = arena.allocate(plain.byteSize() + 16);
            file.set(Input.I32, 0, plain.get(Input.I32, 0));
            file.set(Input.I32, 4, 2);
            file.set(Input.I32, 8, 16);
            MemorySegment.copy(words, 0, file, Input.I32, 12, 16);
            MemorySegment.copy(plain, 60, file, 76, plain.byteSize() - 60);

            KvCache cache = CacheFormats.read(file, ModelFacts.UNKNOWN);
            PromptWords prompt = PromptWords.of(cache.blob(0));
            assertEquals(12, prompt.tokens());
            assertArrayEquals(Arrays.copyOfRange(words, 3, 15), prompt.toArray());
            assertEquals(-1, file.mismatch(Rewrite.write(cache, CacheFormats.same(cache.layout(), OptionalInt.empty()), arena).file()));

            KvCache cut = cut(cache, 5, arena).cache();
            int[] expected = Arrays.copyOf(words, 9);
            expected[2] = 5;
            expected[8] = 0;
            assertArrayEquals(expected, cut.blob(0).toArray(Input.I32));

            file.set(Input.I32, 12 + 60, 1);
            assertThrows(MalformedDataException.class, () -> CacheFormats.read(file, ModelFacts.UNKNOWN));
            file.set(Input.I32, 12 + 8, 99);
            String message = assertThrows(MalformedDataException.class, () -> CacheFormats.read(file, ModelFacts.UNKNOWN)).getMessage();
            assertEquals("offset 20, prompt token count: is 99, expected 0 to 16", message);
        }
    }

    /** Cells with x and y alone, as builds before the token was added wrote them. */
    @Test
    void olderMRopeCellsAreReadAndKept() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment wide = RealStates.state("qwen2vl-f16.ggsq", arena);
            long cells = 12 + 4L * wide.get(Input.I32, 8) + 8;
            MemorySegment file = arena.allocate(wide.byteSize() - 4 * 12);
            MemorySegment.copy(wide, 0, file, 0, cells);
            file.set(Input.I32, 4, 2);
            for (int i = 0; i < 12; i++) {
                MemorySegment.copy(wide, cells + 24L * i, file, cells + 20L * i, 16);
                MemorySegment.copy(wide, cells + 24L * i + 20, file, cells + 20L * i + 16, 4);
            }
            MemorySegment.copy(wide, cells + 24 * 12, file, cells + 20 * 12, wide.byteSize() - cells - 24 * 12);
            KvCache cache = CacheFormats.read(file, ModelFacts.UNKNOWN);
            assertEquals("8", cache.layout().origin().get("extension.kv"));
            assertEquals(-1, file.mismatch(Rewrite.write(cache, CacheFormats.same(cache.layout(), OptionalInt.empty()), arena).file()));
            assertRefused(cache, "ggsq3", "differ between version 2 and version 3", arena);
            cut(cache, 7, arena);
        }
    }

    @Test
    void quantizedKeysCarryNoRope() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            ModelFacts facts = ModelFacts.parse("rope=interleaved:10000:64,heads=1x64");
            KvCache rotated = CacheFormats.read(RealStates.state("llama-q8_0.ggsq", arena), facts);
            assertTrue(rotated.layout().subCaches().getFirst().layers().getFirst().rope().isEmpty());
            assertEquals("possible", rotated.layout().origin().get("hadamard.K"));
            KvCache plain = CacheFormats.read(RealStates.state("llama-f16.ggsq", arena), facts);
            assertTrue(plain.layout().subCaches().getFirst().layers().getFirst().rope().isPresent());
        }
    }
}
