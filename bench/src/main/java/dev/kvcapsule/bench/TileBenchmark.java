package dev.kvcapsule.bench;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What all benchmarks have in common. Every call of a benchmark method works on the next piece of the {@link Workload}, adds its bytes to an
 * {@link Amount}, and leaves its result where {@link #verify} finds it.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(value = 1, jvmArgsAppend = {
    "--add-modules=jdk.incubator.vector",
    "--enable-native-access=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
    // On a busy machine compiled code would come too late for the warm-up.
    "-XX:-BackgroundCompilation"})
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 1)
public abstract class TileBenchmark {
    private static final byte POISON = (byte) 0xff;

    private Arena arena;
    private Workload workload;
    private boolean ownsWorkload;

    /** For subclasses. */
    protected TileBenchmark() {}

    /** Sets another workload than the full one; to be called before {@link #setup}. */
    final TileBenchmark on(Workload shared) {
        workload = shared;
        return this;
    }

    final Workload workload() {
        return workload;
    }

    /**
     * Makes everything ready, calls every benchmark method once and checks what it did.
     *
     * @throws IOException if the data cannot be had
     * @throws IllegalStateException if a result is wrong
     */
    @Setup
    public void setup() throws IOException {
        arena = Arena.ofShared();
        if (workload == null) {
            workload = Workload.full();
            ownsWorkload = true;
        }
        prepare(arena);
        workload.target().fill(POISON);
        runAll(new Amount());
        verify();
    }

    /** Frees the memory. */
    @TearDown
    public void tearDown() {
        arena.close();
        if (ownsWorkload) {
            workload.close();
        }
    }

    /** Whether threads of its own do the work, so that it is timed by the clock and not by what this thread takes of a processor. */
    boolean hasOwnThreads() {
        return false;
    }

    /** Allocates and fills what the benchmark methods need. */
    abstract void prepare(Arena arena) throws IOException;

    /** Calls every benchmark method once. */
    abstract void runAll(Amount amount) throws IOException;

    /** @throws IllegalStateException if what the last call of any benchmark method left behind is wrong */
    abstract void verify() throws IOException;
}
