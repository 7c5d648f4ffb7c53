package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.GpuCheck.Line;
import dev.kvcapsule.engine.kernel.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** How fast a device copies and launches: what kernels are held against. */
final class GpuSpeed {
    private static final long PIECE = PinnedRing.BYTES;
    /** Fewer than a stream takes before it lets the host wait. */
    private static final int LAUNCHES = 500;
    /** Times the rounds of a measurement: after 60 the code that launches is compiled. */
    private static final int LAUNCH_ROUNDS = 3;
    private static final int TRIES = 5;
    private static final int CALLS = 20;

    private final CudaKernels cuda;
    private final long bytes;
    private final int rounds;

    GpuSpeed(CudaKernels cuda, int tokens, int rounds) {
        this.cuda = cuda;
        this.bytes = 2L * tokens * GpuKernels.CHANNELS;
        this.rounds = rounds;
    }

    /** Some work that is queued. */
    interface Work {
        void queue();
    }

    /** Seconds of one round of work on a stream, of many in a row. */
    static double seconds(CudaStream stream, int rounds, Work work) {
        work.queue();
        stream.synchronize();
        long start = System.nanoTime();
        for (int i = 0; i < rounds; i++) {
            work.queue();
        }
        stream.synchronize();
        return (System.nanoTime() - start) / 1e9 / rounds;
    }

    /**
     * Seconds that the kernels of some work take on the device, without what the host does and waits for around them: what launching each of them more often adds, the median of some tries.
     *
     * @param work of the calling thread, that may be done again and again
     */
    double kernelSeconds(Work work) {
        Lane lane = cuda.device().lane();
        double[] tries = new double[TRIES];
        for (int i = 0; i < TRIES; i++) {
            double once = seconds(lane.stream(), TRIES, work);
            lane.launches(1 + rounds);
            try {
                tries[i] = (seconds(lane.stream(), 1, work) - once) / rounds;
            } finally {
                lane.launches(1);
            }
        }
        Arrays.sort(tries);
        return Math.max(tries[TRIES / 2], 1e-9);
    }

    /** Bandwidth of a copy within the device, GB/s read and written together. */
    double copy() {
        try (Arena arena = Arena.ofShared(); CudaStream stream = new CudaStream(cuda.context())) {
            MemorySegment a = cuda.context().allocate(arena, bytes);
            MemorySegment b = cuda.context().allocate(arena, bytes);
            return 2 * bytes / seconds(stream, rounds, () -> stream.copy(a.address(), b.address(), bytes)) / 1e9;
        }
    }

    /** Both directions of the bus, in pieces of 8 MiB of pinned memory. */
    List<Line> bus() {
        try (Arena arena = Arena.ofShared(); CudaStream stream = new CudaStream(cuda.context())) {
            MemorySegment pinned = cuda.context().allocatePinned(arena, PIECE);
            MemorySegment there = cuda.context().allocate(arena, PIECE);
            double up = PIECE / seconds(stream, rounds, () -> stream.upload(pinned, there.address(), PIECE)) / 1e9;
            double down = PIECE / seconds(stream, rounds, () -> stream.download(there.address(), pinned, PIECE)) / 1e9;
            return List.of(new Line("to the device from pinned memory, 8 MiB at a time", true, up, ""), new Line("from the device to pinned memory, 8 MiB at a time", true, down, ""));
        }
    }

    /** What a call costs that has the host wait: a word is cleared, a kernel launched, the word fetched. */
    Line waits() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment there = cuda.context().allocate(arena, 64);
            double seconds = Double.MAX_VALUE;
            for (int round = 0; round < LAUNCH_ROUNDS * rounds; round++) {
                long start = System.nanoTime();
                for (int i = 0; i < CALLS; i++) {
                    try (Operation operation = cuda.device().begin()) {
                        operation.findInfinite(ElementType.F16, there.address(), 1, operation.newFlags());
                        operation.finish();
                    }
                }
                seconds = Math.min(seconds, (System.nanoTime() - start) / 1e3 / CALLS);
            }
            return new Line("a call that waits for a kernel's answer", true, 0, String.format(Locale.ROOT, "%.1f us", seconds));
        }
    }

    /** What a launch costs the thread that asks for it. */
    Line launches() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment there = cuda.context().allocate(arena, 64);
            Lane lane = cuda.device().lane();
            double[] spent = {Double.MAX_VALUE, Double.MAX_VALUE};
            for (int round = 0; round < LAUNCH_ROUNDS * rounds; round++) {
                try (Operation operation = cuda.device().begin()) {
                    long start = System.nanoTime();
                    for (int i = 0; i < LAUNCHES; i++) {
                        operation.launch(Kernel.CONVERT_TO_F32, 1, 1, Operation.THREADS, 0,
                                operation.parameters().put(there.address()).put(there.address() + 8).put(0L).put(1L).put(0).put(0));
                    }
                    spent[0] = Math.min(spent[0], (System.nanoTime() - start) / 1e3 / LAUNCHES);
                    lane.stream().synchronize();
                    spent[1] = Math.min(spent[1], (System.nanoTime() - start) / 1e3 / LAUNCHES);
                }
            }
            return new Line("launch of a kernel from Java", true, 0, String.format(Locale.ROOT, "%.2f us to ask for, %.2f us until done", spent[0], spent[1]));
        }
    }
}
