package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assumptions;

/** A real model, libllama and llama-server, from {@code scripts/real-model.sh server}; tests are skipped, with the reason, where it cannot get them. */
final class RealParts {
    private static final int UNAVAILABLE = 69;

    private RealParts() {}

    /** The script's variables. @param work for its output */
    static Map<String, String> fetch(Path work) throws Exception {
        try (Child script = Child.start(work, "real-model", Map.of(), List.of("bash", root().resolve("scripts/real-model.sh"), "server"))) {
            int code = script.await();
            if (code == UNAVAILABLE) {
                String reason = script.err().lines().reduce("no reason given", (a, b) -> b);
                System.out.println("tests with a real llama-server skipped: " + reason);
                Assumptions.abort(reason);
            }
            assertEquals(0, code, script.err());
            return script.out().lines().filter(line -> line.startsWith("CAPSULE_")).map(line -> line.split("=", 2))
                    .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1].replace("\\", "")));
        }
    }

    static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null && !Files.exists(folder.resolve("scripts/real-model.sh"))) {
            folder = folder.getParent();
        }
        return folder == null ? Path.of("").toAbsolutePath() : folder;
    }
}
