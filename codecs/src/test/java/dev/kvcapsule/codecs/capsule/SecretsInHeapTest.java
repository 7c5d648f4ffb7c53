package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SecretsInHeapTest {
    @Test
    void noKeyIsInAHeapDumpAfterACapsuleWasSealedAndOpened(@TempDir Path folder) throws IOException, InterruptedException {
        assertTrue(LimitedJvm.run(256, 256, 60, SecretsInHeap.class, folder.toString()).contains("no secret in"));
    }
}
