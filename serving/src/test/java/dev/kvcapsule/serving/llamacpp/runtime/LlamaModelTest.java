package dev.kvcapsule.serving.llamacpp.runtime;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.testdata.TinyGguf;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.llamacpp.GgufModel;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** libllama driven with tiny random models: everything but quality. Skipped, with the reason, where the library cannot be had. */
@Tag("real-model")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LlamaModelTest {
    private static final int[] TOKENS = IntStream.range(0, 40).map(i -> 1 + i * 11 % 63).toArray();
    private static final ContextOptions OPTIONS = ContextOptions.of(256).withThreads(1).withBatch(16);

    @TempDir
    private static Path folder;

    private LibLlama library;
    private Path dense;
    private Path windowed;

    @BeforeAll
    void load() throws Exception {
        library = RealModel.library();
        dense = TinyGguf.llama().write(folder.resolve("tiny-llama.gguf"));
        windowed = TinyGguf.gemma3().write(folder.resolve("tiny-gemma3.gguf"));
    }

    @Test
    void tellsWhatTheModelIs() throws Exception {
        try (LlamaModel model = LlamaModel.open(library, dense); LlamaContext context = model.context(OPTIONS)) {
            assertAll(
                    () -> assertEquals(2, model.layers()),
                    () -> assertEquals(TinyGguf.VOCABULARY, model.vocabulary()),
                    () -> assertEquals(2048, model.trainedContext()),
                    () -> assertEquals(256, context.size()),
                    () -> assertEquals(0, context.nextPosition()),
                    () -> assertThrows(LlamaException.class, () -> model.tokenize("there is no tokenizer")));
        }
    }

    @Test
    void refusesFilesThatAreNoModel() throws Exception {
        Path text = Files.writeString(folder.resolve("text.gguf"), "not a model");
        assertThrows(MalformedDataException.class, () -> LlamaModel.open(library, text));
        assertThrows(IOException.class, () -> LlamaModel.open(library, folder.resolve("missing.gguf")));
        byte[] whole = Files.readAllBytes(dense);
        Path cut = Files.write(folder.resolve("cut.gguf"), Arrays.copyOf(whole, whole.length - 4000));
        String message = assertThrows(LlamaException.class, () -> LlamaModel.open(library, cut)).getMessage();
        assertTrue(message.contains(cut.toString()) && message.contains("not within the file bounds"), message);
    }

    /** In batches or one by one, with or without logits, with or without someone watching: the same cache but for rounding. */
    @Test
    void evaluatesTokens() throws Exception {
        try (LlamaModel model = LlamaModel.open(library, dense); LlamaContext context = model.context(OPTIONS); Arena arena = Arena.ofConfined()) {
            context.evaluate(TOKENS, 0);
            assertEquals(40, context.nextPosition());
            MemorySegment state = context.save(arena);
            MemorySegment last = context.logits(new int[] {5}, 40);
            assertEquals(4 * TinyGguf.VOCABULARY, last.byteSize());
            float[] expected = last.toArray(ValueLayout.JAVA_FLOAT);

            context.clear();
            assertEquals(0, context.nextPosition());
            context.evaluate(TOKENS, 0, (layer, position, batch) -> { });
            assertEquals(-1, context.save(arena).mismatch(state));

            context.clear();
            context.evaluate(Arrays.copyOf(TOKENS, 30), 0);
            MemorySegment rows = context.logits(Arrays.copyOfRange(TOKENS, 30, 40), 30);
            assertEquals(40L * TinyGguf.VOCABULARY, rows.byteSize());
            assertArrayEquals(expected, context.logits(new int[] {5}, 40).toArray(ValueLayout.JAVA_FLOAT), 0.02f);
        }
    }

    @Test
    void refusesTokensThatDoNotFit() throws Exception {
        try (LlamaModel model = LlamaModel.open(library, dense); LlamaContext context = model.context(OPTIONS)) {
            assertThrows(IllegalArgumentException.class, () -> context.evaluate(new int[] {64}, 0));
            assertThrows(IllegalArgumentException.class, () -> context.evaluate(new int[] {-1}, 0));
            assertThrows(LlamaException.class, () -> context.evaluate(new int[300], 0));
            context.clear();
            assertThrows(LlamaException.class, () -> context.evaluate(new int[1], -1));
            assertThrows(LlamaException.class, () -> context.evaluate(new int[2], Integer.MAX_VALUE));
            assertThrows(IllegalArgumentException.class, () -> context.logits(new int[17], 0));
            assertThrows(IllegalArgumentException.class, () -> context.logits(new int[0], 0));
            context.evaluate(TOKENS, 0);
            // Behind what is there, which the library notices.
            assertThrows(LlamaException.class, () -> context.evaluate(new int[] {1}, 3));
            context.evaluate(new int[] {1}, 40);
        }
    }

    /** Copies go on by themselves; a state of one sequence brings another one back, and touches none of the others. */
    @Test
    void sequencesAreCopiedCutAndRestored() throws Exception {
        int[] other = {3, 4, 5};
        for (Path file : List.of(dense, windowed, TinyGguf.lfm2().write(folder.resolve("tiny-lfm2.gguf")))) {
            try (LlamaModel model = LlamaModel.open(library, file); LlamaContext context = model.context(OPTIONS.withSequences(3)); LlamaContext alone = model.context(OPTIONS);
                    Arena arena = Arena.ofConfined()) {
                alone.evaluate(TOKENS, 0);
                MemorySegment state = alone.save(arena);
                float[] expected = alone.logits(new int[] {9}, 40).toArray(ValueLayout.JAVA_FLOAT);

                context.evaluate(2, other, 0);
                context.evaluate(0, TOKENS, 0);
                context.copy(0, 1);
                assertEquals(40, context.nextPosition(1));
                assertArrayEquals(expected, context.logits(1, new int[] {9}, 40).toArray(ValueLayout.JAVA_FLOAT), 0.02f);
                assertEquals(40, context.nextPosition(0), "what its copy goes on with is not its own");
                assertEquals(state.byteSize(), context.save(0, arena).byteSize());
                context.evaluate(0, other, 40);
                assertEquals(41, context.nextPosition(1));

                context.clear(0);
                assertEquals(0, context.nextPosition(0));
                context.load(0, state);
                assertArrayEquals(expected, context.logits(0, new int[] {9}, 40).toArray(ValueLayout.JAVA_FLOAT), 0.02f);
                try (CapturedCache captured = context.capture(2)) {
                    assertEquals(3, captured.cache().layout().tokens());
                }
                assertEquals(3, context.nextPosition(2));
                context.copy(2, 2);
                context.copy(2, 1);
                assertEquals(3, context.nextPosition(1));
                assertEquals(file.equals(dense), context.truncate(0, 5), "a window has forgotten what is before, a recurrent state has no past");
                assertEquals(file.equals(dense) ? 5 : 41, context.nextPosition(0));
                context.clear();
                assertEquals(0, context.nextPosition(2));
                assertThrows(IllegalArgumentException.class, () -> context.evaluate(3, other, 0));
                assertThrows(IllegalArgumentException.class, () -> context.copy(0, -1));
                assertThrows(IllegalArgumentException.class, () -> context.capture(3));
            }
        }
    }

    /** File and memory hold the same cache, the engine reads both, and either brings the context back. */
    @Test
    void savesAndLoads() throws Exception {
        for (Path file : List.of(dense, windowed)) {
            try (LlamaModel model = LlamaModel.open(library, file); LlamaContext context = model.context(OPTIONS); Arena arena = Arena.ofConfined()) {
                context.evaluate(TOKENS, 0);
                Path saved = folder.resolve(file.getFileName() + ".ggsq");
                context.save(saved, TOKENS);
                MemorySegment state = context.save(arena);
                float[] expected = context.logits(new int[] {9}, 40).toArray(ValueLayout.JAVA_FLOAT);
                KvCache inMemory = context.read(state);
                try (InputFile input = InputFile.open(saved)) {
                    KvCache inFile = CacheFormats.read(input.bytes(), context.facts());
                    assertEquals(inFile.layout().subCaches(), inMemory.layout().subCaches());
                    assertEquals(-1, inFile.tensor(0, 0, Part.KEY).mismatch(inMemory.tensor(0, 0, Part.KEY)));
                }
                context.load(state);
                assertEquals(40, context.nextPosition());
                assertArrayEquals(expected, context.logits(new int[] {9}, 40).toArray(ValueLayout.JAVA_FLOAT));
                try (LlamaContext other = model.context(OPTIONS)) {
                    assertArrayEquals(TOKENS, other.load(saved));
                    assertArrayEquals(expected, other.logits(new int[] {9}, 40).toArray(ValueLayout.JAVA_FLOAT));
                }
            }
        }
    }

    @Test
    void refusesStatesThatAreNone() throws Exception {
        try (LlamaModel model = LlamaModel.open(library, dense); LlamaContext context = model.context(OPTIONS); Arena arena = Arena.ofConfined();
                LlamaModel other = LlamaModel.open(library, windowed); LlamaContext otherContext = other.context(OPTIONS);
                LlamaContext small = model.context(ContextOptions.of(1).withThreads(1))) {
            context.evaluate(TOKENS, 0);
            MemorySegment state = context.save(arena);
            assertThrows(MalformedDataException.class, () -> context.load(state.asSlice(0, state.byteSize() - 1)));
            assertThrows(MalformedDataException.class, () -> context.load(arena.allocate(100)));
            assertThrows(MalformedDataException.class, () -> otherContext.load(state));
            assertThrows(IOException.class, () -> context.load(folder.resolve("missing.ggsq")));
            Path text = Files.writeString(folder.resolve("text.ggsq"), "no state");
            assertThrows(MalformedDataException.class, () -> context.load(text));
            assertThrows(LlamaException.class, () -> context.save(folder.resolve("no/such/folder.ggsq"), TOKENS));
            // More cells than the context has, which only the library knows.
            context.clear();
            context.evaluate(IntStream.range(0, 250).map(i -> i % 64).toArray(), 0);
            MemorySegment longer = context.save(arena);
            context.evaluate(new int[] {1, 2}, 250);
            context.load(longer);
            assertEquals(256, small.size());
            try (LlamaContext larger = model.context(ContextOptions.of(512).withThreads(1))) {
                larger.evaluate(IntStream.range(0, 400).map(i -> i % 64).toArray(), 0);
                MemorySegment tooLong = larger.save(arena);
                assertThrows(LlamaException.class, () -> small.load(tooLong));
                assertEquals(0, small.nextPosition());
            }
        }
    }

    @Test
    void throwsAfterClose() throws Exception {
        LlamaModel model = LlamaModel.open(library, dense);
        LlamaContext first = model.context(OPTIONS);
        LlamaContext second = model.context(OPTIONS);
        MemorySegment before = first.logits(new int[] {1}, 0);
        MemorySegment after = first.logits(new int[] {2}, 1);
        assertThrows(IllegalStateException.class, () -> before.get(ValueLayout.JAVA_FLOAT, 0), "logits of an older evaluation");
        first.close();
        first.close();
        assertAll(
                () -> assertThrows(IllegalStateException.class, () -> after.get(ValueLayout.JAVA_FLOAT, 0)),
                () -> assertThrows(IllegalStateException.class, () -> first.evaluate(new int[] {1}, 0)),
                () -> assertThrows(IllegalStateException.class, first::clear),
                () -> assertThrows(IllegalStateException.class, first::nextPosition),
                () -> assertThrows(IllegalStateException.class, () -> first.save(Arena.ofAuto())),
                () -> assertThrows(IllegalStateException.class, () -> first.save(folder.resolve("x"), TOKENS)));
        second.evaluate(TOKENS, 0);
        MemorySegment state = second.save(Arena.ofAuto());
        model.close();
        model.close();
        assertAll(
                () -> assertThrows(IllegalStateException.class, () -> second.logits(new int[] {1}, 40)),
                () -> assertThrows(IllegalStateException.class, () -> second.load(state)),
                () -> assertThrows(IllegalStateException.class, () -> model.context(OPTIONS)),
                () -> assertThrows(IllegalStateException.class, () -> model.tokenize("x")));
    }

    /** One thread evaluates, another closes the model under it: the first ends with an exception. */
    @Test
    void closesUnderAnotherThread() throws Exception {
        LlamaModel model = LlamaModel.open(library, dense);
        LlamaContext context = model.context(OPTIONS);
        AtomicReference<Throwable> end = new AtomicReference<>();
        Thread thread = new Thread(() -> {
            try {
                while (true) {
                    context.clear();
                    float sum = 0;
                    MemorySegment logits = context.logits(Arrays.copyOf(TOKENS, 16), 0);
                    for (long at = 0; at < logits.byteSize(); at += 4) {
                        sum += logits.get(ValueLayout.JAVA_FLOAT, at);
                    }
                    assertTrue(Float.isFinite(sum));
                }
            } catch (Throwable e) {
                end.set(e);
            }
        });
        thread.start();
        Thread.sleep(100);
        model.close();
        thread.join(10_000);
        assertEquals(IllegalStateException.class, end.get().getClass());
    }

    @Test
    void showsEveryQuery() throws Exception {
        for (Path file : List.of(dense, windowed)) {
            try (LlamaModel model = LlamaModel.open(library, file); LlamaContext context = model.context(OPTIONS)) {
                List<String> seen = new ArrayList<>();
                context.evaluate(TOKENS, 0, (layer, position, batch) ->
                        seen.add(layer + "@" + position + ":" + batch.tokens() + "x" + batch.heads() + "/" + batch.kvHeads() + "x" + batch.headDim()));
                String shape = file == dense ? "4/2x16" : "2/1x32";
                List<String> expected = new ArrayList<>();
                for (int[] part : new int[][] {{0, 16}, {16, 16}, {32, 8}}) {
                    for (int layer = 0; layer < model.layers(); layer++) {
                        expected.add(layer + "@" + part[0] + ":" + part[1] + "x" + shape);
                    }
                }
                assertEquals(expected, seen);
            }
        }
    }

    /** A listener that fails ends the evaluation with its reason; the context can still be used. */
    @Test
    void passesAListenersFailureOn() throws Exception {
        try (LlamaModel model = LlamaModel.open(library, dense); LlamaContext context = model.context(OPTIONS)) {
            LlamaException thrown = assertThrows(LlamaException.class, () -> context.evaluate(TOKENS, 0, (layer, position, batch) -> {
                throw new ArithmeticException("the listener's own");
            }));
            assertEquals("the listener's own", thrown.getCause().getMessage());
            context.clear();
            context.evaluate(TOKENS, 0);
            assertEquals(40, context.nextPosition());
        }
        try (LlamaModel model = LlamaModel.open(library, dense);
                LlamaContext context = model.context(new ContextOptions(256, 16, 1, DType.F16, DType.F16, false, 1))) {
            assertThrows(IllegalArgumentException.class, () -> context.evaluate(TOKENS, 0, (layer, position, batch) -> { }));
            context.evaluate(TOKENS, 0);
        }
    }

    /**
     * In layer 0 a query before RoPE depends on its token alone, so twelve times the same token, turned back, have the moments of one: with interleaved
     * pairs and with halves, wherever a batch begins.
     */
    @Test
    void turnsQueriesBackToWhatTheyWereBeforeRope() throws Exception {
        for (Path file : List.of(dense, windowed)) {
            try (LlamaModel model = LlamaModel.open(library, file); LlamaContext context = model.context(OPTIONS.withBatch(5))) {
                QueryCapture one = new QueryCapture(context.facts());
                context.evaluate(new int[] {5}, 0, one);
                context.clear();
                QueryCapture many = new QueryCapture(context.facts());
                int[] same = new int[12];
                Arrays.fill(same, 5);
                context.evaluate(same, 0, many);
                assertEquals(1, one.tokens());
                assertEquals(12, many.tokens());
                double[][] expected = one.moments(7).moments()[0];
                double[][] found = many.moments(7).moments()[0];
                for (int head = 0; head < expected.length; head++) {
                    double trace = 0;
                    for (int i = 0; i < expected[head].length; i += context.facts().layers().getFirst().keyHeadDim() + 1) {
                        trace += expected[head][i];
                    }
                    assertArrayEquals(expected[head], found[head], 1e-5 * trace);
                }
            }
        }
    }

    @Test
    void measuresSensitivities() throws Exception {
        for (Path file : List.of(dense, windowed)) {
            try (LlamaModel model = LlamaModel.open(library, file); LlamaContext context = model.context(OPTIONS); Arena arena = Arena.ofConfined()) {
                context.evaluate(TOKENS, 0);
                MemorySegment state = context.save(arena);
                MemorySegment copy = arena.allocate(state.byteSize(), 8).copyFrom(state);
                int[] next = Arrays.copyOf(TOKENS, 21);
                SensitivityProbe probe = SensitivityProbe.of(NoiseLevel.of(context.read(state)));
                List<Integer> progress = new ArrayList<>();
                LayerSensitivity once = probe.measure(context, state, next, (done, total) -> progress.add(100 * done + total));
                LayerSensitivity twice = probe.measure(context, state, next, (done, total) -> { });
                int total = 2 * model.layers() + Math.min(SensitivityProbe.FLOOR_POINTS, 2 * model.layers());
                assertEquals(IntStream.rangeClosed(1, total).mapToObj(done -> 100 * done + total).toList(), progress);
                assertEquals(-1, state.mismatch(copy), "the state");
                assertArrayEquals(once.key(), twice.key());
                assertArrayEquals(once.value(), twice.value());
                assertTrue(Arrays.stream(once.key()).allMatch(x -> x > 0) && Arrays.stream(once.value()).allMatch(x -> x > 0), once.toString());
                SensitivityProbe spared = new SensitivityProbe(probe.level(), 4, probe.seed());
                assertTrue(spared.measure(context, state, next, (done, all) -> { }).key()[0] > 0);
            }
        }
    }

    /** The facts that lead the engine through these caches come from the same file. */
    @Test
    void knowsTheSameModelAsTheEngine() throws Exception {
        ModelFacts facts = GgufModel.facts(windowed);
        assertEquals(6, facts.layers().size());
        assertEquals(8, facts.layers().getFirst().window());
        assertEquals(0, facts.layers().getLast().window());
    }
}
