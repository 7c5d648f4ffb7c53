package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Calibration in parts: {@code calibrate --partial}, what makes bases of its files, and what shows them. */
class PartialCommandTest {
    @TempDir
    private Path folder;
    private Path state;
    private Path other;
    private Path model;
    private Path sums;

    @BeforeEach
    void calibrate() throws IOException {
        state = copy("states/llama-f16.ggsq");
        other = copy("states/llama-f32.ggsq");
        model = copy("gguf/tiny-llama.gguf");
        sums = folder.resolve("a.kvs");
        Run run = Run.of("calibrate", state, "--model", model, "--partial", "-o", sums, "--json");
        assertEquals(0, run.exit(), run.err());
        assertEquals(Files.size(sums), run.json().get("bytes"));
        assertEquals(1L, run.json().get("caches"));
        assertTrue(run.json().containsKey("partial") && !run.json().containsKey("basis"), run.out());
    }

    private Path copy(String name) throws IOException {
        Path path = folder.resolve(name.substring(name.indexOf('/') + 1));
        try (InputStream in = Samples.class.getResourceAsStream(name)) {
            Files.copy(in, path);
        }
        return path;
    }

    private static Run done(Object... args) {
        Run run = Run.of(args);
        assertEquals(0, run.exit(), run.err());
        return run;
    }

    private static void assertFails(int exit, String message, Object... args) {
        Run run = Run.of(args);
        assertEquals(exit, run.exit(), run.toString());
        assertTrue(run.error("message").contains(message), run.out());
        assertFalse(run.err().contains("\tat "), run.err());
    }

    @Test
    void partsMakeABasis() throws IOException {
        Path more = folder.resolve("b.kvs");
        Path both = folder.resolve("both.kvs");
        Path basis = Files.createDirectory(folder.resolve("models")).resolve("llama.kvb");
        Path capsule = folder.resolve("state.kvc");
        done("calibrate", other, "--model", model, "--partial", "-o", more);
        // All at once, in two steps, and with a state among them; partial sums tell what the model is.
        assertEquals(2L, done("calibrate", sums, more, "-o", basis, "--json").json().get("caches"));
        done("calibrate", more, sums, "--partial", "-o", both);
        assertEquals(2L, done("calibrate", both, "-o", basis, "--json").json().get("caches"));
        assertEquals(2L, done("calibrate", sums, other, "--model", model, "-o", basis, "--json").json().get("caches"));
        Map<?, ?> facts = (Map<?, ?>) done("inspect", basis, "--json").json().get("facts");
        assertEquals("2", facts.get("caches"));
        assertEquals("tiny-llama.gguf", facts.get("model"));
        done("encode", state, "-o", capsule, "--model", model, "--basis", basis, "--unsealed");
        done("decode", capsule, "-o", folder.resolve("restored"), "--basis", basis, "--unsealed");
    }

    @Test
    void aStateBesideSumsCountsAsInOneRun() throws IOException {
        Path direct = folder.resolve("direct.kvb");
        Path merged = folder.resolve("merged.kvb");
        done("calibrate", state, state, "--model", model, "-o", direct);
        done("calibrate", sums, state, "--model", model, "-o", merged);
        Map<String, Object> one = done("inspect", direct, "--json").json();
        Map<String, Object> two = done("inspect", merged, "--json").json();
        assertEquals(one.get("facts"), two.get("facts"));
        assertEquals(one.get("bytes"), two.get("bytes"));
    }

    @Test
    void partsAreShown() {
        Map<String, Object> shown = done("inspect", sums, "--json").json();
        assertEquals("klt", shown.get("codec"));
        assertEquals(1L, shown.get("caches"));
        assertEquals(0L, shown.get("layers_per_group"));
        assertEquals("none", shown.get("weights"));
        assertEquals("tiny-llama.gguf", ((Map<?, ?>) shown.get("facts")).get("model"));
        assertEquals(1, ((List<?>) shown.get("groups")).size());
        String text = done("inspect", sums).out();
        assertTrue(text.contains("a.kvs: partial sums for bases of codec klt") && text.contains("group           all") && text.contains("layers 0 to 1: "), text);
    }

    @Test
    void partsThatDoNotGoTogetherAreRefused() throws IOException {
        Path out = Files.writeString(folder.resolve("out.kvb"), "before");
        Path single = folder.resolve("single.kvs");
        Path gemma = folder.resolve("gemma.kvs");
        done("calibrate", state, "--model", model, "--group", 1, "--partial", "-o", single);
        done("calibrate", copy("states/gemma3tiny-f16-20.ggsq"), "--model", copy("gguf/tiny-gemma3.gguf"), "--partial", "-o", gemma);
        assertFails(4, "--group 1, not of all", "calibrate", sums, single, "-o", out, "--json");
        assertFails(4, "--group all, not of 1", "calibrate", sums, "--group", 1, "-o", out, "--json");
        assertFails(4, "another model", "calibrate", sums, gemma, "-o", out, "--json");
        assertFails(3, "another model", "calibrate", gemma, state, "--model", model, "-o", out, "--json");
        assertFails(2, "--model", "calibrate", sums, state, "-o", out, "--json");
        byte[] good = Files.readAllBytes(sums);
        byte[] flipped = good.clone();
        flipped[good.length / 2] ^= 4;
        Path bad = Files.write(folder.resolve("bad.kvs"), flipped);
        assertFails(3, "damaged", "calibrate", sums, bad, "-o", out, "--json");
        assertFails(3, "bad.kvs", "calibrate", bad, "-o", out, "--json");
        assertFails(3, "damaged", "inspect", bad, "--json");
        Files.write(bad, Arrays.copyOf(good, good.length - 9));
        assertFails(3, "damaged", "calibrate", sums, bad, "-o", out, "--json");
        flipped[8] = 2;
        Files.write(bad, flipped);
        assertFails(4, "version 2", "calibrate", sums, bad, "-o", out, "--json");
        // Neither a basis nor a state.
        assertFails(3, "not a basis file", "encode", state, "-o", folder.resolve("x"), "--model", model, "--basis", sums, "--unsealed", "--json");
        assertFails(3, "", "encode", sums, "-o", folder.resolve("x"), "--unsealed", "--json");
        assertFails(2, "", "calibrate", state, "--text", state, "--model", model, "-o", out, "--json");
        assertEquals("before", Files.readString(out));
    }
}
