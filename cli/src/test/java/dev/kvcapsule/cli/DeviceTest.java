package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code --device}, in processes of their own: a process looks for a driver once. The stand-in for it comes from the module native. */
class DeviceTest {
    private static final Path STAND_IN = Path.of("..", "native", "target", "cuda", "libcuda.so.1").toAbsolutePath().normalize();
    private static final String NOWHERE = "/nowhere/libcuda.so.1";

    @TempDir
    private Path folder;
    private Path state;
    private Path onProcessor;
    private Path onDevice;
    private Path restored;

    @BeforeEach
    void prepare() throws IOException {
        state = folder.resolve("state.ggsq");
        onProcessor = folder.resolve("processor.kvc");
        onDevice = folder.resolve("device.kvc");
        restored = folder.resolve("restored");
        try (InputStream in = Samples.state("llama-f16.ggsq")) {
            Files.copy(in, state);
        }
    }

    private static void requireStandIn() {
        Assumptions.assumeTrue(Files.exists(STAND_IN), "the stand-in for libcuda.so.1 was not built (no g++, or the module native's tests were not)");
    }

    /** A run with a driver's library, and what the stand-in's cuInit is to say. */
    private Run run(Path library, String init, Object... args) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "--enable-native-access=ALL-UNNAMED",
                "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", System.getProperty("java.class.path"), "dev.kvcapsule.cli.Main"));
        for (Object arg : args) {
            command.add(arg.toString());
        }
        Path out = folder.resolve("out");
        Path err = folder.resolve("err");
        ProcessBuilder builder = new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
        builder.environment().put("CAPSULE_CUDA_LIBRARY", library.toString());
        if (init != null) {
            builder.environment().put("STANDIN_INIT_RESULT", init);
        }
        int exit = builder.start().waitFor();
        return new Run(exit, Files.readString(out), Files.readString(err));
    }

    @ParameterizedTest
    @ValueSource(strings = {"kivi:bits=4,residual=0", "rotated", "lossless", "klt:basis=none,group=1", "svd:rank=8"})
    void aCapsuleOfTheDeviceIsTheProcessorsAndEitherReadsTheOthers(String codec) throws IOException, InterruptedException {
        requireStandIn();
        Run cpu = run(Path.of(NOWHERE), null, "encode", "--unsealed", state, "-o", onProcessor, "--codec", codec, "--device", "cpu", "--json");
        Run cuda = run(STAND_IN, null, "encode", "--unsealed", state, "-o", onDevice, "--codec", codec, "--device", "cuda", "--json");
        assertEquals(0, cpu.exit(), cpu.toString());
        assertEquals(0, cuda.exit(), cuda.toString());
        assertEquals("cpu", cpu.json().get("device"));
        assertEquals("cuda", cuda.json().get("device"));
        assertEquals(-1, Files.mismatch(onProcessor, onDevice));
        Run auto = run(STAND_IN, null, "decode", "--unsealed", onProcessor, "-o", restored, "--device", "auto", "--json");
        assertEquals(0, auto.exit(), auto.toString());
        assertEquals("cuda", auto.json().get("device"));
        byte[] byDevice = Files.readAllBytes(restored);
        assertEquals(0, run(Path.of(NOWHERE), null, "decode", "--unsealed", onDevice, "-o", restored, "--device", "cpu").exit());
        assertTrue(java.util.Arrays.equals(byDevice, Files.readAllBytes(restored)));
    }

    @Test
    void withoutADeviceAutoTakesTheProcessorAndSaysWhyAndForcingFails() throws IOException, InterruptedException {
        Run auto = run(Path.of(NOWHERE), null, "encode", "--unsealed", state, "-o", onProcessor, "--json");
        assertEquals(0, auto.exit(), auto.toString());
        assertEquals("cpu", auto.json().get("device"));
        assertTrue(auto.json().get("why_no_device").toString().contains(NOWHERE), auto.out());
        Run forced = run(Path.of(NOWHERE), null, "encode", "--unsealed", state, "-o", onDevice, "--device", "cuda", "--json");
        assertEquals(2, forced.exit(), forced.toString());
        assertEquals("usage", forced.error("code"));
        assertTrue(forced.error("message").contains(NOWHERE), forced.out());
        assertTrue(Files.notExists(onDevice));
    }

    @Test
    void aDriverWithoutADeviceIsNamedAsTheReason() throws IOException, InterruptedException {
        requireStandIn();
        Run forced = run(STAND_IN, "100", "encode", "--unsealed", state, "-o", onDevice, "--device", "cuda", "--json");
        assertEquals(2, forced.exit(), forced.toString());
        assertTrue(forced.error("message").contains("cuInit: CUDA_ERROR_NO_DEVICE (100): no CUDA-capable device is detected"), forced.out());
        Run doctor = run(STAND_IN, "100", "doctor", "--json");
        assertTrue(finding(doctor).get("detail").toString().contains("CUDA_ERROR_NO_DEVICE"), doctor.out());
    }

    @Test
    void doctorTellsOfTheDeviceOrWhyThereIsNone() throws IOException, InterruptedException {
        Map<?, ?> none = finding(run(Path.of(NOWHERE), null, "doctor", "--json"));
        assertEquals("no", none.get("state"));
        assertTrue(none.get("detail").toString().contains(NOWHERE), none.toString());
        requireStandIn();
        Map<?, ?> found = finding(run(STAND_IN, null, "doctor", "--json"));
        assertEquals("yes", found.get("state"));
        for (String fact : new String[] {"device stand-in on a processor", "capability 9.0", "driver CUDA 13.0", "memory ", "library " + STAND_IN}) {
            assertTrue(found.get("detail").toString().contains(fact), fact + " is not in " + found);
        }
    }

    private static Map<?, ?> finding(Run doctor) {
        assertEquals(0, doctor.exit(), doctor.toString());
        assertNull(doctor.json().get("error"));
        return (Map<?, ?>) doctor.json().get("cuda");
    }
}
