package dev.kvcapsule.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Measures cases in rounds: each round visits every case, a copy of the same memory just before each, so that a machine that slows down slows
 * both. What is reported are medians over the rounds. What runs on one thread is timed by that thread's processor time, which leaves out what
 * other programs take; a pipeline by the clock, with a copy as long and timed likewise.
 */
final class ShortRunner {
    /** How long a case runs at a time, at least one call. */
    private static final long BATCH_NANOS = 12_000_000;

    private static final long COPY_NANOS = 6_000_000;
    private static final long COPY_BY_CLOCK_NANOS = 40_000_000;
    private static final int WARM_CALLS = 100;
    private static final long MOST_WARM_NANOS = 1_500_000_000;
    private static final int MOST_WARM_BATCHES = 20;
    private static final double STILL_FASTER = 0.05;
    private static final int LEAST_ROUNDS = 3;
    private static final int MOST_ROUNDS = 25;

    private final Workload workload;
    private final CopyBenchmark copy = new CopyBenchmark();
    private final Amount amount = new Amount();
    private final Consumer<String> progress;
    private final ThreadMXBean threads = ManagementFactory.getThreadMXBean();

    /** @param progress hears what is being done */
    ShortRunner(Workload workload, Consumer<String> progress) {
        this.workload = workload;
        this.progress = progress;
    }

    /**
     * What a case did.
     *
     * @param rates 10^9 bytes a second, one a round
     * @param copies the same of the copy before it
     * @param ratio compression ratio; NaN if it has none
     */
    record Series(double[] rates, double[] copies, double ratio) {
        double rate() {
            return median(rates);
        }

        double ofCopy() {
            return over(copies);
        }

        /** Median of the quotients round by round. */
        double over(double[] others) {
            double[] quotients = new double[rates.length];
            Arrays.setAll(quotients, i -> rates[i] / others[i]);
            return median(quotients);
        }

        private static double median(double[] values) {
            double[] sorted = values.clone();
            Arrays.sort(sorted);
            int middle = sorted.length / 2;
            return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        }
    }

    /**
     * Sets up the benchmarks of these cases, all at once, and measures them.
     *
     * @param roundNanos after so long no further round begins, once there are three
     */
    Map<ShortCase, Series> run(List<ShortCase> cases, long roundNanos) throws IOException {
        Set<TileBenchmark> owners = new LinkedHashSet<>();
        cases.forEach(c -> owners.add(c.owner()));
        List<TileBenchmark> open = new ArrayList<>();
        try {
            copy.on(workload).setup();
            open.add(copy);
            for (TileBenchmark owner : owners) {
                progress.accept("setting up " + open.size() + " of " + owners.size());
                owner.on(workload).setup();
                open.add(owner);
            }
            warmUp(ShortCase.of("copy", copy, copy::tile));
            int warm = 0;
            for (ShortCase next : cases) {
                progress.accept("warming up " + ++warm + " of " + cases.size());
                warmUp(next);
            }
            return measure(cases, roundNanos);
        } finally {
            open.forEach(TileBenchmark::tearDown);
        }
    }

    /** Runs until everything that is hot has been compiled: code that waits for it is slow, so calls are counted, and time only where it is long. */
    private void warmUp(ShortCase one) throws IOException {
        if (one.owner().hasOwnThreads() || one.owner() instanceof CompressorBenchmark) {
            // One call does so much, or needs no compiler.
            one.step().run(amount);
            Compiler.awaitQuiet();
            return;
        }
        long start = threads.getCurrentThreadCpuTime();
        for (int call = 0; call < WARM_CALLS && threads.getCurrentThreadCpuTime() - start < MOST_WARM_NANOS; call++) {
            one.step().run(amount);
        }
        double before;
        double after = 0;
        int batches = 0;
        do {
            Compiler.awaitQuiet();
            before = after;
            after = rate(one.step(), BATCH_NANOS, true);
        } while (++batches < MOST_WARM_BATCHES && !(after < (1 + STILL_FASTER) * before));
    }

    private Map<ShortCase, Series> measure(List<ShortCase> cases, long roundNanos) throws IOException {
        double[][] rates = new double[cases.size()][MOST_ROUNDS];
        double[][] copies = new double[cases.size()][MOST_ROUNDS];
        int rounds = 0;
        long start = System.nanoTime();
        while (rounds < MOST_ROUNDS && (rounds < LEAST_ROUNDS || System.nanoTime() - start < roundNanos)) {
            progress.accept("measuring, round " + (rounds + 1));
            for (int c = 0; c < cases.size(); c++) {
                boolean pipeline = cases.get(c).owner().hasOwnThreads();
                copies[c][rounds] = rate(copy::tile, pipeline ? COPY_BY_CLOCK_NANOS : COPY_NANOS, !pipeline);
                rates[c][rounds] = rate(cases.get(c).step(), BATCH_NANOS, !pipeline);
            }
            rounds++;
        }
        Map<ShortCase, Series> measured = new LinkedHashMap<>();
        for (int c = 0; c < cases.size(); c++) {
            measured.put(cases.get(c), new Series(Arrays.copyOf(rates[c], rounds), Arrays.copyOf(copies[c], rounds), cases.get(c).compressionRatio().orElse(Double.NaN)));
        }
        return measured;
    }

    /** Bytes a nanosecond, of the clock or of this thread on a processor. */
    private double rate(ShortCase.Step step, long nanos, boolean thread) throws IOException {
        amount.bytes = 0;
        long start = System.nanoTime();
        long threadStart = threads.getCurrentThreadCpuTime();
        long elapsed;
        do {
            step.run(amount);
            elapsed = System.nanoTime() - start;
        } while (elapsed < nanos);
        return (double) amount.bytes / (thread && threadStart >= 0 ? threads.getCurrentThreadCpuTime() - threadStart : elapsed);
    }
}
