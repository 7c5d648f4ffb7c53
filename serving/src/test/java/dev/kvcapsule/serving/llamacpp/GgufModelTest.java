package dev.kvcapsule.serving.llamacpp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.cache.Rope.Pairing;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.ModelFacts.Layer;
import dev.kvcapsule.serving.ModelFacts.Memory;
import dev.kvcapsule.serving.RealStates;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufModelTest {
    private static ModelFacts real(String file) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            return GgufModel.facts(RealStates.model(file, arena), OptionalLong.empty());
        }
    }

    private static ModelFacts facts(GgufBuilder builder) throws MalformedDataException {
        return facts(builder, OptionalLong.empty());
    }

    private static ModelFacts facts(GgufBuilder builder, OptionalLong context) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            return GgufModel.facts(builder.build(arena), context);
        }
    }

    private static Optional<Rope> rope(Pairing pairing, double base, int dims) {
        return Optional.of(Rope.of(pairing, base, dims));
    }

    @Test
    void smolLm2(@TempDir Path folder) throws IOException {
        ModelFacts facts = real("SmolLM2-135M-Instruct.Q4_1.gguf");
        Layer layer = new Layer(3, 64, 64, rope(Pairing.INTERLEAVED, 100_000, 64), 0, true);
        assertEquals(Collections.nCopies(30, layer), facts.layers());
        assertEquals(Memory.DENSE, facts.memory());
        assertEquals(Map.of("architecture", "llama", "name", "Smollm2 135M 8k Lc100K Mix1 Ep2", "layers", "30"), facts.identity());

        Path file = folder.resolve("model.gguf");
        try (Arena arena = Arena.ofConfined()) {
            Files.write(file, RealStates.model("SmolLM2-135M-Instruct.Q4_1.gguf", arena).toArray(ValueLayout.JAVA_BYTE));
        }
        assertEquals(facts, GgufModel.facts(file));
    }

    @Test
    void gemma3() throws IOException {
        ModelFacts facts = real("gemma3-270m.gguf");
        assertEquals(Memory.ISWA, facts.memory());
        Layer global = new Layer(1, 256, 256, rope(Pairing.HALF_SPLIT, 1_000_000, 256), 0, true);
        Layer local = new Layer(1, 256, 256, rope(Pairing.HALF_SPLIT, 10_000, 256), 512, true);
        assertEquals(IntStream.range(0, 18).mapToObj(l -> l % 6 == 5 ? global : local).toList(), facts.layers());
    }

    @Test
    void otherMemories() throws IOException {
        ModelFacts granite = real("tiny-granitehybrid.gguf");
        assertEquals(Memory.HYBRID, granite.memory());
        assertEquals(1, granite.layers().stream().filter(Layer::attention).count());

        ModelFacts lfm2 = real("tiny-lfm2-swa.gguf");
        assertEquals(Memory.HYBRID_ISWA, lfm2.memory());
        assertEquals(2, lfm2.layers().stream().filter(layer -> layer.attention() && layer.window() == 8).count());

        assertEquals(Memory.RECURRENT, real("tiny-mamba.gguf").memory());
        ModelFacts latent = real("tiny-deepseek2.gguf");
        assertTrue(latent.layers().stream().allMatch(layer -> layer.valueHeadDim() == ModelFacts.NO_VALUE && layer.rope().isEmpty()));
        assertEquals(Memory.DENSE, latent.memory());
        assertEquals(Memory.UNKNOWN, real("tiny-deepseek32.gguf").memory());
        assertEquals(Optional.of(Pairing.HALF_SPLIT), real("tiny-qwen2vl.gguf").layers().getFirst().rope().map(Rope::pairing));
    }

    @Test
    void windowsByArchitecture() throws IOException {
        assertEquals(List.of(4096, 0, 4096, 0), windows(new GgufBuilder("gemma2", 4)));
        assertEquals(List.of(128, 0, 128, 0), windows(new GgufBuilder("gpt-oss", 4).u32("attention.sliding_window", 128)));
        assertEquals(List.of(8192, 8192, 8192, 0), windows(new GgufBuilder("llama4", 4)));
        assertEquals(List.of(0, 0, 0, 0), windows(new GgufBuilder("llama4", 4).u32("attention.sliding_window", 0)));
        assertEquals(List.of(0, 99, 99, 99, 0), windows(new GgufBuilder("laguna", 5).u32("attention.sliding_window", 99)));
        assertEquals(List.of(9, 0, 9), windows(new GgufBuilder("gemma4", 3).u32("attention.sliding_window", 9)
                .booleans("attention.sliding_window_pattern", true, false, true)));
        assertEquals(List.of(7, 0, 7, 0), windows(new GgufBuilder("gemma3", 4).u32("attention.sliding_window", 7)
                .u32("attention.sliding_window_pattern", 2)));
        assertEquals(List.of(0, 0), windows(new GgufBuilder("exaone4", 2).u32("attention.sliding_window", 7)));
        assertEquals(List.of(0, 0), windows(new GgufBuilder("phi3", 2).u32("attention.sliding_window", 7)));
        assertThrows(MalformedDataException.class, () -> windows(new GgufBuilder("mimo2", 2).u32("attention.sliding_window", 7)));
    }

    private static List<Integer> windows(GgufBuilder builder) throws MalformedDataException {
        return facts(builder).layers().stream().map(Layer::window).toList();
    }

    @Test
    void layersWithoutRope() throws IOException {
        assertEquals(List.of(true, true, true, false), rotated(new GgufBuilder("smollm3", 4)));
        assertEquals(List.of(true, true, true, false), rotated(new GgufBuilder("cohere2", 4).u32("attention.sliding_window", 8)));
        assertEquals(List.of(false, false), rotated(new GgufBuilder("granite", 2).bool("rope.scaling.finetuned", false)));
        assertEquals(List.of(false, false), rotated(new GgufBuilder("gpt2", 2)));
        assertEquals(List.of(false, false), rotated(new GgufBuilder("somethingnew", 2)));
        assertEquals(Memory.UNKNOWN, facts(new GgufBuilder("somethingnew", 2)).memory());
    }

    private static List<Boolean> rotated(GgufBuilder builder) throws MalformedDataException {
        return facts(builder).layers().stream().map(layer -> layer.rope().isPresent()).toList();
    }

    @Test
    void headCountsByLayer() throws IOException {
        ModelFacts facts = facts(new GgufBuilder("lfm2", 4).i32s("attention.head_count_kv", 0, 2, 0, 2));
        assertEquals(List.of(false, true, false, true), facts.layers().stream().map(Layer::attention).toList());
        assertEquals(2, facts.layers().get(1).kvHeads());
        assertEquals(Memory.HYBRID, facts.memory());
        assertThrows(MalformedDataException.class, () -> facts(new GgufBuilder("lfm2", 4).i32s("attention.head_count_kv", 0, 2)));

        ModelFacts next = facts(new GgufBuilder("qwen3next", 8));
        assertEquals(List.of(3, 7), IntStream.range(0, 8).filter(l -> next.layers().get(l).attention()).boxed().toList());
        ModelFacts shared = facts(new GgufBuilder("gemma4", 4).u32("attention.shared_kv_layers", 2).u32("attention.sliding_window", 9)
                .booleans("attention.sliding_window_pattern", true, false, true, false));
        assertEquals(2, shared.layers().stream().filter(Layer::attention).count());
    }

    @Test
    void ropeScaling() throws IOException {
        Rope linear = firstRope(new GgufBuilder("llama", 1).f32("rope.scaling.factor", 4).string("rope.scaling.type", "linear"));
        assertEquals(0.25, linear.scale());

        Rope llama3 = firstRope(new GgufBuilder("llama", 1).tensor("rope_freqs.weight", 1, 1, 2, 2, 8, 8, 8, 8));
        assertEquals(List.of(1.0, 1.0, 2.0, 2.0, 8.0, 8.0, 8.0, 8.0), llama3.factors());

        Rope yarn = firstRope(new GgufBuilder("qwen2", 1).string("rope.scaling.type", "yarn").f32("rope.scaling.factor", 4)
                .u32("rope.scaling.original_context_length", 1024));
        // The fastest pair keeps its frequency, the slowest is slowed down four times.
        assertEquals(1, yarn.factors().getFirst(), 1e-12);
        assertEquals(4, yarn.factors().getLast(), 1e-12);
        // Between pairs 1 and 5 it ramps: at pair 2, three quarters of the full frequency and one of the scaled one.
        assertEquals(1 / (0.75 + 0.25 / 4), yarn.factors().get(2), 1e-12);
        assertTrue(yarn.factors().stream().allMatch(factor -> factor >= 1 && factor <= 4));

        GgufBuilder longRope = new GgufBuilder("phi3", 1).u32("rope.scaling.original_context_length", 4096)
                .tensor("rope_factors_short.weight", 1, 1, 1, 1, 1, 1, 1, 1).tensor("rope_factors_long.weight", 2, 2, 2, 2, 2, 2, 2, 2);
        assertEquals(Optional.empty(), facts(longRope).layers().getFirst().rope());
        assertEquals(1.0, facts(longRope, OptionalLong.of(4096)).layers().getFirst().rope().get().factors().getFirst());
        assertEquals(2.0, facts(longRope, OptionalLong.of(8192)).layers().getFirst().rope().get().factors().getFirst());
    }

    private static Rope firstRope(GgufBuilder builder) throws MalformedDataException {
        return facts(builder).layers().getFirst().rope().orElseThrow();
    }

    @Test
    void damagedHeadersAreRefusedAndNothingElse() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment whole = RealStates.model("tiny-gemma3.gguf", arena);
            for (long length = 0; length < whole.byteSize(); length++) {
                MemorySegment cut = whole.asSlice(0, length);
                assertThrows(MalformedDataException.class, () -> GgufModel.facts(cut, OptionalLong.empty()));
            }
            Random random = new Random(5);
            MemorySegment buffer = arena.allocate(whole.byteSize());
            for (int i = 0; i < 10_000; i++) {
                MemorySegment copy = Mutations.mutate(whole, random, buffer);
                try {
                    GgufModel.facts(copy, OptionalLong.of(random.nextInt()));
                } catch (MalformedDataException e) {
                    assertTrue(e.getMessage().length() > 10);
                }
            }
        }
    }

    @Test
    void messagesNameTheField() {
        try (Arena arena = Arena.ofConfined()) {
            MalformedDataException magic = assertThrows(MalformedDataException.class, () -> GgufHeader.read(arena.allocate(64)));
            assertEquals("offset 0, magic: expected 'GGUF'", magic.getMessage());
            MalformedDataException missing = assertThrows(MalformedDataException.class, () -> facts(new GgufBuilder("llama", 0)));
            assertEquals("llama.block_count gives 0 layers, expected 1 to 4096", missing.getMessage());
            MalformedDataException tensor = assertThrows(MalformedDataException.class,
                    () -> facts(new GgufBuilder("llama", 1).tensor("rope_freqs.weight", 1)));
            assertEquals("tensor rope_freqs.weight is not 8 f32 numbers within the file", tensor.getMessage());
        }
    }
}
