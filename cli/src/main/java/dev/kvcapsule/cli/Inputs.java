package dev.kvcapsule.cli;

import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.file.Path;

/** Files and standard streams as arguments name them: {@code -} is standard input. */
final class Inputs {
    private Inputs() {}

    /** Work that can fail because of its input. */
    interface Work<T> {
        T run() throws IOException;
    }

    static boolean isStandard(Path path) {
        return path.toString().equals("-");
    }

    static String name(Path path) {
        return isStandard(path) ? "standard input" : path.toString();
    }

    static InputFile open(Path path) throws IOException {
        return about(name(path), () -> isStandard(path) ? InputFile.spool(Channels.newChannel(System.in)) : InputFile.open(path));
    }

    /** Runs something; its failures then name the input. */
    static <T> T about(String input, Work<T> work) throws IOException {
        try {
            return work.run();
        } catch (IOException e) {
            throw new Failures.InputException(input, e);
        }
    }
}
