package dev.kvcapsule.store;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads a store while somebody else may write it or collect its garbage: takes no lock. What it has found stays readable until it is closed, also if it is removed meanwhile. Safe for use by
 * one thread at a time.
 */
public final class StoreReader implements AutoCloseable {
    private final Path folder;
    private final Map<Integer, Segment> open = new HashMap<>();
    private Map<StoreKey, Place> places;

    private record Place(int segment, Segment.Entry entry) {}

    private StoreReader(Path folder) throws IOException {
        this.folder = folder;
        this.places = load();
    }

    /** Opens a store for reading; one that is not there is empty. */
    public static StoreReader open(Path folder) throws IOException {
        return new StoreReader(folder);
    }

    private Map<StoreKey, Place> load() throws IOException {
        Map<StoreKey, Place> found = new HashMap<>();
        for (int number : Segments.list(folder)) {
            Optional<List<Segment.Entry>> entries = Segments.entries(folder, number);
            entries.ifPresent(all -> all.forEach(entry -> found.put(entry.key(), new Place(number, entry))));
        }
        return found;
    }

    /**
     * The bytes of a record, in mapped memory, checked against the checksum they were written with.
     *
     * @return empty if there is no such record, or it is damaged
     */
    public Optional<MemorySegment> find(StoreKey key) throws IOException {
        Optional<MemorySegment> found = read(key);
        if (found.isEmpty()) {
            // It may have been moved by a collection, or added, since the folder was listed.
            places = load();
            found = read(key);
        }
        return found.map(MemorySegment::asReadOnly);
    }

    private Optional<MemorySegment> read(StoreKey key) throws IOException {
        Place place = places.get(key);
        if (place == null) {
            return Optional.empty();
        }
        Segment segment = open.get(place.segment);
        if (segment == null) {
            Path file = Segment.file(folder, place.segment);
            if (!Files.exists(file)) {
                return Optional.empty();
            }
            segment = Segment.openForReading(file);
            open.put(place.segment, segment);
        }
        return Optional.ofNullable(segment.read(place.entry));
    }

    /** Whether a record is there, without looking at its bytes. */
    public boolean contains(StoreKey key) {
        return places.containsKey(key);
    }

    /** What is there. */
    public StoreStatus status() throws IOException {
        long bytes = 0;
        List<Integer> segments = Segments.list(folder);
        for (int number : segments) {
            bytes += Segments.entries(folder, number).orElse(List.of()).stream().mapToLong(Segment.Entry::space).sum();
        }
        return new StoreStatus(places.size(), places.values().stream().mapToLong(place -> place.entry.length()).sum(), segments.size(), bytes);
    }

    /** Looks at every byte of every record. */
    public Verified verify() throws IOException {
        long whole = 0;
        java.util.ArrayList<StoreKey> damaged = new java.util.ArrayList<>();
        for (StoreKey key : List.copyOf(places.keySet())) {
            if (find(key).isPresent()) {
                whole++;
            } else if (places.containsKey(key)) {
                damaged.add(key);
            }
        }
        return new Verified(whole, damaged);
    }

    @Override
    public void close() throws IOException {
        for (Segment segment : open.values()) {
            segment.close();
        }
        open.clear();
    }
}
