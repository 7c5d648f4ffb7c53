package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.pipeline.TileSource;
import dev.kvcapsule.engine.MalformedDataException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.Channels;
import java.util.List;

/** Capsules in memory. */
final class Capsules {
    private Capsules() {}

    static PipelineOptions options(int threads, Kernels kernels) {
        return new PipelineOptions(threads, kernels, Progress.NONE);
    }

    static byte[] encode(KvCache cache, String codec, PipelineOptions options) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        CapsuleEncoder.encode(cache, Codecs.create(codec), Channels.newChannel(out), options);
        return out.toByteArray();
    }

    static byte[] encode(TileSource cache, String codec, PipelineOptions options) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        CapsuleEncoder.encode(cache, Codecs.create(codec), Channels.newChannel(out), options, null);
        return out.toByteArray();
    }

    /** A capsule's blobs have to be read before its tiles. */
    static CapsuleReader reader(byte[] capsule, Arena arena) throws IOException {
        CapsuleReader reader = CapsuleReader.of(arena.allocateFrom(ValueLayout.JAVA_BYTE, capsule));
        reader.blobs(arena);
        return reader;
    }

    /** A cache of that layout, all zeros. */
    static KvCache empty(CacheLayout layout, Arena arena) {
        KvCache.Builder builder = new KvCache.Builder(layout);
        for (int s = 0; s < layout.subCaches().size(); s++) {
            SubCache sub = layout.subCaches().get(s);
            for (LayerLayout layer : sub.layers()) {
                for (Part part : Part.values()) {
                    builder.add(s, part, arena.allocate(layer.rowBytes(part) * sub.cells(), 64));
                }
            }
        }
        layout.blobs().forEach(blob -> builder.addBlob(arena.allocate(blob.bytes())));
        return builder.build();
    }

    static KvCache decode(byte[] capsule, Arena arena, PipelineOptions options) throws IOException {
        CapsuleReader reader = CapsuleReader.of(arena.allocateFrom(ValueLayout.JAVA_BYTE, capsule));
        List<MemorySegment> blobs = reader.blobs(arena);
        KvCache target = empty(reader.manifest().layout(), arena);
        new CapsuleDecoder(reader).decode(CacheSink.of(target), options);
        if (blobs.size() != target.layout().blobs().size()) {
            throw new AssertionError("blobs are missing");
        }
        return target;
    }

    /** Why a capsule is refused; null if it is not. */
    static String refusal(byte[] capsule, PipelineOptions options) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            decode(capsule, arena, options);
            return null;
        } catch (MalformedDataException e) {
            return e.getMessage();
        }
    }

    /** A capsule there and back through a device that is opened for it. @return its bytes */
    static byte[] thereAndBack(KvCache cache, String codec, Arena arena) throws IOException {
        try (CudaKernels cuda = CudaKernels.open()) {
            PipelineOptions options = options(2, cuda.kernels(Kernels.scalar()));
            byte[] capsule = encode(cache, codec, options);
            decode(capsule, arena, options);
            return capsule;
        }
    }

    /** A capsule, each of some of whose bytes changes in turn, is refused by a device with the words of the processor, or by neither. */
    static void refusedAlike(byte[] capsule, int from, int step, PipelineOptions processor, PipelineOptions device) throws IOException {
        int refused = 0;
        for (int at = from; at < capsule.length - 64; at += step) {
            byte[] damaged = capsule.clone();
            damaged[at] ^= 4;
            String expected = refusal(damaged, processor);
            assertEquals(expected, refusal(damaged, device), "byte " + at);
            refused += expected == null ? 0 : 1;
        }
        assertTrue(refused > 0);
    }

    /** Where two caches of one layout differ; null if nowhere. */
    static String difference(KvCache a, KvCache b) {
        for (int s = 0; s < a.layout().subCaches().size(); s++) {
            for (int l = 0; l < a.layout().subCaches().get(s).layers().size(); l++) {
                for (Part part : Part.values()) {
                    long at = a.tensor(s, l, part).mismatch(b.tensor(s, l, part));
                    if (at >= 0) {
                        return part.letter() + " of layer " + l + " of sub-cache " + s + " at byte " + at;
                    }
                }
            }
        }
        return null;
    }
}
