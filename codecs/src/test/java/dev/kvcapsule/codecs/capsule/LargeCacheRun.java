package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.EncodeReport;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicLong;

/** Encodes a cache of 4 GiB that is a hole in a file, and decodes the capsule from a channel. */
final class LargeCacheRun {
    private static final int TOKENS = 32_768;
    private static final int LAYERS = 32;

    private LargeCacheRun() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        AtomicLong peak = new AtomicLong();
        Thread sampler = Thread.ofPlatform().daemon().start(() -> sample(peak));
        Path folder = Path.of(args[0]);
        Path state = folder.resolve("state");
        Path capsule = folder.resolve("capsule");
        CacheLayout layout = TestCaches.layout(TOKENS, TestCaches.dense(TOKENS, TestCaches.layers(LAYERS, 8, 128, 128, DType.F16)));
        PipelineOptions options = new PipelineOptions(2, Kernels.panama(), Progress.NONE);
        try (Arena arena = Arena.ofShared(); FileChannel in = FileChannel.open(state, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE,
                StandardOpenOption.SPARSE); FileChannel out = FileChannel.open(capsule, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            long bytes = layout.tensorBytes();
            if (bytes < 4L << 30) {
                throw new AssertionError("only " + bytes + " bytes");
            }
            in.write(ByteBuffer.allocate(1), bytes - 1);
            MemorySegment mapped = in.map(FileChannel.MapMode.READ_ONLY, 0, bytes, arena);
            KvCache.Builder builder = new KvCache.Builder(layout);
            long at = 0;
            for (LayerLayout layer : layout.subCaches().getFirst().layers()) {
                for (Part part : Part.values()) {
                    long size = layer.rowBytes(part) * TOKENS;
                    builder.add(0, part, mapped.asSlice(at, size));
                    at += size;
                }
            }
            layout.blobs().forEach(blob -> builder.addBlob(arena.allocate(blob.bytes())));
            EncodeReport report = CapsuleEncoder.encode(builder.build(), Codecs.create("kivi:bits=2,entropy=off"), out, options);
            if (report.capsuleBytes() != Files.size(capsule)) {
                throw new AssertionError(report.capsuleBytes() + " bytes said, " + Files.size(capsule) + " written");
            }
        }
        try (FileChannel in = FileChannel.open(capsule)) {
            Capsules.drain(CapsuleReader.of(in), options);
        }
        sampler.interrupt();
        sampler.join();
        System.out.println("anonymous " + (peak.get() >> 10) + " MiB");
    }

    /** Memory that no file backs, in KiB: heap, arenas, thread stacks, compiled code. */
    private static void sample(AtomicLong peak) {
        while (!Thread.currentThread().isInterrupted()) {
            try {
                for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                    if (line.startsWith("RssAnon:")) {
                        long now = Long.parseLong(line.replaceAll("\\D", ""));
                        peak.accumulateAndGet(now, Math::max);
                    }
                }
                Thread.sleep(10);
            } catch (InterruptedException e) {
                return;
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        }
    }
}
