package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The committed kernels belong to the sources. */
class KernelImageTest {
    private static final int MOST_BYTES = 2 << 20;

    @Test
    void theImageWasMadeOfTheseSources() throws IOException, NoSuchAlgorithmException {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        try (Stream<Path> files = Files.list(Path.of("src", "main", "cuda"))) {
            List<Path> sources = files.sorted().toList();
            assertTrue(sources.size() > 5);
            for (Path source : sources) {
                byte[] bytes = Files.readAllBytes(source);
                digest.update((source.getFileName() + "\0" + bytes.length + "\0").getBytes(StandardCharsets.UTF_8));
                digest.update(bytes);
            }
        }
        try (InputStream in = KernelImage.class.getResourceAsStream("kernels.digest")) {
            String made = new String(in.readAllBytes(), StandardCharsets.US_ASCII).strip();
            assertEquals(HexFormat.of().formatHex(digest.digest()), made, "the kernels have changed since they were compiled: run scripts/cuda-image.sh");
        }
    }

    @Test
    void theImageIsAFatbinWithEveryKernelForEveryArchitecture() throws IOException {
        byte[] image = KernelImage.load();
        assertTrue(image.length < MOST_BYTES, image.length + " bytes");
        assertEquals(0xBA55ED50, java.nio.ByteBuffer.wrap(image).order(java.nio.ByteOrder.LITTLE_ENDIAN).getInt());
        String text = new String(image, StandardCharsets.ISO_8859_1);
        for (Kernel kernel : Kernel.values()) {
            // Once in the PTX, and more often in the symbols and debugging names of each architecture's code.
            int seen = text.split("\\b" + kernel.symbol() + "\\b", -1).length - 1;
            assertTrue(seen >= 6, kernel + " is in the image " + seen + " times");
        }
        assertTrue(text.contains(".target sm_75"), "no PTX for compute capability 7.5");
        assertTrue(!text.contains("fma.rn.f32.ftz") && !text.contains(".approx"), "arithmetic is relaxed");
    }
}
