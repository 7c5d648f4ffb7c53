package dev.kvcapsule.cli;

import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Unmatched;

/** Benchmarks live in a module of their own, with libraries to compare against that the command does without; the script starts it. */
@Command(name = "bench", mixinStandardHelpOptions = true, description = "Runs the benchmarks in short form: kernels, encode and decode against a memory copy, zstd and LZ4.",
        footer = {"", "'./capsule bench --help' in a checkout lists its options."})
final class BenchCommand implements Callable<Integer> {
    @Unmatched
    private List<String> args;

    @Override
    public Integer call() {
        throw new Failures.UsageException("start benchmarks by the script: ./capsule bench");
    }
}
