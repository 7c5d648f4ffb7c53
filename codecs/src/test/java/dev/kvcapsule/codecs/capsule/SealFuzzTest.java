package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A short run of Jazzer over {@link SealFuzz} in a JVM of little memory, and the inputs that are kept in the folder {@code fuzz-seal} beside this class. */
class SealFuzzTest {
    private static final int SECONDS = 8;

    static Stream<Path> kept() throws IOException, URISyntaxException {
        try (Stream<Path> files = Files.list(Path.of(Objects.requireNonNull(SealFuzzTest.class.getResource("fuzz-seal")).toURI()))) {
            return files.sorted().toList().stream();
        }
    }

    private static byte[] golden() throws IOException {
        try (InputStream in = Samples.seal("golden.kvc")) {
            return in.readAllBytes();
        }
    }

    @ParameterizedTest
    @MethodSource("kept")
    void keptInputsAreShownOrRefused(Path input) throws IOException {
        SealFuzz.fuzzerTestOneInput(Files.readAllBytes(input));
    }

    @Test
    void theGoldenCapsuleIsShown() throws IOException {
        assertTrue(SealFuzz.attempt(golden()));
    }

    @Test
    void jazzerFindsNothingInAShortRun(@TempDir Path folder) throws IOException, InterruptedException, URISyntaxException {
        Path corpus = Files.createDirectory(folder.resolve("corpus"));
        byte[] golden = golden();
        SealedForge.Part manifest = new SealedForge(golden).the(SealedForge.MANIFEST);
        Files.write(corpus.resolve("golden"), golden);
        Files.write(corpus.resolve("manifest"), Arrays.copyOfRange(golden, manifest.payload(), manifest.end()));
        kept().forEach(path -> {
            try {
                Files.copy(path, corpus.resolve(path.getFileName().toString()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        String output = LimitedJvm.run(400, 400, SECONDS + 60, com.code_intelligence.jazzer.Jazzer.class, "--target_class=" + SealFuzz.class.getName(),
                "--instrumentation_includes=dev.kvcapsule.engine.**", "--disabled_hooks=*", "--reproducer_path=" + folder, "-artifact_prefix=" + folder + "/",
                "-max_total_time=" + SECONDS, "-max_len=16384", "-rss_limit_mb=0", corpus.toString());
        assertTrue(output.matches("(?s).*Done \\d+ runs.*"), output);
    }
}
