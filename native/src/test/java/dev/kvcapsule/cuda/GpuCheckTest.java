package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The check for real GPUs: that it runs, on the stand-in; and what it finds, where there is a GPU. */
class GpuCheckTest {
    @Test
    void theCheckRunsEveryKernelAndComparesBytes() {
        StandIn.require();
        StandIn.memory(1L << 30);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int exit = GpuCheck.run(new PrintStream(out, true, StandardCharsets.UTF_8), 48, 1);
        String table = out.toString(StandardCharsets.UTF_8);
        assertEquals(GpuCheck.GOOD, exit, table);
        assertFalse(table.contains("DIFFER"), table);
        for (String what : new String[] {"stand-in on a processor", "copy within the device", "to the device", "us to ask for", "kivi 4 bits K before RoPE", "rotated 4 bits", "fp8", "projection", "rANS decode", "F16 to f32", "f32 to BF16", "to planes",
            "planes to", "histograms of 8", "RoPE of f32, halves, undone", "infinities, F32", "sums of errors, BF16", "rows to pages, 16 bytes", "rows from pages, byte by byte", "restore from pinned memory", "vectors to rows of 10 tensors", "heads times matrices of their own",
            "projection on a basis that stays", "coefficients encode, 8 matrices", "coefficients decode, 8 matrices"}) {
            assertTrue(table.contains(what), what + " is not in\n" + table);
        }
        List<String> compared = List.of(table.lines().filter(line -> line.startsWith("compared: ")).findFirst().orElseThrow().substring("compared: ".length()).split(", "));
        assertEquals(Arrays.stream(Kernel.values()).map(Kernel::symbol).toList(), compared);
        assertFalse(table.contains("not compared"), table);
        assertEquals(0, StandIn.alive());
    }

    @ParameterizedTest
    @CsvSource({"cuInit, 0, 100, 69, no GPU: cuInit: CUDA_ERROR_NO_DEVICE (100)", "cuInit, 0, 719, 5, failed: cuInit: CUDA_ERROR_LAUNCH_FAILED (719)",
        "cuModuleLoadData, 0, 719, 5, failed: cuModuleLoadData of the kernels: CUDA_ERROR_LAUNCH_FAILED (719)"})
    void whatKeepsItFromBeginningIsNamed(String call, int after, int result, int exit, String told) {
        StandIn.require();
        StandIn.fail(call, after, result);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertEquals(exit, GpuCheck.run(new PrintStream(out, true, StandardCharsets.UTF_8), 48, 1));
        StandIn.fail("", 0, 0);
        assertTrue(out.toString(StandardCharsets.UTF_8).startsWith(told), out.toString(StandardCharsets.UTF_8));
        assertEquals(0, StandIn.alive());
    }

    /** An exit code of its own, and what was found before. */
    @Test
    void aDriverThatFailsOnTheWayIsNoWantOfAGpu() {
        StandIn.require();
        StandIn.memory(1L << 30);
        // Beyond the launches that are only timed.
        StandIn.fail("cuLaunchKernel", 1900, 719);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int exit = GpuCheck.run(new PrintStream(out, true, StandardCharsets.UTF_8), 16, 1);
        StandIn.fail("", 0, 0);
        String table = out.toString(StandardCharsets.UTF_8);
        assertEquals(GpuCheck.FAILED, exit, table);
        assertTrue(table.contains("copy within the device") && table.contains("encode kivi"), table);
        assertTrue(table.lines().toList().getLast().startsWith("failed: cuLaunchKernel"), table);
        assertEquals(0, StandIn.alive());
    }

    /** In a process of its own: this one may have loaded the stand-in. */
    @Test
    @Tag("gpu")
    void aRealGpuGivesTheProcessorsBytes() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "--enable-native-access=ALL-UNNAMED", "-cp",
                System.getProperty("java.class.path"), GpuCheck.class.getName()).redirectErrorStream(true).start();
        String table = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int exit = process.waitFor();
        Assumptions.assumeTrue(exit != GpuCheck.NO_GPU, table);
        assertEquals(GpuCheck.GOOD, exit, table);
    }
}
