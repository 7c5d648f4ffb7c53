package dev.kvcapsule.testdata;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.GZIPInputStream;

/** The files of this module, as streams. */
public final class Samples {
    /** What a state of SmolLM2-135M does not say of its model, in the form of {@code --model-facts}. */
    public static final String SMOLLM2_FACTS = "memory=dense,heads=3x64,rope=interleaved:100000:64";

    private Samples() {}

    /** SmolLM2-135M-Instruct after 512 tokens of Python source: GGSQ version 3, f16, 30 layers x 3 KV heads x 64, 11,805,420 bytes. */
    public static InputStream smollm2Code512() throws IOException {
        return new GZIPInputStream(open("smollm2-code-512.ggsq.gz"), 1 << 16);
    }

    /** A small state of one structure, by its file name under {@code states/}. */
    public static InputStream state(String name) throws IOException {
        return open("states/" + name);
    }

    /** A file of golden vectors, by its path under {@code golden/}. */
    public static InputStream golden(String path) throws IOException {
        return open("golden/" + path);
    }

    /** The golden sealed capsule, or a file of its key registry, by its path under {@code seal/}. */
    public static InputStream seal(String path) throws IOException {
        return open("seal/" + path);
    }

    private static InputStream open(String path) throws IOException {
        InputStream in = Samples.class.getResourceAsStream(path);
        if (in == null) {
            throw new FileNotFoundException("test data has no " + path);
        }
        return in;
    }
}
