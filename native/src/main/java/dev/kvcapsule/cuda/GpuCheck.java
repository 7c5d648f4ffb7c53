package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.Kernels;
import java.io.PrintStream;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Runs every kernel on a real GPU, compares its bytes with the scalar kernels', and measures those on f16 rows against the device's own copy bandwidth in the same run. {@code scripts/gpu-check.sh}
 * starts it; it needs nothing but a driver and a Java runtime.
 */
public final class GpuCheck {
    /** Everything is as it should be. */
    static final int GOOD = 0;
    /** A kernel gives other bytes than the processor, or was not compared. */
    static final int DIFFERENT = 1;
    /** A GPU or its driver failed; the command's exit code for that. */
    static final int FAILED = 5;
    /** There is no GPU. */
    static final int NO_GPU = 69;

    /** CUDA_ERROR_NO_DEVICE: a driver without a device. */
    private static final int NO_DEVICE = 100;

    /** A line of the table; no speed where there is nothing to measure. */
    record Line(String what, boolean same, double gigabytes, String note) {}

    private final PrintStream out;
    private boolean allSame = true;

    private GpuCheck(PrintStream out) {
        this.out = out;
    }

    /** Prints the table. Exit code 0 if all bytes are the processor's, 1 if not, 5 if the GPU or its driver fails, 69 without a GPU. */
    public static void main(String[] args) {
        System.exit(run(System.out, 1 << 15, 20));
    }

    /**
     * @param out receives the table, line by line
     * @param tokens of the tensors that are measured; their rows have 1,024 channels
     * @param rounds launches of a measurement
     * @return the exit code
     */
    static int run(PrintStream out, int tokens, int rounds) {
        CudaKernels cuda;
        try {
            cuda = CudaKernels.open();
        } catch (IllegalStateException e) {
            return ended(out, "no GPU", e, NO_GPU);
        } catch (CudaException e) {
            return e.code() == NO_DEVICE ? ended(out, "no GPU", e, NO_GPU) : ended(out, "failed", e, FAILED);
        }
        // Whatever goes wrong from here on is no want of a GPU.
        try (cuda) {
            return new GpuCheck(out).table(cuda, tokens, rounds);
        } catch (RuntimeException e) {
            return ended(out, "failed", e, FAILED);
        }
    }

    private static int ended(PrintStream out, String how, RuntimeException why, int exit) {
        out.println(how + ": " + (why instanceof IllegalStateException || why instanceof CudaException ? why.getMessage() : why));
        out.flush();
        return exit;
    }

    private int table(CudaKernels cuda, int tokens, int rounds) {
        CudaContext context = cuda.context();
        out.printf(Locale.ROOT, "%s, compute capability %s, %d processors, driver of CUDA %s, %d MiB%n", context.name(), context.capability(), context.multiprocessors(),
                context.driverVersion(), context.memoryBytes()[1] >> 20);
        out.printf(Locale.ROOT, "%-58s %-8s %9s %8s  %s%n", "what", "bytes", "GB/s", "of copy", "");
        GpuSpeed speed = new GpuSpeed(cuda, tokens, rounds);
        double copy = speed.copy();
        print(new Line("copy within the device, read and written", true, copy, ""), copy);
        speed.bus().forEach(line -> print(line, copy));
        print(speed.launches(), copy);
        print(speed.waits(), copy);
        // What has been launched until now was only measured.
        cuda.device().functions().takeLaunched();
        new GpuKernels(cuda, Kernels.scalar(), speed, tokens, rounds, line -> print(line, copy)).run();
        Set<Kernel> compared = cuda.device().functions().takeLaunched();
        print(new GpuRestore(cuda, tokens, rounds).line(), copy);
        out.println("compared: " + names(compared));
        Set<Kernel> missing = EnumSet.allOf(Kernel.class);
        missing.removeAll(compared);
        if (!missing.isEmpty()) {
            out.println("not compared: " + names(missing));
        }
        out.flush();
        return allSame && missing.isEmpty() ? GOOD : DIFFERENT;
    }

    private static String names(Set<Kernel> kernels) {
        return kernels.stream().map(Kernel::symbol).collect(Collectors.joining(", "));
    }

    /** At once: of a run that ends early, what was found is worth having. */
    private void print(Line line, double copy) {
        allSame &= line.same();
        out.printf(Locale.ROOT, "%-58s %-8s %9s %8s  %s%n", line.what(), line.same() ? "same" : "DIFFER", line.gigabytes() > 0 ? "%.1f".formatted(line.gigabytes()) : "",
                line.gigabytes() > 0 ? "%.2f".formatted(line.gigabytes() / copy) : "", line.note());
        out.flush();
    }
}
