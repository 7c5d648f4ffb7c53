package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The committed kernels belong to the sources. */
class KernelImageTest {
    private static final int MOST_BYTES = 4 << 20;
    private static final int MAGIC = 0xBA55ED50;
    private static final int PTX = 1;

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
        ByteBuffer fatbin = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(MAGIC, fatbin.getInt(0));
        List<String> parts = new ArrayList<>();
        // A header with its own size, then parts: 16 bits of kind, at byte 4 the size of its header, at byte 8 that of what follows, at byte 28 the architecture.
        for (int at = fatbin.getShort(6); at < image.length; ) {
            int header = fatbin.getInt(at + 4);
            int bytes = Math.toIntExact(fatbin.getLong(at + 8));
            boolean ptx = fatbin.getShort(at) == PTX;
            parts.add((ptx ? "ptx " : "sm_") + fatbin.getInt(at + 28));
            String code = new String(image, at + header, bytes, StandardCharsets.ISO_8859_1);
            for (Kernel kernel : Kernel.values()) {
                assertTrue(code.contains(ptx ? ".entry " + kernel.symbol() + "(" : "\0.text." + kernel.symbol() + "\0"), kernel + " is not in " + parts.getLast());
            }
            at += header + bytes;
        }
        Matcher script = Pattern.compile("architectures=\\(([0-9 ]+)\\)\\noldest_ptx=([0-9]+)").matcher(Files.readString(Path.of("..", "scripts", "cuda-image.sh")));
        assertTrue(script.find());
        List<String> wanted = new ArrayList<>(List.of("ptx " + script.group(2)));
        Arrays.stream(script.group(1).split(" ")).map("sm_"::concat).forEach(wanted::add);
        assertEquals(wanted, parts);
        String text = new String(image, StandardCharsets.ISO_8859_1);
        assertTrue(text.contains(".target sm_75"), "no PTX for compute capability 7.5");
        assertTrue(!text.contains("fma.rn.f32.ftz") && !text.contains(".approx"), "arithmetic is relaxed");
    }
}
