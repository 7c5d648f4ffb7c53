package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Runs a main class in a JVM of its own whose heap and off-heap memory are limited (arenas and direct buffers count against
 * {@code MaxDirectMemorySize}): what needs more ends with an OutOfMemoryError, so that success proves the bound.
 */
final class LimitedJvm {
    private LimitedJvm() {}

    /** @return what it wrote to standard output */
    static String run(int heapMiB, int offHeapMiB, int seconds, Class<?> main, String... args) throws IOException, InterruptedException {
        return run(List.of(), heapMiB, offHeapMiB, seconds, main, args);
    }

    /** @param flags more flags of the JVM */
    static String run(List<String> flags, int heapMiB, int offHeapMiB, int seconds, Class<?> main, String... args) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx" + heapMiB + "m",
                "-XX:MaxDirectMemorySize=" + offHeapMiB + "m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED", "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED", "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))));
        command.addAll(flags);
        command.add(main.getName());
        command.addAll(List.of(args));
        Path output = java.nio.file.Files.createTempFile("limited", ".log");
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile()).start();
            boolean ended = process.waitFor(seconds, TimeUnit.SECONDS);
            if (!ended) {
                process.destroyForcibly().waitFor();
            }
            String text = java.nio.file.Files.readString(output, StandardCharsets.UTF_8);
            assertTrue(ended, () -> "still running after " + seconds + " s:\n" + text);
            assertEquals(0, process.exitValue(), text);
            return text;
        } finally {
            java.nio.file.Files.delete(output);
        }
    }
}
