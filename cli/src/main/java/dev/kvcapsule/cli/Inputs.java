package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.increment.PartsInput;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.files.OutputException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
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

    /** Whether an output is the stream that results are printed on too: by its short name, or by the system's. */
    static boolean isStandardOutput(Path path) {
        return isStandard(path) || path.toString().equals("/dev/stdout") || path.toString().equals("/dev/fd/1");
    }

    static String name(Path path) {
        return isStandard(path) ? "standard input" : path.toString();
    }

    static InputFile open(Path path) throws IOException {
        return about(name(path), () -> isStandard(path) ? InputFile.spool(Channels.newChannel(System.in)) : InputFile.open(path));
    }

    /** Opens and reads a state. */
    static KvCache read(InputFile in, Path path, ModelFacts facts) throws IOException {
        return about(name(path), () -> {
            if (CapsuleReader.recognises(in.bytes())) {
                throw MalformedDataException.at(0, "magic", "this is a capsule, not a state: 'capsule decode' makes a state of it");
            }
            return CacheFormats.read(in.bytes(), facts);
        });
    }

    /** Opens a capsule. @param opening decides about its seal */
    static CapsuleReader capsule(InputFile in, Opening opening) throws IOException {
        if (Parts.recognises(in.bytes())) {
            throw MalformedDataException.at(0, "magic", "this is a sealed capsule in parts: read it without --unsealed");
        }
        if (!CapsuleReader.recognises(in.bytes()) && isState(in)) {
            throw MalformedDataException.at(0, "magic", "this is a state, not a capsule: 'capsule encode' makes a capsule of it");
        }
        return CapsuleReader.of(in.bytes(), opening);
    }

    /**
     * A sealed capsule, which may be in parts.
     *
     * @param reader of the capsule, or of the tail
     * @param parts where its chunks are, if it has any
     */
    record Sealed(CapsuleReader reader, PartsInput parts) {}

    /** Opens a sealed capsule, whole or in parts. @param opening decides about its seal */
    static Sealed sealed(InputFile in, Opening opening) throws IOException {
        PartsInput parts = PartsInput.begin(in.channel(), in.bytes().byteSize());
        return new Sealed(Parts.recognises(in.bytes()) ? CapsuleReader.of(parts.capsule(), opening) : capsule(in, opening), parts);
    }

    private static boolean isState(InputFile in) {
        try {
            CacheFormats.detect(in.bytes());
            return true;
        } catch (MalformedDataException e) {
            return false;
        }
    }

    /** Runs something; its failures then name the input, unless it was writing that failed. */
    static <T> T about(String input, Work<T> work) throws IOException {
        try {
            return work.run();
        } catch (OutputException e) {
            throw e;
        } catch (IOException e) {
            throw new Failures.FileException(input, e);
        }
    }

    /** Runs something that writes; failures to write then name the output. */
    static <T> T writing(Path output, Work<T> work) throws IOException {
        try {
            return work.run();
        } catch (OutputException e) {
            throw new Failures.FileException(isStandardOutput(output) ? "standard output" : output.toString(), e);
        }
    }

    /** Standard output as a channel. It is not the caller's to close. */
    static FileChannel standardOutput() {
        return new FileOutputStream(FileDescriptor.out).getChannel();
    }

    /** A channel whose failures are known to be of writing. */
    static WritableByteChannel marked(WritableByteChannel channel) {
        return new WritableByteChannel() {
            @Override
            public int write(ByteBuffer source) throws IOException {
                try {
                    return channel.write(source);
                } catch (IOException e) {
                    throw new OutputException(e);
                }
            }

            @Override
            public boolean isOpen() {
                return channel.isOpen();
            }

            @Override
            public void close() throws IOException {
                channel.close();
            }
        };
    }
}
