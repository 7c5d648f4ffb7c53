package dev.kvcapsule.engine.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class OrderedRingTest {
    private static final class Cell extends OrderedRing.Slot {
        int input;
        int output;
    }

    /** Counts open workers, and fails where it is told to. */
    private static final class Squares {
        final AtomicInteger open = new AtomicInteger();
        int failAt = -1;
        Throwable failure;

        OrderedRing.Worker<Cell> worker() {
            open.incrementAndGet();
            return new OrderedRing.Worker<>() {
                @Override
                public void work(Cell cell) throws IOException {
                    if (ThreadLocalRandom.current().nextInt(8) == 0) {
                        Thread.yield();
                    }
                    if (cell.input == failAt) {
                        switch (failure) {
                            case IOException e -> throw e;
                            case RuntimeException e -> throw e;
                            case Error e -> throw e;
                            default -> throw new AssertionError(failure);
                        }
                    }
                    cell.output = cell.input * cell.input;
                }

                @Override
                public void close() {
                    open.decrementAndGet();
                }
            };
        }
    }

    private static List<Cell> slots(int count) {
        List<Cell> slots = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            slots.add(new Cell());
        }
        return slots;
    }

    private static List<Integer> run(int threads, int slots, int jobs, Squares squares) throws IOException {
        List<Integer> out = new ArrayList<>();
        new OrderedRing<>(threads, slots(slots), squares::worker).run(jobs, new OrderedRing.Stage<>() {
            @Override
            public void feed(int job, Cell slot) {
                slot.input = job;
            }

            @Override
            public void drain(int job, Cell slot) {
                assertEquals(job, slot.input);
                out.add(slot.output);
            }
        });
        assertEquals(0, squares.open.get());
        assertNoThreads();
        return out;
    }

    private static void assertNoThreads() {
        assertTrue(Thread.getAllStackTraces().keySet().stream().noneMatch(thread -> thread.getName().startsWith("kvcapsule-tile-")));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void resultsComeInOrderWhateverTheThreads(int threads) throws IOException {
        for (int slots : new int[] {1, 2, 5, 17}) {
            for (int jobs : new int[] {0, 1, 2, 3, 100}) {
                List<Integer> out = run(threads, slots, jobs, new Squares());
                assertEquals(jobs, out.size());
                for (int i = 0; i < jobs; i++) {
                    assertEquals(i * i, out.get(i));
                }
            }
        }
    }

    @Test
    void aFailureOfAWorkerIsWhatTheCallerGets() {
        for (Throwable failure : List.of(new IOException("a"), new IllegalStateException("b"), new AssertionError("c"), new StackOverflowError("d"))) {
            for (int at : new int[] {0, 1, 50, 99}) {
                Squares squares = new Squares();
                squares.failAt = at;
                squares.failure = failure;
                assertSame(failure, assertThrows(Throwable.class, () -> run(3, 7, 100, squares)));
                assertEquals(0, squares.open.get());
                assertNoThreads();
            }
        }
    }

    @Test
    void aWorkerThatCannotBeMadeEndsTheRun() {
        IllegalStateException failure = new IllegalStateException("no memory");
        OrderedRing<Cell> ring = new OrderedRing<>(2, slots(5), () -> {
            throw failure;
        });
        OrderedRing.Stage<Cell> stage = new OrderedRing.Stage<>() {
            @Override
            public void feed(int job, Cell slot) {}

            @Override
            public void drain(int job, Cell slot) {}
        };
        assertSame(failure, assertThrows(IllegalStateException.class, () -> ring.run(10, stage)));
        assertNoThreads();
    }

    @Test
    void aFailureOfTheCallersStageEndsTheThreads() {
        for (boolean feeding : new boolean[] {true, false}) {
            IOException failure = new IOException("disk full");
            Squares squares = new Squares();
            OrderedRing<Cell> ring = new OrderedRing<>(3, slots(7), squares::worker);
            OrderedRing.Stage<Cell> stage = new OrderedRing.Stage<>() {
                @Override
                public void feed(int job, Cell slot) throws IOException {
                    if (feeding && job == 20) {
                        throw failure;
                    }
                }

                @Override
                public void drain(int job, Cell slot) throws IOException {
                    if (!feeding && job == 20) {
                        throw failure;
                    }
                }
            };
            assertSame(failure, assertThrows(IOException.class, () -> ring.run(100, stage)));
            assertEquals(0, squares.open.get());
            assertNoThreads();
        }
    }

    @Test
    void theFirstFailureInOrderWins() {
        IOException first = new IOException("job 3");
        for (int round = 0; round < 20; round++) {
            OrderedRing<Cell> ring = new OrderedRing<>(4, slots(9), () -> new OrderedRing.Worker<>() {
                @Override
                public void work(Cell cell) throws IOException {
                    if (cell.input == 3) {
                        Thread.yield();
                        throw first;
                    }
                    if (cell.input > 3) {
                        throw new IllegalStateException("job " + cell.input);
                    }
                }

                @Override
                public void close() {}
            });
            assertSame(first, assertThrows(Exception.class, () -> ring.run(9, new OrderedRing.Stage<>() {
                @Override
                public void feed(int job, Cell slot) {
                    slot.input = job;
                }

                @Override
                public void drain(int job, Cell slot) {}
            })));
        }
    }

    @Test
    void anInterruptIsKeptForTheCallerAndLosesNothing() throws IOException {
        Thread.currentThread().interrupt();
        assertEquals(100, run(2, 5, 100, new Squares()).size());
        assertTrue(Thread.interrupted());
    }

    @Test
    void atLeastOneThreadIsNeeded() {
        assertThrows(IllegalArgumentException.class, () -> new PipelineOptions(0, null, Progress.NONE));
    }
}
