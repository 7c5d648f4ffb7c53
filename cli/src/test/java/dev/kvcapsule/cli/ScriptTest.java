package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kvcapsule.testdata.Samples;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The script {@code ./capsule} itself, in a folder that looks like a checkout that has been built: the script and what it sources are copied,
 * the class path is this test's.
 */
class ScriptTest {
    private static final int SECONDS = 60;

    @TempDir
    private Path folder;
    private Path script;

    private record Ended(int exit, byte[] out, String err) {
        String text() {
            return new String(out, StandardCharsets.UTF_8);
        }
    }

    @BeforeEach
    void checkout() throws IOException {
        assumeTrue(Files.isExecutable(Path.of("/bin/bash")), "skipped: the script needs /bin/bash, which is not here");
        Path root = Path.of("").toAbsolutePath();
        while (!Files.exists(root.resolve("scripts/jdk.sh"))) {
            root = root.getParent();
        }
        Path target = folder.resolve("check out/cli/target");
        Files.createDirectories(target.resolve("lib"));
        Path copy = target.getParent().getParent();
        Files.createDirectories(copy.resolve("scripts"));
        for (String file : new String[] {"capsule", "scripts/jdk.sh", "scripts/build.sh"}) {
            Files.copy(root.resolve(file), copy.resolve(file), StandardCopyOption.COPY_ATTRIBUTES);
        }
        Files.createFile(copy.resolve("pom.xml"));
        Files.createFile(copy.resolve("cli/pom.xml"));
        Files.createDirectories(copy.resolve("cli/src/main"));
        // The script's class path is jars only; a manifest can name this test's.
        writeJar(target.resolve("kvcapsule-cli-0.1.0.jar"));
        Files.createFile(target.resolve("built"));
        script = copy.resolve("capsule");
    }

    private static void writeJar(Path jar) throws IOException {
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().putValue("Manifest-Version", "1.0");
        StringBuilder paths = new StringBuilder();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            paths.append(Path.of(entry).toUri()).append(' ');
        }
        manifest.getMainAttributes().putValue("Class-Path", paths.toString().strip());
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar), manifest)) {
            out.finish();
        }
    }

    /** Runs a line of bash in the temporary folder; {@code $C} is the script. */
    private Ended bash(String line) throws IOException, InterruptedException {
        Path out = folder.resolve("stdout");
        Path err = folder.resolve("stderr");
        ProcessBuilder builder = new ProcessBuilder("/bin/bash", "-c", line).directory(folder.toFile()).redirectOutput(out.toFile()).redirectError(err.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")));
        builder.environment().put("C", script.toString());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().remove("CAPSULE_JAVA_OPTS");
        Process process = builder.start();
        if (!process.waitFor(SECONDS, TimeUnit.SECONDS)) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
            throw new AssertionError(line + " took more than " + SECONDS + " seconds");
        }
        return new Ended(process.exitValue(), Files.readAllBytes(out), Files.readString(err));
    }

    private Path state() throws IOException {
        Path path = folder.resolve("a state");
        try (InputStream in = Samples.state("gemma3-f16.ggsq")) {
            Files.copy(in, path);
        }
        return path;
    }

    @Test
    void capsulesGoThroughPipes() throws IOException, InterruptedException {
        Path state = state();
        Ended ended = bash("set -o pipefail; \"$C\" encode --unsealed - -o - --profile exact < 'a state' | \"$C\" decode --unsealed - -o -");
        assertEquals(0, ended.exit(), ended.err());
        assertArrayEquals(Files.readAllBytes(state), ended.out());
        assertTrue(ended.err().lines().allMatch(line -> line.endsWith("is not sealed: whoever has it can read and change it")), ended.err());
    }

    @Test
    void theNameOfStandardOutputIsStandardOutput() throws IOException, InterruptedException {
        Path state = state();
        Ended ended = bash("\"$C\" encode --unsealed 'a state' -o /dev/stdout --profile exact > out.kvc && cat out.kvc | \"$C\" decode --unsealed /dev/stdin -o /dev/stdout | cat");
        assertEquals(0, ended.exit(), ended.err());
        assertArrayEquals(Files.readAllBytes(state), ended.out());
    }

    @Test
    void aReaderThatGoesIsOneLineAndExitCode5() throws IOException, InterruptedException {
        state();
        Ended ended = bash("\"$C\" encode --unsealed 'a state' -o - --codec raw | head -c 10 >/dev/null; echo ${PIPESTATUS[0]}");
        assertEquals("5", ended.text().strip(), ended.err());
        assertEquals("capsule: standard output: its reader has closed the pipe\n", ended.err());
    }

    @Test
    void aFullDiskIsExitCode5AndNamed() throws IOException, InterruptedException {
        assumeTrue(Files.exists(Path.of("/dev/full")), "skipped: there is no /dev/full here");
        state();
        Ended ended = bash("\"$C\" encode --unsealed 'a state' -o /dev/full --json");
        assertEquals(5, ended.exit());
        assertTrue(ended.err().startsWith("capsule: /dev/full: "), ended.err());
        ended = bash("\"$C\" doctor --json >/dev/full");
        assertEquals(5, ended.exit());
        assertTrue(ended.err().contains("capsule: standard output: "), ended.err());
    }

    @Test
    void namesOutsideAsciiWorkWithoutALocale() throws IOException, InterruptedException {
        state();
        Ended ended = bash("unset LC_CTYPE LANG; export LC_ALL=C; ln -s \"$C\" link; ./link encode --unsealed 'a state' -o 'grün.kvc' && ./link verify --unsealed 'grün.kvc' && ls");
        assertEquals(0, ended.exit(), ended.err());
        assertTrue(ended.text().contains("grün.kvc: good"), ended.text());
    }

    @Test
    void anInterruptedCommandLeavesWhatWasThere() throws IOException, InterruptedException {
        Files.writeString(folder.resolve("out.kvc"), "before");
        Ended ended = bash("mkfifo pipe; exec 3<>pipe; \"$C\" encode --unsealed - -o out.kvc <pipe & p=$!; sleep 1.5; kill -TERM $p; wait $p; echo $?; ls -A | grep part");
        assertEquals("143", ended.text().strip(), ended.err());
        assertEquals("before", Files.readString(folder.resolve("out.kvc")));
    }

    @Test
    void exitCodesAndJvmOptionsPassThrough() throws IOException, InterruptedException {
        assertEquals(2, bash("\"$C\" nonsense").exit());
        assertEquals(5, bash("\"$C\" verify --unsealed missing.kvc").exit());
        assertEquals(3, bash("\"$C\" verify --unsealed /dev/null").exit());
        Ended forced = bash("CAPSULE_JAVA_OPTS='-Dkvcapsule.kernels=scalar' \"$C\" doctor --json");
        assertTrue(forced.text().contains("forced by kvcapsule.kernels"), forced.text());
        assertEquals(2, bash("CAPSULE_JAVA_OPTS=-Dkvcapsule.kernels=abacus \"$C\" doctor").exit());
    }

    @Test
    void withoutAJdk25TheMessageSaysWhatToInstall() throws IOException, InterruptedException {
        Ended ended = bash(". \"${C%/capsule}/scripts/jdk.sh\"; is_jdk25() { false; }; find_jdk25");
        assertEquals(5, ended.exit());
        assertTrue(ended.err().contains("no JDK 25 found. Install one"), ended.err());
        ended = bash("env -i \"$C\" --version");
        assertFalse(ended.err().contains("unbound"), ended.err());
    }
}
