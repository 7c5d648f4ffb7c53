package dev.kvcapsule.bench;

import dev.kvcapsule.bench.ShortRunner.Series;
import dev.kvcapsule.engine.kernel.DeviceProvider;
import dev.kvcapsule.engine.kernel.Devices;
import dev.kvcapsule.engine.kernel.Kernels;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/**
 * {@code capsule bench}: all benchmarks in short form, in one process. Kernels that share a process also share what the compiler has learnt
 * about their callers, so JMH's figures, from processes of their own, can be higher.
 */
@Command(name = "capsule bench", mixinStandardHelpOptions = true, sortOptions = false,
        description = "Measures kernels, encoding and decoding against a memory copy, zstd and LZ4, in a minute or two.",
        footer = {"", "--jmh ARG...   runs the whole JMH suite instead; what follows goes to JMH (--jmh -h lists its options)"})
public final class ShortBench implements Callable<Integer> {
    private static final String JMH = "--jmh";
    private static final String CUDA = "cuda";
    private static final int WRONG_USAGE = 2;
    private static final double KERNEL_SHARE = 0.4;
    private static final double NANOS = 1e9;

    @Option(names = "--only", paramLabel = "REGEX", defaultValue = "", description = "Measure only what has this in its name.")
    private String only;

    @Option(names = "--list", description = "Print the names of all measurements and run none.")
    private boolean list;

    @Option(names = "--seconds", paramLabel = "N", defaultValue = "40", description = "About how long to measure once all is set up and warm (default: ${DEFAULT-VALUE}).")
    private int seconds;

    @Option(names = "--device", paramLabel = "cpu|cuda|auto", defaultValue = "auto", description = "Where kernels run (default: ${DEFAULT-VALUE}).")
    private String device;

    @Option(names = "--json", description = "Print one JSON object on standard output.")
    private boolean json;

    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    private final WorkloadSource workloads;

    /** Where the data comes from. */
    interface WorkloadSource {
        Workload open() throws IOException;
    }

    ShortBench(WorkloadSource workloads) {
        this.workloads = workloads;
    }

    /** Runs the benchmarks and ends the JVM: 0 if they ran, whatever they showed; 1 if a result was wrong; 2 for wrong usage. */
    public static void main(String[] args) throws IOException {
        int jmh = Arrays.asList(args).indexOf(JMH);
        if (jmh >= 0) {
            org.openjdk.jmh.Main.main(Arrays.copyOfRange(args, jmh + 1, args.length));
            return;
        }
        System.exit(commandLine(Workload::full).execute(args));
    }

    static CommandLine commandLine(WorkloadSource workloads) {
        CommandLine line = new CommandLine(new ShortBench(workloads));
        line.setParameterExceptionHandler((e, args) -> {
            e.getCommandLine().getErr().println("capsule: " + e.getMessage());
            return WRONG_USAGE;
        });
        return line;
    }

    @Override
    public Integer call() throws IOException {
        checkSeconds();
        PrintWriter out = spec.commandLine().getOut();
        List<String> kernels = new ArrayList<>(Kernels.whyNotPanama() == null ? List.of("panama", "scalar") : List.of("scalar"));
        if (kernels.size() == 1) {
            spec.commandLine().getErr().println("capsule: note: scalar kernels only: " + Kernels.whyNotPanama());
        }
        if (isOnDevice()) {
            kernels.addFirst(CUDA);
        }
        ShortSuite suite = new ShortSuite(kernels);
        List<ShortCase> single = chosen(suite.kernels());
        List<ShortCase> whole = chosen(suite.wholeCaches());
        if (single.isEmpty() && whole.isEmpty()) {
            throw new ParameterException(spec.commandLine(), "--only " + only + " matches nothing; --list has the names");
        }
        if (list) {
            single.forEach(one -> out.println(one.name()));
            whole.forEach(one -> out.println(one.name()));
            return 0;
        }
        long start = System.nanoTime();
        try (Workload workload = workloads.open()) {
            Map<ShortCase, Series> measured = new LinkedHashMap<>();
            ShortRunner runner = new ShortRunner(workload, this::progress);
            stage(runner, single, whole.isEmpty() ? 1 : KERNEL_SHARE, measured);
            stage(runner, whole, single.isEmpty() ? 1 : 1 - KERNEL_SHARE, measured);
            progress("");
            ShortReport report = new ShortReport(workload, measured, (System.nanoTime() - start) / NANOS);
            if (json) {
                out.println(report.json());
            } else {
                report.print(out);
            }
        }
        return 0;
    }

    private void stage(ShortRunner runner, List<ShortCase> cases, double share, Map<ShortCase, Series> measured) throws IOException {
        if (!cases.isEmpty()) {
            measured.putAll(runner.run(cases, (long) (share * seconds * NANOS)));
        }
    }

    private void checkSeconds() {
        if (seconds < 0) {
            throw new ParameterException(spec.commandLine(), "--seconds " + seconds + " is negative");
        }
    }

    /** Whether a device is asked for, or welcome and there. */
    private boolean isOnDevice() {
        String why = Devices.provider(CUDA).map(DeviceProvider::whyNot).orElse(null);
        boolean there = why == null && Devices.provider(CUDA).isPresent();
        return switch (device) {
            case "cpu" -> false;
            case "auto" -> there;
            case CUDA -> {
                if (!there) {
                    throw new ParameterException(spec.commandLine(), "--device cuda: " + (why == null ? "no module for it is on the class path" : why));
                }
                yield true;
            }
            default -> throw new ParameterException(spec.commandLine(), "--device " + device + " is none of cpu, cuda, auto");
        };
    }

    private List<ShortCase> chosen(List<ShortCase> cases) {
        try {
            Pattern pattern = Pattern.compile(only);
            return cases.stream().filter(one -> pattern.matcher(one.name()).find()).toList();
        } catch (PatternSyntaxException e) {
            throw new ParameterException(spec.commandLine(), "--only " + only + " is no regular expression: " + e.getDescription());
        }
    }

    /** One line on a terminal, written over and over. */
    private void progress(String text) {
        if (System.console() != null && System.console().isTerminal()) {
            PrintWriter err = spec.commandLine().getErr();
            err.printf("\r%-40s%s", text, text.isEmpty() ? "\r" : "");
            err.flush();
        }
    }
}
