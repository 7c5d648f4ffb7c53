package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A short run of Jazzer over {@link CapsuleFuzz}, and the inputs that are kept in the folder {@code fuzz} beside this class. */
class CapsuleFuzzTest {
    private static final int SECONDS = 12;

    static Stream<Path> kept() throws IOException, URISyntaxException {
        try (Stream<Path> files = Files.list(Path.of(Objects.requireNonNull(CapsuleFuzzTest.class.getResource("fuzz")).toURI()))) {
            return files.sorted().toList().stream();
        }
    }

    @ParameterizedTest
    @MethodSource("kept")
    void keptInputsAreDecodedOrRefused(Path input) throws IOException {
        CapsuleFuzz.fuzzerTestOneInput(Files.readAllBytes(input));
    }

    @Test
    void jazzerFindsNothingInAShortRun(@TempDir Path folder) throws IOException, InterruptedException, URISyntaxException {
        Path corpus = Files.createDirectory(folder.resolve("corpus"));
        List<byte[]> capsules = CapsuleMutations.capsules();
        for (int i = 0; i < capsules.size(); i++) {
            Files.write(corpus.resolve("capsule-" + i), capsules.get(i));
        }
        kept().forEach(path -> {
            try {
                Files.copy(path, corpus.resolve(path.getFileName().toString()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        String output = LimitedJvm.run(400, 400, SECONDS + 60, com.code_intelligence.jazzer.Jazzer.class, "--target_class=" + CapsuleFuzz.class.getName(),
                "--instrumentation_includes=dev.kvcapsule.engine.**:dev.kvcapsule.codecs.**", "--disabled_hooks=*", "--reproducer_path=" + folder,
                "-artifact_prefix=" + folder + "/", "-max_total_time=" + SECONDS, "-max_len=8192", "-rss_limit_mb=0", corpus.toString());
        assertTrue(output.matches("(?s).*Done \\d+ runs.*"), output);
    }
}
