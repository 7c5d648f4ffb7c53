package dev.kvcapsule.serving.llamacpp.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/** SmolLM2-135M-Instruct and a prebuilt libllama, from {@code scripts/real-model.sh}; tests are skipped, with the reason, where it cannot get them. */
final class RealModel {
    private static final int UNAVAILABLE = 69;
    private static Map<String, String> found;
    private static String reason;

    private RealModel() {}

    static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null && !Files.exists(folder.resolve("scripts/real-model.sh"))) {
            folder = folder.getParent();
        }
        return folder == null ? Path.of("").toAbsolutePath() : folder;
    }

    /** SmolLM2-135M-Instruct. */
    static Path model() throws Exception {
        return Path.of(fetched().get("CAPSULE_TEST_MODEL"));
    }

    /** The folder of libllama. */
    static Path folder() throws Exception {
        return Path.of(fetched().get("CAPSULE_LIBLLAMA"));
    }

    /** A Python with numpy. */
    static String python() throws Exception {
        return fetched().get("CAPSULE_TEST_PYTHON");
    }

    /** The library, which may be too new for this system. */
    static LibLlama library() throws Exception {
        Path folder = folder();
        try {
            return LibLlama.load(folder);
        } catch (LlamaException e) {
            if (e.getMessage().contains("GLIBC")) {
                skip(e.getMessage());
            }
            throw e;
        }
    }

    private static void skip(String why) {
        System.out.println("tests with libllama skipped: " + why);
        Assumptions.abort(why);
    }

    private static synchronized Map<String, String> fetched() throws Exception {
        if (found == null && reason == null) {
            fetch();
        }
        if (reason != null) {
            skip(reason);
        }
        return found;
    }

    private static void fetch() throws Exception {
        Path out = Files.createTempFile("real-model", ".out");
        Path err = Files.createTempFile("real-model", ".err");
        Process process;
        try {
            process = new ProcessBuilder(List.of("bash", root().resolve("scripts/real-model.sh").toString()))
                    .redirectOutput(out.toFile()).redirectError(err.toFile()).start();
        } catch (IOException e) {
            reason = e.getMessage();
            return;
        }
        if (!process.waitFor(10, TimeUnit.MINUTES)) {
            process.destroyForcibly();
            reason = "fetching took more than 10 minutes";
            return;
        }
        List<String> errors = Files.readAllLines(err);
        if (process.exitValue() == UNAVAILABLE) {
            reason = errors.isEmpty() ? "no reason given" : errors.getLast();
            return;
        }
        assertEquals(0, process.exitValue(), () -> String.join("\n", errors));
        found = new HashMap<>();
        for (String line : Files.readAllLines(out)) {
            String[] parts = line.split("=", 2);
            if (parts.length == 2) {
                found.put(parts[0], parts[1].replace("\\", ""));
            }
        }
        Files.delete(out);
        Files.delete(err);
    }
}
