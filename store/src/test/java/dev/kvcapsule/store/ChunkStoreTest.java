package dev.kvcapsule.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChunkStoreTest {
    private static final Instant NOW = Instant.parse("2026-06-01T12:00:00Z");
    private static final Instant LATER = NOW.plusSeconds(3600);
    private static final ChunkStore.Limits SMALL = new ChunkStore.Limits(1 << 20, 4096);

    @TempDir
    private Path folder;

    private static ChunkStore open(Path folder, ChunkStore.Limits limits) throws IOException {
        return ChunkStore.open(folder, limits, Duration.ZERO, InstantSource.fixed(NOW));
    }

    static StoreKey key(int number) {
        byte[] bytes = new byte[StoreKey.BYTES];
        ByteBuffer.wrap(bytes).putInt(number).putInt(60, ~number);
        return StoreKey.of(bytes);
    }

    /** Bytes that are told apart from any other number's; some of them look like records. */
    static byte[] contents(int number, int length) {
        byte[] bytes = new byte[length];
        new Random(number).nextBytes(bytes);
        if (number % 3 == 0 && length > RecordHeader.BYTES) {
            MemorySegment inner = MemorySegment.ofArray(bytes);
            new RecordHeader(key(1_000_000 + number), 0, LATER.getEpochSecond(), 0, 0).write(inner);
            inner.set(RecordHeader.INT, 0, RecordHeader.magic());
        }
        return bytes;
    }

    private static boolean append(ChunkStore store, int number, int length) throws IOException {
        return append(store, number, length, LATER);
    }

    private static boolean append(ChunkStore store, int number, int length, Instant expires) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(Math.max(1, length));
            MemorySegment.copy(contents(number, length), 0, bytes, ValueLayout.JAVA_BYTE, 0, length);
            return store.append(key(number), expires, bytes.asSlice(0, length));
        }
    }

    private static void assertHolds(Path folder, Map<Integer, Integer> lengths) throws IOException {
        try (StoreReader reader = StoreReader.open(folder)) {
            for (Map.Entry<Integer, Integer> entry : lengths.entrySet()) {
                byte[] found = reader.find(key(entry.getKey())).orElseThrow(() -> new AssertionError("record " + entry.getKey() + " is lost")).toArray(ValueLayout.JAVA_BYTE);
                assertArrayEquals(contents(entry.getKey(), entry.getValue()), found);
            }
            assertEquals(lengths.size(), reader.status().records());
            assertEquals(List.of(), reader.verify().damaged());
        }
    }

    @Test
    void whatWasAppendedIsThereForReadersAtOnceAndForLater() throws IOException {
        try (StoreReader none = StoreReader.open(folder.resolve("none"))) {
            assertTrue(none.find(key(1)).isEmpty());
        }
        Map<Integer, Integer> model = new HashMap<>();
        try (ChunkStore store = open(folder, SMALL); StoreReader early = StoreReader.open(folder)) {
            for (int i = 0; i < 40; i++) {
                assertTrue(append(store, i, 37 * i));
                model.put(i, 37 * i);
            }
            assertFalse(append(store, 3, 5), "a record is immutable");
            assertEquals(37 * 39, early.find(key(39)).orElseThrow().byteSize());
            assertHolds(folder, model);
            assertTrue(append(store, 1000, 20_000), "larger than a segment: it gets one of its own");
            model.put(1000, 20_000);
            store.commit();
        }
        assertHolds(folder, model);
        try (ChunkStore again = open(folder, SMALL)) {
            assertTrue(again.contains(key(17)));
            append(again, 41, 100);
            model.put(41, 100);
        }
        assertHolds(folder, model);
    }

    @Test
    void oneWriterAtATime() throws IOException {
        try (ChunkStore store = open(folder, SMALL)) {
            append(store, 1, 10);
            assertThrows(StoreBusyException.class, () -> open(folder, SMALL));
        }
        open(folder, SMALL).close();
    }

    @Test
    void aFullStoreSaysSoAndKeepsWhatItHas() throws IOException {
        ChunkStore.Limits limits = new ChunkStore.Limits(10_000, 4096);
        try (ChunkStore store = open(folder, limits)) {
            append(store, 1, 3000);
            append(store, 2, 3000);
            assertThrows(StoreFullException.class, () -> append(store, 3, 4000));
            assertThrows(StoreFullException.class, () -> append(store, 4, 1 << 20));
            assertTrue(store.bytes() <= 10_000);
            store.collect(Set.of(key(2)), true);
            append(store, 3, 4000);
        }
        assertHolds(folder, Map.of(2, 3000, 3, 4000));
    }

    @Test
    void whatHasExpiredGoesWhoeverNeedsIt() throws IOException {
        try (ChunkStore store = open(folder, SMALL)) {
            append(store, 1, 100, NOW);
            append(store, 2, 100, LATER);
            Collected collected = store.collect(Set.of(key(1), key(2)), true);
            assertEquals(1, collected.removed());
            assertFalse(store.contains(key(1)));
        }
        assertHolds(folder, Map.of(2, 100));
    }

    @Test
    void readersKeepWhatTheyFoundAndFindWhatWasMoved() throws IOException {
        try (ChunkStore store = open(folder, SMALL)) {
            for (int i = 0; i < 30; i++) {
                append(store, i, 500);
            }
            store.commit();
            try (StoreReader reader = StoreReader.open(folder)) {
                MemorySegment held = reader.find(key(1)).orElseThrow();
                Set<StoreKey> live = new HashSet<>();
                for (int i = 0; i < 30; i += 7) {
                    live.add(key(i));
                }
                store.collect(live, true);
                assertArrayEquals(contents(1, 500), held.toArray(ValueLayout.JAVA_BYTE), "mapped memory stays when its file has gone");
                assertArrayEquals(contents(7, 500), reader.find(key(7)).orElseThrow().toArray(ValueLayout.JAVA_BYTE));
                assertTrue(reader.find(key(2)).isEmpty() || Arrays.equals(contents(2, 500), reader.find(key(2)).orElseThrow().toArray(ValueLayout.JAVA_BYTE)));
            }
        }
        assertHolds(folder, Map.of(0, 500, 7, 500, 14, 500, 21, 500, 28, 500));
    }

    /** Random appends, restarts, collections, and indexes that go missing or are damaged, against a map. */
    @Property(tries = 25)
    void isAMapThatSurvives(@ForAll @LongRange(min = 0, max = 1L << 40) long seed) throws IOException {
        Path mine = Files.createTempDirectory("store");
        try {
            Random random = new Random(seed);
            Map<Integer, Integer> model = new HashMap<>();
            ChunkStore.Limits limits = new ChunkStore.Limits(1 << 24, 1024 + random.nextInt(8000));
            int number = 0;
            for (int round = 0; round < 4; round++) {
                try (ChunkStore store = open(mine, limits)) {
                    for (int step = 0; step < 12; step++) {
                        int length = random.nextInt(6) == 0 ? 0 : random.nextInt(3000);
                        append(store, number, length);
                        model.put(number++, length);
                        if (random.nextInt(12) == 0) {
                            Set<StoreKey> live = new HashSet<>();
                            model.keySet().removeIf(key -> random.nextInt(3) == 0);
                            model.keySet().forEach(key -> live.add(key(key)));
                            Collected collected = store.collect(live, true);
                            assertEquals(model.size(), collected.kept());
                        }
                    }
                }
                damageIndexes(mine, random);
                assertHolds(mine, model);
            }
        } finally {
            delete(mine);
        }
    }

    private static void damageIndexes(Path folder, Random random) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(one -> one.toString().endsWith(".idx")).toList()) {
                byte[] bytes = Files.readAllBytes(file);
                switch (random.nextInt(5)) {
                    case 0 -> Files.delete(file);
                    case 1 -> {
                        bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
                        Files.write(file, bytes);
                    }
                    case 2 -> Files.write(file, Arrays.copyOf(bytes, random.nextInt(bytes.length)));
                    default -> {
                    }
                }
            }
        }
    }

    /** The last record's bytes are on the disk up to any point only, and anything may stand behind it: all records before it are there, it is not, and new ones take its place. */
    @Test
    void aTornRecordIsForgottenWhereverItWasTorn() throws IOException {
        Path whole = folder.resolve("whole");
        long before;
        long after;
        try (ChunkStore store = open(whole, SMALL)) {
            append(store, 1, 300);
            before = store.bytes();
            append(store, 3, 700);
            after = store.bytes();
        }
        Path segment = Segment.file(whole, 1);
        byte[] bytes = Arrays.copyOf(Files.readAllBytes(segment), (int) after + 1000);
        for (int torn = (int) before; torn < after - 4; torn++) {
            Path mine = Files.createDirectory(folder.resolve("torn" + torn));
            byte[] cut = bytes.clone();
            boolean garbage = torn % 2 == 0;
            for (int i = torn; i < cut.length; i++) {
                cut[i] = garbage ? (byte) (i * 31 + torn) : 0;
            }
            if (Arrays.mismatch(cut, 0, (int) after, bytes, 0, (int) after) < 0) {
                continue;
            }
            boolean tornBytes = Arrays.mismatch(cut, 0, (int) before + RecordHeader.BYTES + 700, bytes, 0, (int) before + RecordHeader.BYTES + 700) >= 0;
            Files.write(Segment.file(mine, 1), cut);
            try (ChunkStore store = open(mine, SMALL)) {
                assertTrue(store.contains(key(1)));
                assertEquals(!tornBytes, store.contains(key(3)), "torn at " + torn);
                append(store, 4, 50);
                append(store, 5, 500);
            }
            Map<Integer, Integer> model = new HashMap<>(Map.of(1, 300, 4, 50, 5, 500));
            if (!tornBytes) {
                model.put(3, 700);
            }
            assertHolds(mine, model);
        }
    }

    @Test
    void aDamagedRecordIsNotGivenOutAndIsNamed() throws IOException {
        try (ChunkStore store = open(folder, SMALL)) {
            for (int i = 0; i < 20; i++) {
                append(store, i, 900);
            }
        }
        try (FileChannel file = FileChannel.open(Segment.file(folder, 1), StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.wrap(new byte[] {1, 2, 3}), Segment.HEADER_BYTES + RecordHeader.space(900) + RecordHeader.BYTES + 10);
        }
        try (StoreReader reader = StoreReader.open(folder)) {
            assertTrue(reader.find(key(1)).isEmpty());
            assertEquals(List.of(key(1)), reader.verify().damaged());
            assertEquals(19, reader.verify().records());
        }
        try (ChunkStore store = open(folder, SMALL)) {
            Set<StoreKey> live = new HashSet<>();
            for (int i = 0; i < 20; i++) {
                live.add(key(i));
            }
            assertEquals(0, store.collect(live, true).removed());
            live.remove(key(0));
            assertEquals(2, store.collect(live, true).removed(), "what is damaged is not copied");
        }
    }

    @Test
    void keysAreChecked() {
        assertThrows(IllegalArgumentException.class, () -> new StoreKey("ab"));
        assertThrows(IllegalArgumentException.class, () -> new StoreKey("G".repeat(128)));
        assertEquals("00".repeat(64), StoreKey.of(HexFormat.of().parseHex("00".repeat(64))).hex());
    }

    static void delete(Path folder) throws IOException {
        List<Path> all = new ArrayList<>();
        try (Stream<Path> files = Files.walk(folder)) {
            files.forEach(all::add);
        }
        for (Path file : all.reversed()) {
            Files.delete(file);
        }
    }
}
