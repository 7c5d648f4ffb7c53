package dev.kvcapsule.bench;

import dev.kvcapsule.cuda.CudaKernels;
import dev.kvcapsule.cuda.DeviceCache;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.memory.MemoryChannel;
import dev.kvcapsule.engine.memory.MemoryPlace;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.serving.files.FolderBases;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Caches that are in a GPU's memory, into capsules and back, against the same cache in the host's memory on the processor: GB/s of the cache, the best round of two seconds, and whether capsules and
 * restored rows are the processor's byte for byte.
 */
@Command(name = "DeviceFigures", mixinStandardHelpOptions = true, description = "Encodes and decodes caches in a GPU's memory. Exit code 1 if a byte is not the processor's, 69 without a GPU.")
public final class DeviceFigures implements Callable<Integer> {
    private static final int LAYERS = 30;
    /** Of the cache that is repeated. */
    private static final int SAMPLE_TOKENS = 512;
    /** Of each measurement: until code is compiled, and some. */
    private static final double SECONDS = 2;
    private static final int DIFFERENT = 1;
    private static final int NO_GPU = 69;

    @Option(names = "--tokens", paramLabel = "N", defaultValue = "8192", description = "Tokens, a multiple of 1,024 (default: 8192).")
    private int tokens;

    @Option(names = "--threads", paramLabel = "N", split = ",", defaultValue = "8", description = "Numbers of threads (default: 8).")
    private List<Integer> threads;

    @Option(names = "--basis", paramLabel = "FILE", description = "Shared basis, for the codecs klt.")
    private Path basis;

    @Parameters(paramLabel = "CODEC", arity = "1..*", description = "Codecs.")
    private List<String> codecs;

    private CudaKernels cuda;
    private Workload workload;
    private MemorySegment room;

    /** Set by the command line. */
    public DeviceFigures() {}

    /** Something that is timed. */
    private interface Work {
        void run() throws IOException;
    }

    /**
     * Prints a line a codec and number of threads.
     *
     * @param args see {@code --help}
     */
    public static void main(String[] args) {
        System.exit(new CommandLine(new DeviceFigures()).execute(args));
    }

    @Override
    public Integer call() throws IOException {
        try {
            cuda = CudaKernels.open();
        } catch (IllegalStateException e) {
            System.err.println("no GPU: " + e.getMessage());
            return NO_GPU;
        }
        try (CudaKernels open = cuda; Arena arena = Arena.ofShared(); Workload made = Workload.load(LAYERS, tokens / SAMPLE_TOKENS);
                FolderBases bases = new FolderBases(basis == null ? List.of() : List.of(basis), List.of())) {
            workload = made;
            room = arena.allocate(workload.bytes() + workload.bytes() / 8 + (1 << 20), 64);
            System.out.printf(Locale.ROOT, "%s, %d tokens of %d layers of %d channels, %.0f MB%n", open.context().name(), workload.tokens(), LAYERS, workload.width(), workload.bytes() / 1e6);
            boolean same = true;
            for (String codec : codecs) {
                CodecSpec spec = CodecSpec.parse(codec);
                CodecSpec whole = basis != null && spec.name().equals("klt") ? spec.with("basis", FolderBases.digest(basis)) : spec;
                for (int count : threads) {
                    same &= line(codec, Codecs.create(whole), bases, count);
                }
            }
            return same ? 0 : DIFFERENT;
        }
    }

    private boolean line(String name, Codec codec, Bases bases, int threads) throws IOException {
        PipelineOptions there = new PipelineOptions(threads, cuda.kernels(Kernels.best()), Progress.NONE, bases);
        PipelineOptions here = new PipelineOptions(threads, Kernels.best(), Progress.NONE, bases);
        KvCache source = workload.sourceCache();
        try (Arena arena = Arena.ofShared(); DeviceCache device = new DeviceCache(cuda, source.layout()); DeviceCache restored = new DeviceCache(cuda, source.layout())) {
            List<MemorySegment> rows = new ArrayList<>();
            for (int layer = 0; layer < LAYERS; layer++) {
                for (Part part : Part.values()) {
                    MemorySegment tensor = source.tensor(0, layer, part);
                    device.put(0, layer, part, cuda.context().allocate(arena, tensor.byteSize()));
                    rows.add(cuda.context().allocate(arena, tensor.byteSize()));
                    restored.put(0, layer, part, rows.getLast());
                    device.write(0, layer, part, 0, tensor);
                }
            }
            device.synchronize();
            MemorySegment[] capsule = new MemorySegment[1];
            double encodeThere = rate(() -> {
                MemoryChannel out = new MemoryChannel(room);
                CapsuleEncoder.encode(device, codec, out, there, null);
                capsule[0] = out.passed();
            });
            MemorySegment kept = arena.allocate(capsule[0].byteSize(), 64).copyFrom(capsule[0]);
            double decodeThere = rate(() -> {
                new CapsuleDecoder(CapsuleReader.of(kept)).decode(restored, there);
                restored.synchronize();
            });
            double encodeHere = rate(() -> {
                MemoryChannel out = new MemoryChannel(room);
                CapsuleEncoder.encode(source, codec, out, here);
                capsule[0] = out.passed();
            });
            double decodeHere = rate(() -> new CapsuleDecoder(CapsuleReader.of(kept)).decode(CacheSink.of(workload.targetCache()), here));
            boolean same = kept.mismatch(capsule[0]) < 0 && sameRows(there.kernels().device().memory(), rows);
            System.out.printf(Locale.ROOT, "%-28s %2d threads  %5.2fx  device: encode %6.2f decode %6.2f GB/s  processor: encode %6.2f decode %6.2f GB/s  %s%n", name, threads,
                    (double) workload.bytes() / kept.byteSize(), encodeThere, decodeThere, encodeHere, decodeHere, same ? "same bytes" : "BYTES DIFFER");
            return same;
        }
    }

    /** @param rows on the device, K of layer 0, V of layer 0, K of layer 1, ... */
    private boolean sameRows(MemoryPlace memory, List<MemorySegment> rows) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment fetched = arena.allocate(rows.getFirst().byteSize(), 64);
            boolean same = true;
            for (int t = 0; t < rows.size(); t++) {
                memory.copy(rows.get(t), 0, fetched, 0, fetched.byteSize());
                same &= fetched.mismatch(workload.targetCache().tensor(0, t / 2, t % 2 == 0 ? Part.KEY : Part.VALUE)) < 0;
            }
            return same;
        }
    }

    private double rate(Work work) throws IOException {
        double best = Double.MAX_VALUE;
        for (double spent = 0; spent < SECONDS; ) {
            long start = System.nanoTime();
            work.run();
            double seconds = (System.nanoTime() - start) / 1e9;
            best = Math.min(best, seconds);
            spent += seconds;
        }
        return workload.bytes() / best / 1e9;
    }
}
