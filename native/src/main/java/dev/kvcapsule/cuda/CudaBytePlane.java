package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.BytePlaneKernel;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@link BytePlaneKernel} on the device. */
final class CudaBytePlane implements BytePlaneKernel {
    private static final int SYMBOLS = 256;

    private final Device device;
    private final HostOperands fallback;
    private final BytePlaneKernel host;

    CudaBytePlane(Device device, MemoryPlace memory, BytePlaneKernel host) {
        this.device = device;
        this.fallback = new HostOperands(device, memory);
        this.host = host;
    }

    @Override
    public void split(MemorySegment elements, int elementBytes, long count, MemorySegment planes) {
        run(Kernel.PLANES_SPLIT, elements, elementBytes, count, planes, (in, out) -> host.split(in, elementBytes, count, out));
    }

    @Override
    public void join(MemorySegment planes, int elementBytes, long count, MemorySegment elements) {
        run(Kernel.PLANES_JOIN, planes, elementBytes, count, elements, (in, out) -> host.join(in, elementBytes, count, out));
    }

    private void run(Kernel kernel, MemorySegment from, int elementBytes, long count, MemorySegment to, HostOperands.Work onHost) {
        long bytes = count * elementBytes;
        if (count == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            Parameters parameters = operation.parameters().put(operation.in(from, 0, bytes)).put(operation.out(to, 0, bytes)).put(0L).put(count).put(0).put(elementBytes);
            operation.launchFor(kernel, count, parameters);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(from.asSlice(0, bytes), to.asSlice(0, bytes), onHost);
        }
    }

    @Override
    public void count(MemorySegment symbols, long offset, long count, int period, int[][] histograms) {
        if (count == 0) {
            return;
        }
        if (count > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(count + " symbols at once");
        }
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            MemorySegment counts = arena.allocate(ValueLayout.JAVA_INT, (long) period * SYMBOLS);
            long at = operation.zeros(counts.byteSize());
            operation.fetch(at, counts);
            Parameters parameters = operation.parameters().put(operation.in(symbols, offset, count)).put(at).put(count).put(period).put(0);
            operation.launchFor(Kernel.HISTOGRAM, count, parameters);
            operation.finish();
            for (int p = 0; p < period; p++) {
                for (int s = 0; s < SYMBOLS; s++) {
                    histograms[p][s] += counts.getAtIndex(ValueLayout.JAVA_INT, (long) p * SYMBOLS + s);
                }
            }
        } catch (CudaOutOfMemoryException e) {
            fallback.run(symbols.asSlice(offset, count), MemorySegment.NULL, (in, nothing) -> host.count(in, 0, count, period, histograms));
        }
    }
}
