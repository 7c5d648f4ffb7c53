package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Every kernel with real threads under ThreadSanitizer. */
class RacesTest {
    private static final int SECONDS = 120;

    @Test
    void noKernelHasARace() throws IOException, InterruptedException {
        StandIn.require();
        Assumptions.assumeTrue(Files.exists(StandIn.races()), "this system's g++ has no ThreadSanitizer");
        var log = Files.createTempFile("races", ".log");
        try {
            Process process = new ProcessBuilder(StandIn.races().toAbsolutePath().toString()).redirectErrorStream(true).redirectOutput(log.toFile()).start();
            if (!process.waitFor(SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
            String text = Files.readString(log);
            Assumptions.assumeFalse(text.contains("unexpected memory mapping"), "ThreadSanitizer does not run on this kernel's address space");
            assertEquals(0, process.waitFor(), text);
            assertEquals("no races", text.strip());
        } finally {
            Files.delete(log);
        }
    }
}
