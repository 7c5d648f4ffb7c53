package dev.kvcapsule.store;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a segment that takes no more holds, in a file beside it: opening a store then touches no record. */
final class SegmentIndex {
    private static final long MAGIC = 0x1a0a0d584449564bL;
    private static final int VERSION = 1;
    private static final int HEAD_BYTES = 24;
    private static final int ENTRY_BYTES = StoreKey.BYTES + 24;
    private static final int CRC_BYTES = 4;

    private SegmentIndex() {}

    private static Path file(Path segment) {
        String name = segment.getFileName().toString();
        return segment.resolveSibling(name.substring(0, name.length() - 4) + ".idx");
    }

    static void write(Path segment, long end, List<Segment.Entry> entries) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(HEAD_BYTES + ENTRY_BYTES * entries.size() + CRC_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(MAGIC).putInt(VERSION).putInt(entries.size()).putLong(end);
        for (Segment.Entry entry : entries) {
            bytes.put(entry.key().bytes()).putLong(entry.offset()).putLong(entry.length()).putLong(entry.expires());
        }
        bytes.putInt(RecordHeader.crc(MemorySegment.ofBuffer(bytes.duplicate().flip())));
        Path file = file(segment);
        Path part = file.resolveSibling(file.getFileName() + ".part");
        try (FileChannel out = FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            bytes.flip();
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            out.force(true);
        }
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** @return empty if there is none, or it is damaged, or of a segment of another length */
    static Optional<List<Segment.Entry>> read(Path segment) throws IOException {
        byte[] all;
        try {
            all = Files.readAllBytes(file(segment));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
        ByteBuffer bytes = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN);
        if (all.length < HEAD_BYTES + CRC_BYTES || bytes.getInt(all.length - CRC_BYTES) != RecordHeader.crc(MemorySegment.ofArray(all).asSlice(0, all.length - CRC_BYTES))
                || bytes.getLong() != MAGIC || bytes.getInt() != VERSION) {
            return Optional.empty();
        }
        int count = bytes.getInt();
        if (count < 0 || HEAD_BYTES + (long) ENTRY_BYTES * count + CRC_BYTES != all.length || bytes.getLong() > Files.size(segment)) {
            return Optional.empty();
        }
        List<Segment.Entry> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            byte[] key = new byte[StoreKey.BYTES];
            bytes.get(key);
            entries.add(new Segment.Entry(StoreKey.of(key), bytes.getLong(), bytes.getLong(), bytes.getLong()));
        }
        return Optional.of(entries);
    }

    static void delete(Path segment) throws IOException {
        Files.deleteIfExists(file(segment));
    }
}
