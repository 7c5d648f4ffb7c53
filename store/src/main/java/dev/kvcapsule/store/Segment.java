package dev.kvcapsule.store;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/** One file of records, mapped. */
final class Segment implements AutoCloseable {
    static final int HEADER_BYTES = 16;

    private static final String SUFFIX = ".seg";
    private static final long MAGIC = 0x1a0a0d474553564bL;
    private static final int VERSION = 1;
    private static final int ZEROS = 1 << 20;

    /** A record's place. */
    record Entry(StoreKey key, long offset, long length, long expires) {
        long space() {
            return RecordHeader.space(length);
        }
    }

    private final Path file;
    private final int number;
    private final Mapping mapping;
    private final FileChannel channel;
    private long end = HEADER_BYTES;
    private boolean unforced;

    private Segment(Path file, int number, Mapping mapping, FileChannel channel) {
        this.file = file;
        this.number = number;
        this.mapping = mapping;
        this.channel = channel;
    }

    static Path file(Path folder, int number) {
        return folder.resolve(String.format("%08d" + SUFFIX, number));
    }

    /** The number in a file's name; -1 if it is no segment's. */
    static int number(Path file) {
        String name = file.getFileName().toString();
        return name.matches("[0-9]{8}\\.seg") ? Integer.parseInt(name.substring(0, 8)) : -1;
    }

    /** Makes one. @param bytes that it can take at most, header included */
    static Segment create(Path folder, int number, long bytes) throws IOException {
        Path file = file(folder, number);
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
        Segment made = null;
        try {
            ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES).order(java.nio.ByteOrder.LITTLE_ENDIAN).putLong(MAGIC).putInt(VERSION).putInt(0).flip();
            writeFully(channel, header, 0);
            made = writable(file, number, channel, bytes);
            made.unforced = true;
            return made;
        } finally {
            if (made == null) {
                channel.close();
                Files.deleteIfExists(file);
            }
        }
    }

    /**
     * Opens one to go on writing. What follows the last whole record is forgotten, which is a torn one if a program was killed, or the system, while it wrote: its header is overwritten, and
     * so is what comes to be behind it. The file keeps its length, since somebody may be reading it.
     */
    static Segment openForWriting(Path folder, int number, long bytes) throws IOException {
        Path file = file(folder, number);
        long whole;
        try (Segment reading = openForReading(file)) {
            whole = reading.scan(true).stream().mapToLong(entry -> entry.offset() + entry.space()).max().orElse(HEADER_BYTES);
        }
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        Segment segment = null;
        try {
            segment = writable(file, number, channel, Math.max(bytes, Files.size(file)));
            segment.end = whole;
            segment.unforced = true;
            segment.reserve(whole, RecordHeader.BYTES);
            return segment;
        } finally {
            if (segment == null) {
                channel.close();
            }
        }
    }

    private static Segment writable(Path file, int number, FileChannel channel, long bytes) throws IOException {
        return new Segment(file, number, Mapping.open(file, bytes, true), channel);
    }

    /** @throws IOException if it is no segment */
    static Segment openForReading(Path file) throws IOException {
        long bytes = Files.size(file);
        if (bytes < HEADER_BYTES) {
            throw new IOException(file + " is no segment: " + bytes + " bytes");
        }
        Mapping mapping = Mapping.open(file, bytes, false);
        Segment segment = new Segment(file, number(file), mapping, null);
        if (mapping.memory().get(RecordHeader.LONG, 0) != MAGIC || mapping.memory().get(RecordHeader.INT, 8) != VERSION) {
            segment.close();
            throw new IOException(file + " is no segment of version " + VERSION);
        }
        return segment;
    }

    int number() {
        return number;
    }

    /** Bytes that are taken, of those that there is room for. */
    long end() {
        return end;
    }

    boolean hasRoom(long length) {
        return end + RecordHeader.space(length) <= mapping.memory().byteSize();
    }

    /** Adds a record: readers see it whole or not at all. */
    Entry append(StoreKey key, long expires, long written, MemorySegment bytes) throws IOException {
        RecordHeader header = new RecordHeader(key, bytes.byteSize(), expires, written, RecordHeader.crc(bytes));
        // A full disk is an exception here, and would be a fault in the copy below.
        reserve(end, header.space() + RecordHeader.BYTES);
        MemorySegment record = mapping.memory().asSlice(end, header.space());
        MemorySegment.copy(bytes, 0, record, RecordHeader.BYTES, bytes.byteSize());
        header.write(record);
        mapping.writeLast(end, RecordHeader.magic());
        Entry entry = new Entry(key, end, bytes.byteSize(), expires);
        end += header.space();
        unforced = true;
        return entry;
    }

    /** Gets blocks of the disk, of zeros: also for the header that may follow, so that nothing which stood there before is taken for one. */
    private void reserve(long from, long bytes) throws IOException {
        long to = Math.min(from + bytes, mapping.memory().byteSize());
        ByteBuffer zeros = ByteBuffer.allocate((int) Math.min(ZEROS, Math.max(0, to - from)));
        for (long at = from; at < to; at += zeros.limit()) {
            writeFully(channel, zeros.clear().limit((int) Math.min(zeros.capacity(), to - at)), at);
        }
    }

    private static void writeFully(FileChannel channel, ByteBuffer bytes, long at) throws IOException {
        long next = at;
        while (bytes.hasRemaining()) {
            next += channel.write(bytes, next);
        }
    }

    /** Everything that was appended is on the disk when this returns. */
    void force() throws IOException {
        if (unforced) {
            channel.force(true);
            unforced = false;
        }
    }

    /**
     * The records that are whole, up to the first place where there is none.
     *
     * @param contents whether their bytes are looked at, too; the first that is damaged ends the list
     */
    List<Entry> scan(boolean contents) {
        List<Entry> entries = new ArrayList<>();
        MemorySegment memory = mapping.memory();
        long at = HEADER_BYTES;
        while (at < memory.byteSize()) {
            RecordHeader header = RecordHeader.read(memory.asSlice(at));
            if (header == null || contents && !isWhole(at, header)) {
                break;
            }
            entries.add(new Entry(header.key(), at, header.length(), header.expires()));
            at += header.space();
        }
        return entries;
    }

    private boolean isWhole(long at, RecordHeader header) {
        return RecordHeader.crc(mapping.memory().asSlice(at + RecordHeader.BYTES, header.length())) == header.crc();
    }

    /** The bytes of a record. @return null if they are not what was written */
    MemorySegment read(Entry entry) {
        if (entry.offset() < HEADER_BYTES || entry.offset() > mapping.memory().byteSize()) {
            return null;
        }
        RecordHeader header = RecordHeader.read(mapping.memory().asSlice(entry.offset()));
        if (header == null || !header.key().equals(entry.key()) || !isWhole(entry.offset(), header)) {
            return null;
        }
        return mapping.memory().asSlice(entry.offset() + RecordHeader.BYTES, header.length());
    }

    /** When a record was appended, unix seconds. */
    long written(Entry entry) {
        return RecordHeader.read(mapping.memory().asSlice(entry.offset())).written();
    }

    void delete() throws IOException {
        SegmentIndex.delete(file);
        Files.deleteIfExists(file);
    }

    Path file() {
        return file;
    }

    @Override
    public void close() throws IOException {
        mapping.close();
        if (channel != null) {
            channel.close();
        }
    }
}
