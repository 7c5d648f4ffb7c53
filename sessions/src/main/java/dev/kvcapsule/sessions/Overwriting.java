package dev.kvcapsule.sessions;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Makes a capsule's file of no use before it is removed: its data key is in its head only, wrapped. */
public final class Overwriting {
    /** The header of a sealed capsule, with its wrapped keys, is much smaller. */
    private static final int HEAD_BYTES = 1 << 20;

    private Overwriting() {}

    /** Overwrites the beginning of a file with zeros, on the disk when this returns. @throws java.nio.file.NoSuchFileException if it is not there */
    public static void head(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            ByteBuffer zeros = ByteBuffer.allocate((int) Math.min(channel.size(), HEAD_BYTES));
            channel.position(0);
            while (zeros.hasRemaining()) {
                channel.write(zeros);
            }
            channel.force(true);
        }
    }
}
