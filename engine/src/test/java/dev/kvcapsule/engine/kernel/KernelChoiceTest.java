package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Choices that are made once a JVM, each in a JVM of its own. */
class KernelChoiceTest {
    private static final String VECTOR_MODULE = "--add-modules=jdk.incubator.vector";

    private record Ended(int status, String output) {}

    private static Ended probe(String... options) throws IOException, InterruptedException, URISyntaxException {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:+UseSerialGC", "-Xmx128m"));
        command.addAll(List.of(options));
        command.addAll(List.of("-cp", home(Kernels.class) + File.pathSeparator + home(KernelsProbe.class), KernelsProbe.class.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), output);
    }

    private static Path home(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    }

    @Test
    void withoutTheVectorModuleEveryScalarKernelRuns() throws Exception {
        Ended ended = probe();
        assertEquals(0, ended.status, ended.output);
        assertTrue(ended.output.contains("scalar 0 ") && ended.output.contains("--add-modules"), ended.output);
    }

    @Test
    void withTheVectorModulePanamaIsTaken() throws Exception {
        Ended ended = probe(VECTOR_MODULE);
        assertEquals(0, ended.status, ended.output);
        assertTrue(ended.output.contains("panama ") && !ended.output.contains("panama 0"), ended.output);
    }

    @Test
    void forcedPanamaWithoutTheVectorModuleFailsAndSaysWhy() throws Exception {
        Ended ended = probe("-D" + Kernels.PROPERTY + "=panama");
        assertNotEquals(0, ended.status, ended.output);
        assertTrue(ended.output.contains("IllegalStateException") && ended.output.contains("--add-modules jdk.incubator.vector"), ended.output);
    }

    @Test
    void widthThatIsNoVectorWidthFailsAndSaysWhy() throws Exception {
        Ended ended = probe(VECTOR_MODULE, "-D" + VectorWidth.PROPERTY + "=333");
        assertNotEquals(0, ended.status, ended.output);
        assertTrue(ended.output.contains("333 is not 128, 256 or 512"), ended.output);
    }

    @Test
    void widthThatTheMachineLacksFailsAndSaysWhatItHas() throws Exception {
        Ended ended = probe(VECTOR_MODULE, "-XX:MaxVectorSize=16", "-D" + VectorWidth.PROPERTY + "=512");
        assertNotEquals(0, ended.status, ended.output);
        assertTrue(ended.output.contains("the widest vector here has 128 bits"), ended.output);
    }
}
