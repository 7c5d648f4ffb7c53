package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.increment.PartsInput;
import dev.kvcapsule.engine.seal.ChunkRef;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ReadableByteChannel;
import java.time.Instant;

/** What Jazzer runs: whatever bytes arrive as the parts of a capsule, they are read or malformed, in little memory. Headers are given checksums that hold, too, so that what is behind them is reached. */
public final class PartsFuzz {
    /** What is asked for: a header that names it is believed, which is what its size is bounded by. */
    static final ChunkRef WANTED = new ChunkRef("0".repeat(32), "0".repeat(64), "0".repeat(64), 128, 100, Instant.EPOCH);

    private static final int FILE_HEADER_BYTES = 16;
    private static final int HEADER_BYTES = 96;
    private static final int CHECKED_BYTES = 88;

    private PartsFuzz() {}

    /** Called by Jazzer for each input. */
    public static void fuzzerTestOneInput(byte[] data) throws IOException {
        attempt(data);
        attempt(withChecksums(data));
    }

    /** @return whether it was read to its end */
    static boolean attempt(byte[] parts) throws IOException {
        boolean all = read(parts);
        take(parts);
        return all;
    }

    private static boolean read(byte[] parts) throws IOException {
        try {
            Parts.Reader reader = new Parts.Reader(Capsules.channel(parts));
            while (reader.next().type() != Parts.Type.END) {
                drain(reader.content());
            }
            return true;
        } catch (MalformedDataException e) {
            return told(e);
        }
    }

    /** As a restore does. */
    private static void take(byte[] parts) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            PartsInput input = PartsInput.begin(Capsules.channel(parts));
            drain(input.capsule());
            while (input.find(WANTED, arena).isPresent()) {
                // Read until something else comes.
            }
            input.end();
        } catch (MalformedDataException | CapsuleRefusedException e) {
            told(e);
        }
    }

    private static void drain(ReadableByteChannel content) throws IOException {
        ByteBuffer some = ByteBuffer.allocate(1000);
        while (content.read(some.clear()) >= 0) {
            // Forgotten.
        }
    }

    private static boolean told(IOException e) {
        if (e.getMessage().isBlank() || e.getMessage().endsWith("null") || e.getMessage().chars().anyMatch(Character::isISOControl)) {
            throw new AssertionError(e);
        }
        return false;
    }

    /** The same with a file header, and with magic and checksum in each part header that the lengths lead to. */
    static byte[] withChecksums(byte[] data) {
        byte[] fixed = new byte[FILE_HEADER_BYTES + data.length];
        System.arraycopy(Parts.fileHeader(), 0, fixed, 0, FILE_HEADER_BYTES);
        System.arraycopy(data, 0, fixed, FILE_HEADER_BYTES, data.length);
        ByteBuffer fields = ByteBuffer.wrap(fixed).order(ByteOrder.LITTLE_ENDIAN);
        for (long at = FILE_HEADER_BYTES; at <= fixed.length - HEADER_BYTES; ) {
            int header = (int) at;
            fields.putInt(header, 0x5450564b);
            fields.putInt(header + 4, 1 + Math.floorMod(fields.getInt(header + 4) - 1, Parts.Type.values().length));
            fields.putInt(header + 92, 0);
            fields.putInt(header + CHECKED_BYTES, CapsuleForge.crc(java.util.Arrays.copyOfRange(fixed, header, header + CHECKED_BYTES), CHECKED_BYTES));
            long length = fields.getLong(header + 8);
            at += HEADER_BYTES + (length < 0 || length > fixed.length ? fixed.length : length);
        }
        return fixed;
    }
}
