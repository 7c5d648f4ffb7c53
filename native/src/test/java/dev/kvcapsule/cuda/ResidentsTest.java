package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A basis that stays on the device: sent once, never used after its end, given up when memory is short. */
class ResidentsTest {
    private static final int COMPONENTS = 40;
    private static final int WIDTH = 130;
    private static final int TOKENS = 5;
    private static final long BYTES = COMPONENTS * WIDTH + 2L * COMPONENTS * TransformBasis.runs(WIDTH);
    private static final long ROW_BYTES = 4L * TOKENS * WIDTH;

    private CudaKernels cuda;
    private Kernels kernels;

    @BeforeEach
    void open() {
        cuda = StandIn.open();
        kernels = cuda.kernels(Kernels.scalar());
    }

    @AfterEach
    void close() {
        if (cuda != null) {
            cuda.close();
            StandIn.memory(1L << 30);
            assertEquals(0, StandIn.alive());
        }
    }

    private static void fill(MemorySegment codes, MemorySegment scales, int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        for (long i = 0; i < codes.byteSize(); i++) {
            codes.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt(-127, 128));
        }
        for (long i = 0; i < scales.byteSize(); i += 2) {
            scales.set(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16((float) random.nextDouble(0.001, 0.01)));
        }
    }

    private static TransformBasis basis(Arena arena, int seed) {
        MemorySegment memory = arena.allocate(BYTES, 64);
        fill(memory.asSlice(0, COMPONENTS * WIDTH), memory.asSlice(COMPONENTS * WIDTH), seed);
        return new TransformBasis(memory.asSlice(0, COMPONENTS * WIDTH), memory.asSlice(COMPONENTS * WIDTH), COMPONENTS, WIDTH).lasting();
    }

    /** Projects rows and compares. @return bytes that crossed the bus, less the rows */
    private long project(TransformBasis basis) {
        long before = StandIn.uploaded();
        check(basis);
        return StandIn.uploaded() - before - ROW_BYTES;
    }

    private void check(TransformBasis basis) {
        try (Arena arena = Arena.ofConfined(); TransformScratch scratch = new TransformScratch()) {
            MemorySegment rows = arena.allocate(ROW_BYTES, 64);
            for (int i = 0; i < TOKENS * WIDTH; i++) {
                rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, i % 17 - 8);
            }
            MemorySegment expected = arena.allocate(4L * TOKENS * basis.components(), 64);
            MemorySegment actual = arena.allocate(4L * TOKENS * basis.components(), 64);
            Kernels.scalar().transform().analyze(basis, rows, 0, WIDTH, expected, 0, basis.components(), TOKENS, scratch);
            kernels.transform().analyze(basis, rows, 0, WIDTH, actual, 0, basis.components(), TOKENS, scratch);
            assertEquals(-1, expected.mismatch(actual));
        }
    }

    @Test
    void aBasisIsSentOnceAndItsPartsAreThereWithIt() {
        try (Arena arena = Arena.ofConfined()) {
            TransformBasis basis = basis(arena, 1);
            assertEquals(BYTES, project(basis.range(3, 20)));
            assertEquals(0, project(basis));
            assertEquals(0, project(basis.range(7, 33).range(1, 2)));
            assertEquals(BYTES, cuda.device().residents().bytes());
        }
    }

    @Test
    void aBasisThatMayChangeIsSentEveryTime() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment codes = arena.allocate(COMPONENTS * WIDTH, 64);
            MemorySegment scales = arena.allocate(BYTES - COMPONENTS * WIDTH, 64);
            TransformBasis basis = new TransformBasis(codes, scales, COMPONENTS, WIDTH);
            for (int seed = 0; seed < 3; seed++) {
                fill(codes, scales, seed);
                assertEquals(BYTES, project(basis));
            }
            assertEquals(0, cuda.device().residents().bytes());
        }
    }

    /** Mapped at the same place one after the other, as files are that the system finds the same hole for. */
    @Test
    void whatComesToThePlaceOfAClosedBasisIsNotTakenForIt(@TempDir Path folder) throws IOException {
        List<Long> addresses = new ArrayList<>();
        for (int seed = 0; seed < 4; seed++) {
            Path file = folder.resolve("basis" + seed);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment made = arena.allocate(BYTES, 64);
                fill(made.asSlice(0, COMPONENTS * WIDTH), made.asSlice(COMPONENTS * WIDTH), seed);
                Files.write(file, made.toArray(ValueLayout.JAVA_BYTE));
            }
            try (Arena arena = Arena.ofShared(); FileChannel channel = FileChannel.open(file)) {
                MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, BYTES, arena);
                addresses.add(mapped.address());
                TransformBasis basis = new TransformBasis(mapped.asSlice(0, COMPONENTS * WIDTH), mapped.asSlice(COMPONENTS * WIDTH), COMPONENTS, WIDTH).lasting();
                assertEquals(BYTES, project(basis));
                assertEquals(0, project(basis));
                // The closed one's copy is gone.
                assertEquals(BYTES, cuda.device().residents().bytes());
            }
        }
        assertTrue(addresses.stream().distinct().count() < addresses.size(), "no place was used again: " + addresses);
    }

    @Test
    void memoryThatNobodyHasAnyMoreIsNotKeptFromBeingGivenBack() throws InterruptedException {
        assertEquals(BYTES, project(basis(Arena.ofAuto(), 1)));
        try (Arena arena = Arena.ofConfined()) {
            TransformBasis other = basis(arena, 2);
            project(other);
            for (int i = 0; i < 200 && cuda.device().residents().bytes() > BYTES; i++) {
                System.gc();
                Thread.sleep(10);
                project(basis(Arena.ofAuto(), 3));
                project(other);
            }
            // That last one, at most, and the other.
            assertTrue(cuda.device().residents().bytes() <= 2 * BYTES, cuda.device().residents().bytes() + " bytes");
        }
    }

    @Test
    void anAutomaticBasisStaysAsLongAsSomebodyHasIt() throws InterruptedException {
        TransformBasis basis = basis(Arena.ofAuto(), 1);
        assertEquals(BYTES, project(basis));
        for (int i = 0; i < 5; i++) {
            System.gc();
            Thread.sleep(5);
            assertEquals(0, project(basis));
        }
    }

    @Test
    void whenMemoryIsShortItIsGivenBackAndComesAgain() {
        try (Arena arena = Arena.ofConfined(); Arena there = Arena.ofShared()) {
            TransformBasis basis = basis(arena, 1);
            project(basis);
            long[] memory = cuda.context().memoryBytes();
            // All that is left, and as much as the basis takes.
            cuda.context().allocate(there, memory[0] + BYTES);
            assertEquals(0, cuda.device().residents().bytes());
            // Sent for a call, as far as there is staging memory.
            assertTrue(project(basis) >= 0);
        }
        try (Arena arena = Arena.ofConfined()) {
            TransformBasis basis = basis(arena, 1);
            assertEquals(BYTES, project(basis));
            assertEquals(0, project(basis));
        }
    }

    @Test
    void withNextToNoMemoryTheProcessorProjects() {
        try (Arena arena = Arena.ofConfined()) {
            TransformBasis basis = basis(arena, 1);
            for (long bytes : new long[] {0, 100, ROW_BYTES, BYTES, 1 << 20, (1 << 20) + BYTES}) {
                StandIn.memory(bytes);
                check(basis);
                cuda.device().lane().shrink();
                cuda.device().residents().drop();
            }
        }
    }

    @Test
    void manyThreadsUseTheOneCopy() throws Exception {
        try (Arena arena = Arena.ofShared(); ExecutorService threads = Executors.newFixedThreadPool(4)) {
            TransformBasis basis = basis(arena, 1);
            long before = StandIn.uploaded();
            List<Future<?>> all = new ArrayList<>();
            int rounds = 40;
            for (int i = 0; i < rounds; i++) {
                all.add(threads.submit(() -> check(basis)));
            }
            for (Future<?> each : all) {
                each.get();
            }
            assertEquals(BYTES + rounds * ROW_BYTES, StandIn.uploaded() - before);
        }
    }

    /** While some drop it and others bring it back. */
    @Test
    void whatIsInUseIsNotTakenAway() throws Exception {
        try (Arena arena = Arena.ofShared(); ExecutorService threads = Executors.newFixedThreadPool(4)) {
            TransformBasis basis = basis(arena, 1);
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                int number = i;
                all.add(threads.submit(() -> {
                    if (number % 3 == 0) {
                        cuda.device().residents().drop();
                    }
                    check(basis);
                }));
            }
            for (Future<?> each : all) {
                each.get();
            }
        }
    }
}
