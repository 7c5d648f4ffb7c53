package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MemoryBoundTest {
    @Test
    @Tag("slow")
    void fourGibibytesAreCodedInConstantMemory(@TempDir Path folder) throws IOException, InterruptedException {
        // 96 MiB of heap and 96 MiB off the heap, and less than 256 MiB of memory that is not a page of a file.
        String output = LimitedJvm.run(96, 96, 170, LargeCacheRun.class, folder.toString());
        long peak = Long.parseLong(output.replaceAll("(?s).*anonymous (\\d+) MiB.*", "$1"));
        assertTrue(peak < 256, output);
    }
}
