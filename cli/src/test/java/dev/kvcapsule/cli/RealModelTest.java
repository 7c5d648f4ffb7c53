package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The proof with a real model: a text is read by llama.cpp, its cache goes through {@code encode - | decode -}, llama.cpp loads what comes
 * out, and its predictions are compared with those after the untouched cache. Skipped, with the reason, where {@code scripts/real-model.sh}
 * cannot get the model.
 */
@Tag("real-model")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(value = 15, unit = TimeUnit.MINUTES)
class RealModelTest {
    private static final int UNAVAILABLE = 69;
    private static final int TOKENS = 448;
    private static final int PREFIX = 256;
    private static final int JUDGED = 96;
    private static final int CONTINUED = 12;
    private static final Path ROOT = root();
    private static final Path TEXT = ROOT.resolve("docs/format.md");

    @TempDir
    private static Path work;

    private final Map<String, String> environment = new HashMap<>();
    private Path reference;
    private Path prefixReference;

    @BeforeAll
    void prefill() throws Exception {
        Result script = run(List.of("bash", ROOT.resolve("scripts/real-model.sh").toString()), "real-model");
        skipIfUnavailable(script);
        for (String line : script.out()) {
            String[] parts = line.split("=", 2);
            if (parts.length == 2) {
                environment.put(parts[0], parts[1].replace("\\", ""));
            }
        }
        reference = work.resolve("reference.ggsq");
        prefixReference = work.resolve("prefix-reference.ggsq");
        // The first use of the library: it may be too new for this system.
        skipIfUnavailable(run(judgeCommand("prefill", TEXT, reference, "-n", TOKENS), "prefill"));
        judge("prefill", TEXT, prefixReference, "-n", PREFIX);
    }

    /** Exactly the same predictions and words with {@code exact}; predictions as near as each profile promises with the others. */
    @Test
    void continuesAfterAPipe() throws Exception {
        Path exact = pipe("exact", "");
        Path fast = pipe("fast", "");
        Path balanced = pipe("balanced", "");
        Path small = pipe("small", "");
        assertEquals(-1, Files.mismatch(reference, exact), "exact: first byte that differs");

        List<Map<String, String>> verdicts = judge("judge", TEXT, reference, exact, fast, balanced, small, "-m", JUDGED);
        assertAll(
                () -> assertVerdict(verdicts.get(0), 0, 0, 1),
                () -> assertVerdict(verdicts.get(1), 0.03, 0.3, 0.85),
                () -> assertVerdict(verdicts.get(2), 0.03, 0.3, 0.85),
                () -> assertVerdict(verdicts.get(3), 0.08, 0.8, 0.8));

        List<Map<String, String>> continued = judge("continue", reference, exact, balanced, "-k", CONTINUED);
        assertEquals(continued.get(0).get("ids"), continued.get(1).get("ids"), "exact: the continuation");
        assertEquals(CONTINUED, continued.get(2).get("ids").split(" ").length, "balanced: tokens in the continuation");
    }

    /** The first tokens alone are as good as if the model had read no more than those. */
    @Test
    void continuesAfterAPrefix() throws Exception {
        String tokens = " --tokens " + PREFIX;
        Path exact = pipe("exact", tokens);
        Path balanced = pipe("balanced", tokens);
        List<Map<String, String>> verdicts = judge("judge", TEXT, prefixReference, exact, balanced, "-m", JUDGED);
        // The model rounds differently in batches of another size, so even the exact prefix is not bit for bit what a shorter text gives.
        assertAll(
                () -> assertVerdict(verdicts.get(0), 0.01, 0.1, 0.9),
                () -> assertVerdict(verdicts.get(1), 0.03, 0.3, 0.85));
        List<Map<String, String>> continued = judge("continue", exact, "-k", CONTINUED);
        assertEquals(String.valueOf(PREFIX), continued.getFirst().get("tokens"));
        assertEquals(CONTINUED, continued.getFirst().get("ids").split(" ").length, "tokens in the continuation");
    }

    @Test
    void doctorFindsTheLibraryThatRunsTheModel() throws Exception {
        Result doctor = run(List.of(Path.of(System.getProperty("java.home"), "bin", "java"), "--enable-native-access=ALL-UNNAMED",
                "dev.kvcapsule.cli.Main", "doctor", "--json"), "doctor");
        assertEquals(0, doctor.code(), () -> String.join("\n", doctor.err()));
        Map<?, ?> library = (Map<?, ?>) Json.readObject(String.join("\n", doctor.out())).get("libllama");
        assertEquals("yes", library.get("state"), library::toString);
        assertTrue(library.get("detail").toString().startsWith(environment.get("CAPSULE_LIBLLAMA")), library::toString);
    }

    private static void assertVerdict(Map<String, String> verdict, double mean, double p99, double top1) {
        assertAll(verdict.toString(),
                () -> assertTrue(number(verdict, "kl_mean") <= mean, () -> "mean KL above " + mean),
                () -> assertTrue(number(verdict, "kl_p99") <= p99, () -> "99th percentile of KL above " + p99),
                () -> assertTrue(number(verdict, "top1") >= top1, () -> "same most likely token at less than " + top1 + " of positions"));
    }

    private static double number(Map<String, String> verdict, String name) {
        return Double.parseDouble(verdict.get(name));
    }

    /** The reference through a pipe of two processes of the command. */
    private Path pipe(String profile, String decodeOptions) throws Exception {
        Path out = work.resolve(profile + decodeOptions.replace(" --", "-").replace(' ', '-') + ".ggsq");
        String capsule = "\"$JAVA\" -Xmx512m -XX:+UseSerialGC --enable-native-access=ALL-UNNAMED"
                + " --add-opens=java.base/jdk.internal.misc=ALL-UNNAMED dev.kvcapsule.cli.Main ";
        String line = "set -o pipefail; " + capsule + "encode --unsealed - -o - --model \"$CAPSULE_TEST_MODEL\" --profile " + profile + " <\"$STATE\" | "
                + capsule + "decode --unsealed - -o -" + decodeOptions + " >\"$OUT\"";
        environment.put("STATE", reference.toString());
        environment.put("OUT", out.toString());
        Result result = run(List.of("bash", "-c", line), out.getFileName().toString());
        assertEquals(0, result.code(), () -> line + "\n" + String.join("\n", result.err()));
        return out;
    }

    private List<Object> judgeCommand(Object... arguments) {
        List<Object> command = new ArrayList<>(List.of(environment.get("CAPSULE_TEST_PYTHON"), ROOT.resolve("testdata/scripts/judge.py"),
                "--model", environment.get("CAPSULE_TEST_MODEL"), "--lib", environment.get("CAPSULE_LIBLLAMA"), "--ctx", 1024, "--threads", 1));
        command.addAll(List.of(arguments));
        return command;
    }

    /** @return the fields of each line of JSON */
    private List<Map<String, String>> judge(Object... arguments) throws Exception {
        List<Object> command = judgeCommand(arguments);
        Result result = run(command, "judge");
        assertEquals(0, result.code(), () -> command + "\n" + String.join("\n", result.err()));
        List<Map<String, String>> lines = new ArrayList<>();
        for (String line : result.out()) {
            lines.add(fields(line));
        }
        return lines;
    }

    /** Fields of a flat object; an array's elements are joined by spaces. */
    private static Map<String, String> fields(String json) throws IOException {
        Map<String, String> fields = new HashMap<>();
        Json.readObject(json).forEach((name, value) -> fields.put(name,
                value instanceof List<?> list ? list.stream().map(String::valueOf).collect(Collectors.joining(" ")) : String.valueOf(value)));
        return fields;
    }

    private record Result(int code, List<String> out, List<String> err) {}

    private Result run(List<?> command, String name) throws IOException, InterruptedException {
        Path out = work.resolve(name + ".out");
        Path err = work.resolve(name + ".err");
        ProcessBuilder builder = new ProcessBuilder(command.stream().map(Object::toString).toList());
        builder.directory(ROOT.toFile()).redirectOutput(out.toFile()).redirectError(err.toFile());
        builder.environment().putAll(environment);
        builder.environment().put("JAVA", Path.of(System.getProperty("java.home"), "bin", "java").toString());
        builder.environment().put("CLASSPATH", System.getProperty("java.class.path"));
        builder.environment().put("PYTHONDONTWRITEBYTECODE", "1");
        Process process;
        try {
            process = builder.start();
        } catch (IOException e) {
            return new Result(UNAVAILABLE, List.of(), List.of(String.valueOf(e.getMessage())));
        }
        try {
            if (!process.waitFor(10, TimeUnit.MINUTES)) {
                return new Result(UNAVAILABLE, List.of(), List.of(name + " took more than 10 minutes"));
            }
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
        return new Result(process.exitValue(), Files.readAllLines(out), Files.readAllLines(err));
    }

    private static void skipIfUnavailable(Result result) {
        String reason = result.err().isEmpty() ? "no reason given" : result.err().getLast();
        if (result.code() == UNAVAILABLE) {
            System.out.println("RealModelTest skipped: " + reason);
            Assumptions.abort(reason);
        }
        assertEquals(0, result.code(), () -> String.join("\n", result.err()));
    }

    private static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null && !Files.exists(folder.resolve("scripts/real-model.sh"))) {
            folder = folder.getParent();
        }
        return folder == null ? Path.of("").toAbsolutePath() : folder;
    }
}
