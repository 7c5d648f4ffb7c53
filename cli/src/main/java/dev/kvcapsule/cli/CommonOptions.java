package dev.kvcapsule.cli;

import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import java.util.Set;
import picocli.CommandLine.Option;
import picocli.CommandLine;

/** Options that every command takes which works on a cache. */
final class CommonOptions extends OutputOptions {
    /** Codecs of which a device decodes a tile by one warp, which takes milliseconds, and leaves the rest of it to others. */
    private static final Set<String> CHAINED_CODECS = Set.of("klt");

    /** Such tiles that are under way at once, unless the user says how many threads there are. */
    private static final int CHAINED_TILES = 8;

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
        choice = DeviceChoice.of(device, ColdStart.kernels(codec, rawBytes));
        return new PipelineOptions(choice.isDevice() ? tilesOnDevice(codec) : threads(), choice.kernels(), progress, bases);
    }

    /** Tiles that a device has at once. One thread's is computed while another's is copied; a third is written. */
    private int tilesOnDevice(CodecSpec codec) {
        boolean chains = threads == 0 && CHAINED_CODECS.contains(codec.name());
        return Math.max(chains ? CHAINED_TILES : 2, threads());
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
