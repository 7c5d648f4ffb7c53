package dev.kvcapsule.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.Charset;

/** Standard output for text, which remembers why it failed: print writers keep that to themselves. */
final class StandardOutput {
    private final PrintWriter writer;
    private IOException failure;

    StandardOutput(OutputStream out, Charset charset) {
        this.writer = new PrintWriter(new OutputStream() {
            @Override
            public void write(int value) throws IOException {
                write(new byte[] {(byte) value}, 0, 1);
            }

            @Override
            public void write(byte[] bytes, int offset, int length) throws IOException {
                try {
                    out.write(bytes, offset, length);
                } catch (IOException e) {
                    failure = failure == null ? e : failure;
                    throw e;
                }
            }

            @Override
            public void flush() throws IOException {
                out.flush();
            }
        }, true, charset);
    }

    PrintWriter writer() {
        return writer;
    }

    /** The first failure to write; null if there was none. */
    IOException failure() {
        return failure;
    }
}
