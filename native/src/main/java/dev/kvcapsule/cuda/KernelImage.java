package dev.kvcapsule.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.zip.GZIPInputStream;

/** The compiled kernels that come with the program: machine code for the architectures that scripts/cuda-image.sh names, and PTX for later ones. */
final class KernelImage {
    private static final String RESOURCE = "kernels.fatbin.gz";

    private KernelImage() {}

    static byte[] load() {
        try (InputStream in = KernelImage.class.getResourceAsStream(RESOURCE); GZIPInputStream unpacked = new GZIPInputStream(in)) {
            return unpacked.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException("the kernels that come with the program cannot be read", e);
        }
    }
}
