package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

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
        for (String what : new String[] {"stand-in on a processor", "copy within the device", "to the device", "us to ask for", "kivi 4 bits K before RoPE", "rotated 4 bits", "fp8", "projection", "rANS decode", "restore from pinned memory"}) {
            assertTrue(table.contains(what), what + " is not in\n" + table);
        }
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
