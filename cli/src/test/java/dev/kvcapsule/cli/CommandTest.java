package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CommandTest {
    private static final List<String> REPORTED = List.of("tokens", "layers", "raw_bytes", "capsule_bytes", "ratio", "seconds", "codec");

    @TempDir
    private Path folder;
    private Path state;
    private Path capsule;

    @BeforeEach
    void encodeOne() throws IOException {
        state = sample("llama-f16.ggsq");
        capsule = folder.resolve("state.kvc");
        assertEquals(0, Run.of("encode", "--unsealed", state, "-o", capsule).exit());
    }

    private Path sample(String name) throws IOException {
        Path path = folder.resolve(name);
        try (InputStream in = Samples.state(name)) {
            Files.copy(in, path);
        }
        return path;
    }

    private void assertOnlyFiles(String... names) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(Stream.of(names).sorted().toList(), files.map(file -> file.getFileName().toString()).sorted().toList());
        }
    }

    /** A failure is one line on standard error, one JSON object on standard output, and nothing else. */
    private static void assertFails(int exit, String code, String message, Run run) {
        assertEquals(exit, run.exit(), run.toString());
        assertEquals(code, run.error("code"));
        assertTrue(run.error("message").contains(message), run.out());
        assertTrue(run.err().startsWith("capsule: " + run.error("message")), run.err());
        assertFalse(run.err().contains("\tat "), run.err());
        assertEquals(1, run.out().strip().lines().count());
    }

    @Test
    void encodingReportsEverythingScriptsReadIncludingForEveryProfile() throws IOException {
        for (String profile : List.of("exact", "fast", "balanced", "small", "EXACT")) {
            Run run = Run.of("encode", "--unsealed", state, "-o", capsule, "--profile", profile, "--json");
            assertEquals(0, run.exit());
            assertTrue(run.json().keySet().containsAll(REPORTED));
            assertEquals(12L, run.json().get("tokens"));
            assertEquals(2L, run.json().get("layers"));
            assertEquals(Files.size(state), run.json().get("raw_bytes"));
            assertEquals(Files.size(capsule), run.json().get("capsule_bytes"));
            assertEquals((double) Files.size(state) / Files.size(capsule), run.json().get("ratio"));
        }
        assertOnlyFiles("llama-f16.ggsq", "state.kvc");
    }

    @Test
    void everyReadingCommandReportsTheSameFields() {
        Path restored = folder.resolve("restored");
        for (Run run : List.of(Run.of("decode", "--unsealed", capsule, "-o", restored, "--json"), Run.of("inspect", capsule, "--json"), Run.of("verify", "--unsealed", capsule, "--json"),
                Run.of("compare", state, restored, "--json"))) {
            assertEquals(0, run.exit());
            assertTrue(run.json().keySet().containsAll(REPORTED), run.out());
            assertEquals(12L, run.json().get("tokens"));
        }
    }

    @Test
    void inspectingListsPartsThatAddUpToTheFile() throws IOException {
        Map<String, Object> json = Run.of("inspect", capsule, "--json").json();
        long sum = ((Map<?, ?>) json.get("bytes")).values().stream().mapToLong(part -> (Long) part).sum();
        assertEquals(Files.size(capsule), sum);
        assertEquals(false, json.get("sealed"));
        assertTrue(Run.of("inspect", capsule).out().contains("rotated:bits=4"));
    }

    @Test
    void comparingSaysByLayerWhatIsDifferent() throws IOException {
        Path restored = folder.resolve("restored");
        Run.of("decode", "--unsealed", capsule, "-o", restored);
        Map<String, Object> json = Run.of("compare", state, restored, "--json").json();
        List<?> layers = (List<?>) json.get("by_layer");
        assertEquals(2, layers.size());
        Map<?, ?> layer = (Map<?, ?>) layers.getFirst();
        assertTrue(layer.containsKey("attention_error"));
        assertEquals(List.of("relative_error", "snr_db", "cosine", "worst_token", "worst_token_error"), List.copyOf(((Map<?, ?>) layer.get("k")).keySet()));
        Map<?, ?> same = (Map<?, ?>) Run.of("compare", state, state, "--json").json().get("k");
        assertEquals(0.0, same.get("relative_error"));
        assertNull(same.get("snr_db"));
        assertFails(2, "usage", "cannot be compared", Run.of("compare", state, sample("gemma3-f16.ggsq"), "--json"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama-f16.ggsq", "llama-f16-buffer.buf", "llama-f16-session.ggsn", "gemma3-f16.ggsq", "granitehybrid-f16.ggsq", "llama-q8_0.ggsq",
        "llama-f16-empty.ggsq"})
    void losslessCapsulesGiveBackTheFile(String name) throws IOException {
        Path file = folder.resolve("in");
        try (InputStream in = Samples.state(name)) {
            Files.copy(in, file);
        }
        Path restored = folder.resolve("restored");
        assertEquals(0, Run.of("encode", "--unsealed", file, "-o", capsule, "--profile", "exact").exit());
        assertEquals(0, Run.of("verify", "--unsealed", capsule).exit());
        assertEquals(0, Run.of("decode", "--unsealed", capsule, "-o", restored).exit());
        assertEquals(-1, Files.mismatch(file, restored));
    }

    @Test
    void aPrefixOfTheTokensIsRestored() throws IOException {
        Path prefix = folder.resolve("prefix");
        Run run = Run.of("decode", "--unsealed", capsule, "-o", prefix, "--tokens", 5, "--json");
        assertEquals(5L, run.json().get("tokens"));
        assertEquals(Files.size(prefix), run.json().get("raw_bytes"));
        assertFails(2, "unsupported", "12 tokens", Run.of("decode", "--unsealed", capsule, "-o", prefix, "--tokens", 13, "--json"));
        assertFails(2, "unsupported", "12 tokens", Run.of("decode", "--unsealed", capsule, "-o", prefix, "--tokens", 0, "--json"));
        assertEquals(run.json().get("raw_bytes"), Files.size(prefix));
    }

    @Test
    void everyFormatCanBeWritten() throws IOException {
        for (String format : List.of("ggsq2", "ggsq3", "buffer", "safetensors")) {
            Path out = folder.resolve(format);
            Run run = Run.of("decode", "--unsealed", capsule, "-o", out, "--format", format, "--json");
            assertEquals(0, run.exit(), run.err());
            assertEquals(Files.size(out), run.json().get("raw_bytes"));
        }
        assertEquals(2, Files.readAllBytes(folder.resolve("ggsq2"))[4]);
        assertEquals(3, Files.readAllBytes(folder.resolve("ggsq3"))[4]);
        assertEquals(0, Run.of("encode", "--unsealed", folder.resolve("safetensors"), "-o", folder.resolve("again.kvc")).exit());
        assertFails(2, "usage", "ggsq2, ggsq3", Run.of("decode", "--unsealed", capsule, "-o", folder.resolve("x"), "--format", "zip", "--json"));
    }

    @Test
    void standardInputIsReadWhereAFileIs() throws IOException {
        byte[] stateBytes = Files.readAllBytes(state);
        Path piped = folder.resolve("piped.kvc");
        assertEquals(0, Run.fed(stateBytes, "encode", "--unsealed", "-", "-o", piped).exit());
        assertArrayEquals(Files.readAllBytes(capsule), Files.readAllBytes(piped));
        byte[] capsuleBytes = Files.readAllBytes(capsule);
        Path restored = folder.resolve("restored");
        for (Object[] args : new Object[][] {{"decode", "--unsealed", "-", "-o", restored}, {"decode", "--unsealed", "-", "-o", restored, "--tokens", 3}, {"verify", "--unsealed", "-"}, {"inspect", "-"}}) {
            Run run = Run.fed(capsuleBytes, args);
            assertEquals(0, run.exit(), run.err());
        }
        assertEquals(0, Run.fed(stateBytes, "compare", state, "-").exit());
        assertEquals(2, Run.fed(stateBytes, "compare", "-", "-").exit());
        assertFails(3, "malformed", "standard input: offset 0", Run.fed("text".getBytes(StandardCharsets.UTF_8), "verify", "--unsealed", "-", "--json"));
    }

    @Test
    void damagedCapsulesAreRefusedAndTheOutputStaysAsItWas() throws IOException {
        byte[] bytes = Files.readAllBytes(capsule);
        Path damaged = folder.resolve("damaged.kvc");
        Path output = Files.writeString(folder.resolve("output"), "before");
        byte[] flipped = bytes.clone();
        flipped[2000] ^= 0x10;
        for (byte[] bad : List.of(new byte[0], Arrays.copyOf(bytes, 5), Arrays.copyOf(bytes, 1000), Arrays.copyOf(bytes, bytes.length - 1),
                Arrays.copyOf(bytes, bytes.length + 1), flipped)) {
            Files.write(damaged, bad);
            assertFails(3, "malformed", damaged + ": offset ", Run.of("decode", "--unsealed", damaged, "-o", output, "--json"));
            assertFails(3, "malformed", damaged + ": offset ", Run.of("verify", "--unsealed", damaged, "--json"));
            assertFails(3, "malformed", damaged + ": offset ", Run.of("inspect", damaged, "--json"));
        }
        assertEquals("before", Files.readString(output));
        assertOnlyFiles("llama-f16.ggsq", "state.kvc", "damaged.kvc", "output");
    }

    @Test
    void whatIsNoStateIsRefused() throws IOException {
        Path text = Files.writeString(folder.resolve("text"), "no cache");
        Path out = folder.resolve("out");
        assertFails(3, "malformed", text + ": offset 0, magic", Run.of("encode", "--unsealed", text, "-o", out, "--json"));
        assertFails(3, "malformed", "capsule decode", Run.of("encode", "--unsealed", capsule, "-o", out, "--json"));
        assertFails(3, "malformed", "capsule encode", Run.of("decode", "--unsealed", state, "-o", out, "--json"));
        assertFails(3, "malformed", "GGUF", Run.of("encode", "--unsealed", state, "-o", out, "--model", text, "--json"));
        Files.write(text, Arrays.copyOf(Files.readAllBytes(state), 1000));
        assertFails(3, "malformed", text + ": offset ", Run.of("encode", "--unsealed", text, "-o", out, "--json"));
        assertFalse(Files.exists(out));
    }

    @Test
    void filesThatAreNotThereAreInputOutput() {
        Path missing = folder.resolve("missing");
        Path out = folder.resolve("out");
        assertFails(5, "io", missing + ": no such file", Run.of("encode", "--unsealed", missing, "-o", out, "--json"));
        assertFails(5, "io", missing + ": no such file", Run.of("decode", "--unsealed", missing, "-o", out, "--json"));
        assertFails(5, "io", missing + ": no such file", Run.of("encode", "--unsealed", state, "-o", out, "--model", missing, "--json"));
        assertFails(5, "io", "is a folder", Run.of("encode", "--unsealed", folder, "-o", out, "--json"));
        assertFails(5, "io", "is a folder", Run.of("encode", "--unsealed", state, "-o", folder, "--json"));
        assertFails(5, "io", "does not exist", Run.of("decode", "--unsealed", capsule, "-o", missing.resolve("out"), "--json"));
        assertFalse(Files.exists(out));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "nonsense", "encode", "decode", "encode x", "decode x", "encode a b -o c", "encode x -o y --codec nosuch", "encode x -o y --codec kivi:bits=5",
        "encode x -o y --codec kivi:foo=1", "encode x -o y --profile turbo", "encode x -o y --codec raw --profile fast", "encode x -o - --unknown",
        "decode x -o y --tokens many", "decode x -o - --format zip", "verify", "inspect", "compare x", "encode x -o y --model-facts nonsense"})
    void wrongUsageIsToldAsSuch(String line) {
        String[] args = (line + " --json").strip().split(" ");
        assertFails(2, "usage", "", Run.of((Object[]) args));
    }

    @ParameterizedTest
    @ValueSource(strings = {"--threads -1", "--threads 1025", "--device cuda", "--device abacus"})
    void wrongCommonOptionsAreToldAsSuch(String options) {
        assertFails(2, "usage", "--", Run.of(Stream.concat(Stream.of("verify", "--unsealed", capsule, "--json"), Stream.of(options.split(" "))).toArray()));
    }

    @Test
    void manyThreadsGiveTheSameBytes() throws IOException {
        Path other = folder.resolve("other.kvc");
        assertEquals(0, Run.of("encode", "--unsealed", state, "-o", other, "--threads", 64).exit());
        assertEquals(-1, Files.mismatch(capsule, other));
    }

    @Test
    void jsonAndDataDoNotShareStandardOutput() {
        assertFails(2, "usage", "standard output", Run.of("encode", "--unsealed", state, "-o", "-", "--json"));
        assertFails(2, "usage", "standard output", Run.of("decode", "--unsealed", capsule, "-o", "-", "--json"));
    }

    @Test
    void inputAndOutputMayBeOneFile() throws IOException {
        byte[] before = Files.readAllBytes(state);
        assertEquals(0, Run.of("encode", "--unsealed", state, "-o", state, "--profile", "exact").exit());
        assertEquals(0, Run.of("decode", "--unsealed", state, "-o", state).exit());
        assertArrayEquals(before, Files.readAllBytes(state));
    }

    @Test
    void symbolicLinksAreFollowedAndPermissionsKept() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("real"));
        assertEquals(0, Run.of("encode", "--unsealed", state, "-o", link).exit());
        assertTrue(Files.isSymbolicLink(link));
        Path real = folder.resolve("real");
        Files.setPosixFilePermissions(real, PosixFilePermissions.fromString("rw-------"));
        assertEquals(0, Run.of("encode", "--unsealed", state, "-o", link).exit());
        assertTrue(Files.isSymbolicLink(link));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(real)));
        assertEquals(-1, Files.mismatch(capsule, real));
        Path circle = Files.createSymbolicLink(folder.resolve("circle"), Path.of("circle"));
        assertFails(5, "io", "circle", Run.of("encode", "--unsealed", state, "-o", circle, "--json"));
    }

    @Test
    void anUnsealedCapsuleIsSaidToBeOne() {
        assertTrue(Run.of("encode", state, "-o", capsule, "--unsealed").err().contains("not sealed"));
        assertTrue(Run.of("verify", capsule, "--unsealed").err().contains("not sealed"));
    }

    @Test
    void doctorNamesEverythingTheContractDoes() {
        Run run = Run.of("doctor", "--json");
        assertEquals(0, run.exit());
        for (String name : List.of("java", "machine", "kernels", "aot", "cuda", "blas", "libllama", "codecs")) {
            Map<?, ?> finding = (Map<?, ?>) run.json().get(name);
            assertEquals(List.of("state", "detail"), List.copyOf(finding.keySet()), name);
        }
        assertTrue(Run.of("doctor").out().lines().anyMatch(line -> line.startsWith("kernels")));
    }

    @Test
    void helpSaysWhatThereIs() {
        for (String command : List.of("demo", "encode", "decode", "inspect", "verify", "compare", "doctor", "bench")) {
            Run run = Run.of(command, "--help");
            assertEquals(0, run.exit());
            assertEquals(run.out(), Run.of("help", command).out());
            assertTrue(run.out().startsWith("Usage: capsule " + command), run.out());
            assertTrue(Run.of("--help").out().contains("  " + command));
        }
        assertTrue(Run.of("encode", "--unsealed", "--help").out().contains("balanced"));
        assertTrue(Run.of("encode", "--unsealed", "--help").out().contains("Examples:"));
        assertTrue(Run.of("--help").out().contains("Exit codes:"));
        assertEquals("KV Capsule 0.1.0", Run.of("--version").out().strip());
        assertTrue(Run.of("generate-completion").out().contains("complete -F _complete_capsule"));
    }

    @Test
    void codecsAreExplainedWithoutAState() {
        Run all = Run.of("encode", "--unsealed", "--codec", "help");
        assertEquals(0, all.exit());
        for (String codec : List.of("raw", "lossless", "fp8", "kivi", "rotated")) {
            assertTrue(all.out().lines().anyMatch(line -> line.startsWith(codec)), codec);
            assertTrue(Run.of("encode", "--unsealed", "--codec", codec + ":help").out().startsWith(codec + ": "));
        }
        assertTrue(Run.of("encode", "--unsealed", "--codec", "kivi:help").out().contains("residual"));
        assertEquals(2, Run.of("encode", "--unsealed", "--codec", "nosuch:help").exit());
    }

    @Test
    void benchmarksAreStartedByTheScript() {
        assertFails(2, "usage", "./capsule bench", Run.of("bench", "--json"));
    }
}
