package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.GpuCheck.Line;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Locale;

/** How fast a device copies and launches: what kernels are held against. */
final class GpuSpeed {
    private static final long PIECE = PinnedRing.BYTES;
    private static final int LAUNCHES = 2000;

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

    /** What a launch costs the thread that asks for it. */
    Line launches() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment there = cuda.context().allocate(arena, 64);
            Lane lane = cuda.device().lane();
            double[] spent = new double[2];
            for (int round = 0; round < 2; round++) {
                try (Operation operation = cuda.device().begin()) {
                    long start = System.nanoTime();
                    for (int i = 0; i < LAUNCHES; i++) {
                        operation.launch(Kernel.CONVERT_TO_F32, 1, 1, Operation.THREADS, 0,
                                operation.parameters().put(there.address()).put(there.address() + 8).put(0L).put(1L).put(0).put(0));
                    }
                    spent[0] = (System.nanoTime() - start) / 1e3 / LAUNCHES;
                    lane.stream().synchronize();
                    spent[1] = (System.nanoTime() - start) / 1e3 / LAUNCHES;
                }
            }
            return new Line("launch of a kernel from Java", true, 0, String.format(Locale.ROOT, "%.2f us to ask for, %.2f us until done", spent[0], spent[1]));
        }
    }
}
