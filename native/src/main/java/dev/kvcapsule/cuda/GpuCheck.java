package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.Kernels;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Runs every kernel on a real GPU, compares its bytes with the scalar kernels', and measures it against the device's own copy bandwidth in the same run. {@code scripts/gpu-check.sh} starts it; it needs
 * nothing but a driver and a Java runtime.
 */
public final class GpuCheck {
    /** Everything is as it should be. */
    static final int GOOD = 0;
    /** A kernel gives other bytes than the processor. */
    static final int DIFFERENT = 1;
    /** There is no GPU. */
    static final int NO_GPU = 69;

    /** A line of the table; no speed where there is nothing to measure. */
    record Line(String what, boolean same, double gigabytes, String note) {}

    private GpuCheck() {}

    /** Prints the table. Exit code 0 if all bytes are the processor's, 1 if not, 69 without a GPU. */
    public static void main(String[] args) {
        System.exit(run(System.out, 1 << 15, 20));
    }

    /**
     * @param out receives the table
     * @param tokens of the tensors that are measured; their rows have 1,024 channels
     * @param rounds launches of a measurement
     * @return the exit code
     */
    static int run(PrintStream out, int tokens, int rounds) {
        try (CudaKernels cuda = CudaKernels.open()) {
            CudaContext context = cuda.context();
            out.printf(Locale.ROOT, "%s, compute capability %s, %d processors, driver of CUDA %s, %d MiB%n", context.name(), context.capability(), context.multiprocessors(),
                    context.driverVersion(), context.memoryBytes()[1] >> 20);
            GpuSpeed speed = new GpuSpeed(cuda, tokens, rounds);
            double copy = speed.copy();
            List<Line> lines = new ArrayList<>();
            lines.add(new Line("copy within the device, read and written", true, copy, ""));
            lines.addAll(speed.bus());
            lines.add(speed.launches());
            lines.addAll(new GpuKernels(cuda, Kernels.scalar(), tokens, rounds).lines());
            out.printf(Locale.ROOT, "%-58s %-8s %9s %8s  %s%n", "what", "bytes", "GB/s", "of copy", "");
            for (Line line : lines) {
                out.printf(Locale.ROOT, "%-58s %-8s %9s %8s  %s%n", line.what(), line.same() ? "same" : "DIFFER", line.gigabytes() > 0 ? "%.1f".formatted(line.gigabytes()) : "",
                        line.gigabytes() > 0 ? "%.2f".formatted(line.gigabytes() / copy) : "", line.note());
            }
            return lines.stream().allMatch(Line::same) ? GOOD : DIFFERENT;
        } catch (IllegalStateException e) {
            out.println("no GPU: " + e.getMessage());
            return NO_GPU;
        }
    }
}
