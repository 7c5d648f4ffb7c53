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
import java.util.List;
import java.util.Locale;

/**
 * Caches that are in a GPU's memory, into capsules and back, against the same cache in the host's memory on the processor: GB/s of the cache, the best round of two seconds, and whether the capsules are the
 * same byte for byte. {@code DeviceFigures TOKENS THREADS[,THREADS...] CODEC...}, tokens a multiple of 1,024; {@code BASIS@klt:step=1} is a codec with the basis of a file.
 */
public final class DeviceFigures {
    private static final int LAYERS = 30;
    /** Of the cache that is repeated. */
    private static final int SAMPLE_TOKENS = 512;
    /** Of each measurement: until code is compiled, and some. */
    private static final double SECONDS = 2;

    private final CudaKernels cuda;
    private final Workload workload;
    private final MemorySegment room;

    private DeviceFigures(CudaKernels cuda, Workload workload, MemorySegment room) {
        this.cuda = cuda;
        this.workload = workload;
        this.room = room;
    }

    /** Something that is timed. */
    private interface Work {
        void run() throws IOException;
    }

    /**
     * Prints a line a codec and number of threads.
     *
     * @param args tokens, numbers of threads, then codecs
     * @throws IOException if a capsule is not what it should be
     */
    public static void main(String[] args) throws IOException {
        if (args.length < 3) {
            System.err.println("usage: DeviceFigures TOKENS THREADS[,THREADS...] CODEC... (or BASIS_FILE@CODEC)");
            System.exit(2);
        }
        try (CudaKernels cuda = CudaKernels.open(); Arena arena = Arena.ofShared(); Workload workload = Workload.load(LAYERS, Integer.parseInt(args[0]) / SAMPLE_TOKENS)) {
            MemorySegment room = arena.allocate(workload.bytes() + workload.bytes() / 8 + (1 << 20), 64);
            System.out.printf(Locale.ROOT, "%s, %d tokens of %d layers of %d channels, %.0f MB%n", cuda.context().name(), workload.tokens(), LAYERS, workload.width(), workload.bytes() / 1e6);
            for (int i = 2; i < args.length; i++) {
                int at = args[i].indexOf('@');
                Path basis = at < 0 ? null : Path.of(args[i].substring(0, at));
                CodecSpec spec = CodecSpec.parse(args[i].substring(at + 1));
                try (FolderBases bases = new FolderBases(basis == null ? List.of() : List.of(basis), List.of())) {
                    CodecSpec whole = basis == null ? spec : spec.with("basis", FolderBases.digest(basis));
                    for (String threads : args[1].split(",")) {
                        new DeviceFigures(cuda, workload, room).line(spec.toString(), Codecs.create(whole), bases, Integer.parseInt(threads));
                    }
                }
            }
        }
    }

    private void line(String name, Codec codec, Bases bases, int threads) throws IOException {
        PipelineOptions there = new PipelineOptions(threads, cuda.kernels(Kernels.best()), Progress.NONE, bases);
        PipelineOptions here = new PipelineOptions(threads, Kernels.best(), Progress.NONE, bases);
        KvCache source = workload.sourceCache();
        try (Arena arena = Arena.ofShared(); DeviceCache device = new DeviceCache(cuda, source.layout()); DeviceCache restored = new DeviceCache(cuda, source.layout())) {
            for (int layer = 0; layer < LAYERS; layer++) {
                for (Part part : Part.values()) {
                    MemorySegment tensor = source.tensor(0, layer, part);
                    device.put(0, layer, part, cuda.context().allocate(arena, tensor.byteSize()));
                    restored.put(0, layer, part, cuda.context().allocate(arena, tensor.byteSize()));
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
            System.out.printf(Locale.ROOT, "%-28s %2d threads  %5.2fx  device: encode %6.2f decode %6.2f GB/s  processor: encode %6.2f decode %6.2f GB/s  %s%n", name, threads,
                    (double) workload.bytes() / kept.byteSize(), encodeThere, decodeThere, encodeHere, decodeHere, kept.mismatch(capsule[0]) < 0 ? "same capsule" : "CAPSULES DIFFER");
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
