package dev.kvcapsule.store;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A store that this program alone writes, until it is closed. What was appended is there for good when {@link #commit} returns; killed at any point before, the store holds what it held, and
 * possibly some of what was appended, each record whole or not at all. Not thread-safe; readers ({@link StoreReader}) need not wait.
 */
public final class ChunkStore implements AutoCloseable {
    /** Bytes of a segment, unless a single record needs more. */
    public static final long SEGMENT_BYTES = 64L << 20;

    private static final long WAIT_MILLIS = 50;

    /** A segment is rewritten when so much of it is of no use; below, what it would give back is not worth copying the rest. */
    private static final double WASTE = 0.25;

    private final Path folder;
    private final FileChannel lock;
    private final long mostBytes;
    private final long segmentBytes;
    private final InstantSource clock;
    private final Map<StoreKey, Integer> where = new HashMap<>();
    private final Map<Integer, List<Segment.Entry>> sealed = new HashMap<>();
    private Segment active;
    private long used;
    private int next = 1;

    private ChunkStore(Path folder, FileChannel lock, Limits limits, InstantSource clock) {
        this.folder = folder;
        this.lock = lock;
        this.mostBytes = limits.mostBytes;
        this.segmentBytes = limits.segmentBytes;
        this.clock = clock;
    }

    /**
     * How large it may be.
     *
     * @param mostBytes of all segments together
     * @param segmentBytes of one
     */
    public record Limits(long mostBytes, long segmentBytes) {
        /** @throws IllegalArgumentException if they are not positive */
        public Limits {
            if (mostBytes < 1 || segmentBytes < 1024) {
                throw new IllegalArgumentException("a store of at most " + mostBytes + " bytes in segments of " + segmentBytes);
            }
        }

        /** Segments of 64 MiB. */
        public static Limits of(long mostBytes) {
            return new Limits(mostBytes, SEGMENT_BYTES);
        }
    }

    /**
     * Opens a store for writing, which is made if it is not there.
     *
     * @param patience how long to wait for another program that writes it
     * @throws StoreBusyException if that does not end in time
     */
    public static ChunkStore open(Path folder, Limits limits, Duration patience, InstantSource clock) throws IOException {
        if (!Files.isDirectory(folder)) {
            if (folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
                Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            } else {
                Files.createDirectories(folder);
            }
        }
        FileChannel lock = FileChannel.open(folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        ChunkStore store = new ChunkStore(folder, lock, limits, clock);
        boolean done = false;
        try {
            awaitLock(folder, lock, patience);
            store.load();
            done = true;
            return store;
        } finally {
            if (!done) {
                store.close();
            }
        }
    }

    private static void awaitLock(Path folder, FileChannel lock, Duration patience) throws IOException {
        long end = System.nanoTime() + patience.toNanos();
        while (true) {
            try {
                FileLock held = lock.tryLock();
                if (held != null) {
                    return;
                }
            } catch (OverlappingFileLockException e) {
                // Another thread of this program has it, which counts like another program.
            }
            if (System.nanoTime() >= end) {
                throw new StoreBusyException(folder);
            }
            try {
                Thread.sleep(WAIT_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new StoreBusyException(folder);
            }
        }
    }

    /** The last segment is gone on with; of the others one without an index gets one. */
    private void load() throws IOException {
        List<Integer> numbers = Segments.list(folder);
        for (int number : numbers) {
            next = number + 1;
            Path file = Segment.file(folder, number);
            Optional<List<Segment.Entry>> indexed = SegmentIndex.read(file);
            if (indexed.isPresent()) {
                add(number, indexed.get());
            } else if (number == numbers.getLast()) {
                active = Segment.openForWriting(folder, number, segmentBytes);
                active.scan(false).forEach(entry -> where.put(entry.key(), number));
                used += active.end();
            } else {
                try (Segment segment = Segment.openForReading(file)) {
                    List<Segment.Entry> entries = segment.scan(true);
                    SegmentIndex.write(file, end(entries), entries);
                    add(number, entries);
                }
            }
        }
    }

    private static long end(List<Segment.Entry> entries) {
        return entries.isEmpty() ? Segment.HEADER_BYTES : entries.getLast().offset() + entries.getLast().space();
    }

    private void add(int number, List<Segment.Entry> entries) {
        sealed.put(number, entries);
        used += end(entries);
        entries.forEach(entry -> where.put(entry.key(), number));
    }

    /** Whether a record is there. */
    public boolean contains(StoreKey key) {
        return where.containsKey(key);
    }

    /**
     * Adds a record, unless it is there already.
     *
     * @param expires until when it may be used: a collection removes it then, whoever needs it
     * @param bytes native memory
     * @return whether it was added
     * @throws StoreFullException if there is no room for it
     */
    public boolean append(StoreKey key, Instant expires, MemorySegment bytes) throws IOException {
        if (contains(key)) {
            return false;
        }
        if (used + RecordHeader.space(bytes.byteSize()) > mostBytes) {
            throw new StoreFullException(mostBytes);
        }
        write(key, expires.getEpochSecond(), clock.instant().getEpochSecond(), bytes);
        return true;
    }

    private void write(StoreKey key, long expires, long written, MemorySegment bytes) throws IOException {
        if (active != null && !active.hasRoom(bytes.byteSize())) {
            seal();
        }
        if (active == null) {
            active = Segment.create(folder, next++, Math.max(segmentBytes, Segment.HEADER_BYTES + RecordHeader.space(bytes.byteSize())));
            used += Segment.HEADER_BYTES;
        }
        long before = active.end();
        active.append(key, expires, written, bytes);
        where.put(key, active.number());
        used += active.end() - before;
    }

    /** Nothing more is appended to the active segment. */
    private void seal() throws IOException {
        active.force();
        List<Segment.Entry> entries = active.scan(false);
        SegmentIndex.write(active.file(), active.end(), entries);
        sealed.put(active.number(), entries);
        active.close();
        active = null;
    }

    /** Everything that was appended is on the disk when this returns. */
    public void commit() throws IOException {
        if (active != null) {
            active.force();
            forceFolder();
        }
    }

    private void forceFolder() {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            // Not every system lets a folder be flushed; the files themselves are.
        }
    }

    /** Bytes that it takes. */
    public long bytes() {
        return used;
    }

    /**
     * Removes what nobody needs: marks by what is given, sweeps segment by segment. One that holds little else is rewritten: what is needed of it is copied and on the disk before it goes.
     * Readers that have found something keep it.
     *
     * @param live what is needed
     * @param thorough rewrites a segment for any record that can go
     */
    public Collected collect(Set<StoreKey> live, boolean thorough) throws IOException {
        if (active != null) {
            seal();
        }
        long now = clock.instant().getEpochSecond();
        long before = used;
        long removed = 0;
        long moved = 0;
        for (int number : sealed.keySet().stream().sorted().toList()) {
            List<Segment.Entry> entries = sealed.get(number);
            List<Segment.Entry> needed = entries.stream().filter(entry -> live.contains(entry.key()) && entry.expires() > now && where.get(entry.key()) == number).toList();
            long waste = entries.stream().mapToLong(Segment.Entry::space).sum() - needed.stream().mapToLong(Segment.Entry::space).sum();
            if (needed.size() == entries.size() && !entries.isEmpty() || !needed.isEmpty() && !thorough && waste < WASTE * end(entries)) {
                continue;
            }
            removed += sweep(number, entries, needed);
            moved += needed.size();
        }
        commit();
        return new Collected(removed, moved, before - used, where.size());
    }

    private long sweep(int number, List<Segment.Entry> entries, List<Segment.Entry> needed) throws IOException {
        long damaged = 0;
        try (Segment segment = Segment.openForReading(Segment.file(folder, number))) {
            entries.stream().filter(entry -> where.get(entry.key()) == number).forEach(entry -> where.remove(entry.key()));
            for (Segment.Entry entry : needed) {
                MemorySegment bytes = segment.read(entry);
                if (bytes == null) {
                    damaged++;
                } else {
                    write(entry.key(), entry.expires(), segment.written(entry), bytes);
                }
            }
            commit();
            segment.delete();
        }
        sealed.remove(number);
        used -= end(entries);
        return entries.size() - needed.size() + damaged;
    }

    /** Gives the store back; what was appended and not committed may stay or not. */
    @Override
    public void close() throws IOException {
        try {
            if (active != null) {
                active.close();
            }
        } finally {
            active = null;
            lock.close();
        }
    }
}
