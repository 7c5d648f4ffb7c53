package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.GpuCheck.Line;
import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.QuantShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** 4-bit codes in pinned memory to rows on the device: two threads, so that one's codes come while the other's are restored. */
final class GpuRestore {
    private static final int THREADS = 2;

    private record Time(long start, long end) {}

    private final CudaKernels cuda;
    private final DeviceKernel device;
    private final DeviceMemory memory;
    private final int rounds;
    private final QuantShape shape;

    GpuRestore(CudaKernels cuda, int tokens, int rounds) {
        this.cuda = cuda;
        this.device = cuda.kernels(Kernels.scalar()).device();
        this.memory = new DeviceMemory(cuda.device());
        this.rounds = rounds;
        int count = (int) Math.min(tokens, PinnedRing.BYTES / (GpuKernels.CHANNELS / 2));
        this.shape = new QuantShape(QuantShape.Grouping.CHANNELS, 4, 32, ElementType.F16, ElementType.F16, count, GpuKernels.CHANNELS);
    }

    Line line() {
        try (Arena arena = Arena.ofShared(); ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
            MemorySegment pinned = cuda.context().allocatePinned(arena, shape.codeBytes());
            pinned.fill((byte) 0x35);
            CountDownLatch ready = new CountDownLatch(THREADS);
            List<Future<Time>> running = new ArrayList<>();
            for (int thread = 0; thread < THREADS; thread++) {
                running.add(threads.submit(() -> restore(pinned, ready)));
            }
            long start = Long.MAX_VALUE;
            long end = Long.MIN_VALUE;
            for (Future<Time> one : running) {
                start = Math.min(start, one.get().start());
                end = Math.max(end, one.get().end());
            }
            double rate = (double) THREADS * rounds * shape.codeBytes() / (end - start);
            return new Line("restore from pinned memory, GB/s of 4-bit codes", true, rate, "");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException runtime ? runtime : new IllegalStateException(e);
        }
    }

    /** What a thread needs once, its lane with pinned memory and a first round, is not timed. */
    private Time restore(MemorySegment pinned, CountDownLatch ready) throws InterruptedException {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment codes;
            MemorySegment parameters;
            DeviceKernel.Rows rows;
            CudaStream stream;
            try {
                cuda.context().enter();
                codes = memory.allocate(arena, shape.codeBytes());
                parameters = memory.allocate(arena, 2 * shape.parameters());
                rows = new DeviceKernel.Rows(memory.allocate(arena, shape.rowBytes()), ElementType.F16, null);
                memory.fill(parameters, (byte) 0x11);
                stream = cuda.device().lane().stream();
                round(stream, pinned, codes, parameters, rows);
                stream.synchronize();
            } finally {
                // After a failure too: the other thread does not wait for ever.
                ready.countDown();
            }
            ready.await();
            long start = System.nanoTime();
            for (int i = 0; i < rounds; i++) {
                round(stream, pinned, codes, parameters, rows);
            }
            stream.synchronize();
            return new Time(start, System.nanoTime());
        }
    }

    private void round(CudaStream stream, MemorySegment pinned, MemorySegment codes, MemorySegment parameters, DeviceKernel.Rows rows) {
        stream.upload(pinned, codes.address(), shape.codeBytes());
        device.dequantize(shape, codes, parameters, parameters, rows);
    }
}
