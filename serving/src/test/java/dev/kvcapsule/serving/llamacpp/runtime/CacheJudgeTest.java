package dev.kvcapsule.serving.llamacpp.runtime;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.llamacpp.BufferFormat;
import dev.kvcapsule.testdata.Samples;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** SmolLM2 through this binding, against the figures of programs that share no code with it. Skipped, with the reason, where it cannot be had. */
@Tag("real-model")
class CacheJudgeTest {
    private static final String TEXT = "The cache of a language model holds, for every token it has read, a key and a value in each layer. Queries meet keys at "
            + "all distances, so an error of a key is seen under every rotation between them.";

    @TempDir
    private Path folder;

    /** The sample with every number rounded to halves. */
    private Path rounded(Path state) throws Exception {
        Path out = folder.resolve("rounded.ggsq");
        try (InputFile input = InputFile.open(state); Arena arena = Arena.ofConfined()) {
            MemorySegment copy = arena.allocate(input.bytes().byteSize(), 64).copyFrom(input.bytes());
            KvCache cache = CacheFormats.read(copy, ModelFacts.parse(Samples.SMOLLM2_FACTS));
            var layers = cache.layout().subCaches().getFirst().layers();
            for (int l = 0; l < layers.size(); l++) {
                for (Part part : Part.values()) {
                    LayerLayout layer = layers.get(l);
                    float[] values = TensorValues.read(layer.type(part), cache.tensor(0, l, part));
                    for (int i = 0; i < values.length; i++) {
                        values[i] = (float) Math.rint(2 * values[i]) / 2;
                    }
                    TensorValues.write(layer.type(part), values, cache.tensor(0, l, part));
                }
            }
            Files.write(out, copy.toArray(ValueLayout.JAVA_BYTE));
        }
        return out;
    }

    /**
     * 128 tokens of the sample, from the 100th on, said again after it: an independent judge in Python (numpy, llama-cpp-python 0.3.36, another
     * build of ggml, batches of 512) found mean KL .07396, 99th percentile .7842, maximum 1.2689, same top token .98438, perplexity 1.3909 and
     * 1.5439.
     */
    @Test
    void agreesWithAnIndependentJudge() throws Exception {
        LibLlama library = RealModel.library();
        Path state = folder.resolve("sample.ggsq");
        try (InputStream in = Samples.smollm2Code512()) {
            Files.copy(in, state);
        }
        try (LlamaModel model = LlamaModel.open(library, RealModel.model());
                LlamaContext context = model.context(ContextOptions.of(768).withThreads(1)); Arena arena = Arena.ofConfined()) {
            int[] tokens = context.load(state);
            assertEquals(512, tokens.length);
            MemorySegment inMemory = context.save(arena);
            int[] again = Arrays.copyOfRange(tokens, 100, 229);
            try (CacheJudge judge = CacheJudge.of(context, state, again)) {
                CacheJudge.Verdict same = judge.judge(inMemory);
                assertEquals(new CacheJudge.Verdict(128, 0, 0, 0, 1, same.referencePerplexity(), same.referencePerplexity()), same);
                CacheJudge.Verdict verdict = judge.judge(rounded(state));
                assertAll(verdict.toString(),
                        () -> assertEquals(128, verdict.tokens()),
                        () -> assertEquals(.07396, verdict.meanKl(), .01),
                        () -> assertEquals(.7842, verdict.p99Kl(), .15),
                        () -> assertEquals(1.2689, verdict.maxKl(), .25),
                        () -> assertEquals(.98438, verdict.top1(), .017),
                        () -> assertEquals(1.3909, verdict.referencePerplexity(), .01),
                        () -> assertEquals(1.5439, verdict.perplexity(), .03));
                context.evaluate(new int[] {1}, context.nextPosition());
                MemorySegment longer = context.save(arena);
                context.clear();
                context.evaluate(new int[] {1, 2, 3}, 0);
                MemorySegment shorter = context.save(arena);
                assertThrows(IllegalArgumentException.class, () -> judge.judge(shorter));
                assertThrows(IllegalArgumentException.class, () -> judge.judge(longer));
            }
            assertThrows(IllegalArgumentException.class, () -> CacheJudge.of(context, state, new int[] {1}));
            assertThrows(IllegalArgumentException.class, () -> CacheJudge.of(context, state, new int[] {1, 1 << 20}));
        }
    }

    /**
     * The 46 tokens of a text: figures of a Python program that takes the queries at the projection, before RoPE, divides them by 8 (the attention
     * scale is 1 / 8) and sums over the distances 1 to 4400 one by one.
     */
    @Test
    void capturesTheMomentsThatPythonFinds() throws Exception {
        try (ModelRunner runner = ModelRunner.open(RealModel.library(), RealModel.model(), ContextOptions.of(256).withThreads(1));
                Arena arena = Arena.ofConfined()) {
            ModelRunner.Prefill prefill = runner.prefill(TEXT, 46, arena);
            assertEquals(0, prefill.rest().length);
            assertEquals(46, prefill.queries().tokens());
            assertMoments(prefill.queries(), 0, 0, 2.119847, .015913694, -.0128289199, .66047068);
            assertMoments(prefill.queries(), 5, 1, 7.282373, .0299550084, .0196224782, 4.01865194);
            assertMoments(prefill.queries(), 17, 2, 15.169547, .139410168, -.000545747859, 8.82126697);
            assertMoments(prefill.queries(), 29, 0, 13.109741, .0544518194, .081673523, 7.22275579);
            KvCache cache = new BufferFormat().read(prefill.state(), runner.model().facts(256));
            assertEquals(46, cache.layout().tokens());

            Path file = folder.resolve("prefill.ggsq");
            runner.prefill(TEXT, 30, file, (layer, position, batch) -> {});
            try (InputFile input = InputFile.open(file)) {
                assertEquals(30, CacheFormats.read(input.bytes(), runner.model().facts(256)).layout().tokens());
            }
            assertThrows(LlamaException.class, () -> runner.prefill(TEXT, 47, arena));

            ModelRunner.Prefill shorter = runner.prefill(TEXT, 40, arena);
            int[] measured = new int[1];
            LayerSensitivity sensitivity = runner.sensitivity(shorter, 5, (done, total) -> measured[0] = done * 1000 + total);
            assertEquals(66_066, measured[0]);
            assertTrue(Arrays.stream(sensitivity.key()).allMatch(x -> x > 0), sensitivity.toString());
            assertThrows(LlamaException.class, () -> runner.sensitivity(shorter, 6, (done, total) -> { }));
            assertEquals(30, runner.outputMoments().moments().length);
        }
    }

    /** Trace, first element, a coupling of slow pairs, Frobenius norm. */
    private static void assertMoments(QueryMoments moments, int layer, int head, double trace, double first, double slow, double norm) {
        double[] m = moments.moments()[layer][head];
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < 64 * 64; i++) {
            sum += i % 65 == 0 ? m[i] : 0;
            squares += m[i] * m[i];
        }
        double found = sum;
        double foundNorm = Math.sqrt(squares);
        assertAll("layer " + layer,
                () -> assertEquals(4096, m.length),
                () -> assertEquals(trace, found, 1e-4 * trace),
                () -> assertEquals(first, m[0], 1e-4 * trace),
                () -> assertEquals(slow, m[62 * 64 + 63], 1e-4 * trace),
                () -> assertEquals(norm, foundNorm, 1e-4 * norm));
    }
}
