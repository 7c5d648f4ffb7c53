package dev.kvcapsule.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Benchmarks live in a module of their own, with libraries to compare against that the command does without; the script starts it. */
@Command(name = "bench", mixinStandardHelpOptions = true, description = "Runs the benchmarks in short form: kernels, encode and decode against a memory copy, zstd and LZ4.")
final class BenchCommand implements Callable<Integer> {
    @Parameters(paramLabel = "ARG", description = "Arguments of the benchmark runner.", arity = "0..*")
    private String[] args;

    @Override
    public Integer call() {
        throw new Failures.UsageException("start benchmarks by the script: ./capsule bench");
    }
}
