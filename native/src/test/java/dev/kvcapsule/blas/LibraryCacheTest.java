package dev.kvcapsule.blas;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.linalg.LinearAlgebras;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class LibraryCacheTest {
    private static final String RESOURCE = "META-INF/services/dev.kvcapsule.engine.linalg.LinearAlgebraProvider";
    private static final String TEXT = "dev.kvcapsule.blas.OpenBlasProvider\n";
    private static final String SHA256 = "181689126fca1e492fc64f9c146d181bc4357f2dbe4b870649359675664aa235";

    @TempDir
    private Path folder;

    @Test
    void fileIsTakenOutOnceAndAgainIfItHasChanged() throws IOException {
        LibraryCache cache = new LibraryCache(folder.resolve("a").resolve("b"));
        Path file = cache.file(RESOURCE, "lib", SHA256);
        assertEquals(TEXT, Files.readString(file));
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file.getParent())));
        Object first = Files.readAttributes(file, BasicFileAttributes.class).fileKey();
        cache.file(RESOURCE, "lib", SHA256);
        assertEquals(first, Files.readAttributes(file, BasicFileAttributes.class).fileKey());
        Files.writeString(file, "something else");
        assertEquals(TEXT, Files.readString(cache.file(RESOURCE, "lib", SHA256)));
        try (Stream<Path> files = Files.list(file.getParent())) {
            assertEquals(1, files.count());
        }
    }

    @Test
    void otherFilesAreRefused() {
        LibraryCache cache = new LibraryCache(folder.resolve("c"));
        assertTrue(assertThrows(IOException.class, () -> cache.file(RESOURCE, "lib", "00")).getMessage().contains(SHA256));
        assertTrue(assertThrows(IOException.class, () -> cache.file("no/such", "lib", "00")).getMessage().contains("no/such"));
    }

    @Test
    void choicesAreTakenOrFail() throws Exception {
        assertTrue(probe().endsWith("openblas 0\n"));
        assertTrue(probe("-Dkvcapsule.linalg=java").endsWith("java 0\n"));
        String missing = probe("-Dkvcapsule.openblas.library=" + folder.resolve("none.so"));
        assertTrue(missing.contains("IllegalStateException") && missing.contains("none.so"), missing);
        assertNotEquals('0', missing.charAt(missing.length() - 2));
        String unknown = probe("-Dkvcapsule.linalg=mkl");
        assertTrue(unknown.contains("mkl") && unknown.contains("java, openblas"), unknown);
    }

    /** Prints its choice; run in a JVM of its own. */
    static final class Probe {
        private Probe() {}

        public static void main(String[] args) {
            System.out.print(LinearAlgebras.best(1).name());
        }
    }

    private static String probe(String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:+UseSerialGC", "-Xmx64m",
                "--enable-native-access=ALL-UNNAMED"));
        command.addAll(List.of(options));
        command.addAll(List.of("-cp", System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")), Probe.class.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return output + " " + process.waitFor() + "\n";
    }
}
