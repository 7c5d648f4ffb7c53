package dev.kvcapsule.bench;

import dev.kvcapsule.store.ChunkStore;
import dev.kvcapsule.store.StoreKey;
import dev.kvcapsule.store.StoreReader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** How fast the store of chunks takes and gives chunks, against copying a file of the same size in the same run; both are on the disk when the clock stops. */
@Command(name = "store-figures", mixinStandardHelpOptions = true, description = "Appends and reads chunks of 786 kB, against a file copy.")
public final class StoreFigures implements Callable<Integer> {
    private static final int CHUNK_BYTES = 786_000;
    private static final int CHUNKS = 400;
    private static final int ROUNDS = 5;
    private static final double NANOS = 1e9;

    @Parameters(paramLabel = "DIR", description = "An empty folder on the disk that is to be measured.")
    private Path folder;

    /** Made by its command line. */
    public StoreFigures() {}

    /** Runs it. */
    public static void main(String[] args) {
        System.exit(new CommandLine(new StoreFigures()).execute(args));
    }

    @Override
    public Integer call() throws IOException {
        byte[] random = new byte[CHUNK_BYTES];
        new Random(1).nextBytes(random);
        double megabytes = (double) CHUNK_BYTES * CHUNKS / 1e6;
        try (Arena arena = Arena.ofShared()) {
            MemorySegment chunk = arena.allocateFrom(ValueLayout.JAVA_BYTE, random);
            for (int round = 0; round < ROUNDS; round++) {
                Path store = folder.resolve("store" + round);
                long start = System.nanoTime();
                append(store, chunk);
                double append = (System.nanoTime() - start) / NANOS;
                start = System.nanoTime();
                read(store);
                double read = (System.nanoTime() - start) / NANOS;
                Path file = folder.resolve("file" + round);
                write(file, chunk);
                start = System.nanoTime();
                copy(file, folder.resolve("copy" + round));
                double copy = (System.nanoTime() - start) / NANOS;
                System.out.printf(Locale.ROOT, "append %.0f MB/s, read and check %.0f MB/s, file copy %.0f MB/s%n", megabytes / append, megabytes / read, megabytes / copy);
            }
        }
        return 0;
    }

    private static StoreKey key(int number) {
        return new StoreKey(String.format(Locale.ROOT, "%0128x", number));
    }

    private static void append(Path folder, MemorySegment chunk) throws IOException {
        try (ChunkStore store = ChunkStore.open(folder, ChunkStore.Limits.of(1L << 40), Duration.ZERO, InstantSource.system())) {
            for (int c = 0; c < CHUNKS; c++) {
                store.append(key(c), Instant.MAX.minusSeconds(1), chunk);
            }
            store.commit();
        }
    }

    private static void read(Path folder) throws IOException {
        try (StoreReader store = StoreReader.open(folder)) {
            for (int c = 0; c < CHUNKS; c++) {
                store.find(key(c)).orElseThrow();
            }
        }
    }

    private static void write(Path file, MemorySegment chunk) throws IOException {
        try (FileChannel out = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            for (int c = 0; c < CHUNKS; c++) {
                out.write(chunk.asByteBuffer());
            }
            out.force(true);
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.copy(from, to);
        try (FileChannel out = FileChannel.open(to, StandardOpenOption.WRITE)) {
            out.force(true);
        }
    }
}
