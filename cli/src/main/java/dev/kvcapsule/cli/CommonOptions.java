package dev.kvcapsule.cli;

import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import picocli.CommandLine.Option;
import picocli.CommandLine;

/** Options that every command takes which works on a cache. */
final class CommonOptions extends OutputOptions {
    @Option(names = "--threads", paramLabel = "N", description = "Worker threads (default: one a processor).")
    private int threads;

    @Option(names = "--device", paramLabel = "cpu|cuda|auto", defaultValue = "auto", description = "Where kernels run (default: ${DEFAULT-VALUE}).")
    private String device;

    private DeviceChoice choice;

    /** Says that a capsule is open to anyone. */
    void noteUnsealed(String capsule) {
        err().println("capsule: note: " + capsule + " is not sealed: whoever has it can read and change it");
    }

    /** Worker threads. */
    int threads() {
        if (threads < 0 || threads > 1024) {
            throw new CommandLine.ParameterException(commandLine(), "--threads " + threads + " is not between 1 and 1024");
        }
        return threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
    }

    /**
     * @param codec what is coded with
     * @param rawBytes how much there is to do: kernels that need compiling first are not worth it for little
     * @param progress hears how far it is
     * @param bases where shared bases are found
     */
    PipelineOptions pipeline(CodecSpec codec, long rawBytes, Progress progress, Bases bases) {
        choice = DeviceChoice.of(device, codec, ColdStart.kernels(codec, rawBytes));
        // One thread's tile is computed while another's is copied; a third is written.
        return new PipelineOptions(choice.isDevice() ? Math.max(2, threads()) : threads(), choice.kernels(), progress, bases);
    }

    /** Says where kernels ran, once {@link #pipeline} has chosen. */
    void report(JsonReport json) {
        if (choice != null) {
            json.put("device", choice.name());
            if (choice.whyNoDevice() != null) {
                json.put("why_no_device", choice.whyNoDevice());
            }
        }
    }

    /** Kernels for work that is not counted in bytes. */
    Kernels kernels() {
        return ColdStart.kernels(0);
    }
}
