package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.EncodeReport;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.util.List;

/** Capsules in byte arrays. */
final class Capsules {
    static final PipelineOptions ONE_THREAD = new PipelineOptions(1, Kernels.scalar(), Progress.NONE);

    private Capsules() {}

    /** A capsule and what its encoder said. */
    record Encoded(byte[] bytes, EncodeReport report) {}

    static Encoded encode(KvCache cache, String codec, PipelineOptions options) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        EncodeReport report = CapsuleEncoder.encode(cache, Codecs.create(codec), Channels.newChannel(out), options);
        return new Encoded(out.toByteArray(), report);
    }

    static byte[] encode(KvCache cache, String codec) throws IOException {
        return encode(cache, codec, ONE_THREAD).bytes();
    }

    static MemorySegment mapped(byte[] bytes, SegmentAllocator memory) {
        return memory.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
    }

    /** A capsule that comes whole. */
    static ReadableByteChannel channel(byte[] bytes) {
        return Channels.newChannel(new ByteArrayInputStream(bytes));
    }

    /** A capsule that comes drop by drop: 1 to 7 bytes a read, now and then none. */
    static ReadableByteChannel drops(byte[] bytes) {
        ByteBuffer all = ByteBuffer.wrap(bytes);
        return new ReadableByteChannel() {
            private int reads;

            @Override
            public int read(ByteBuffer out) {
                if (!all.hasRemaining()) {
                    return -1;
                }
                int count = Math.min(Math.min(reads++ % 8, out.remaining()), all.remaining());
                out.put(all.slice(all.position(), count));
                all.position(all.position() + count);
                return count;
            }

            @Override
            public boolean isOpen() {
                return true;
            }

            @Override
            public void close() {}
        };
    }

    /** Everything a reader of files does: the cache with its blobs, or the exception. */
    static KvCache decode(CapsuleReader reader, Arena arena, PipelineOptions options) throws IOException {
        CapsuleDecoder decoder = new CapsuleDecoder(reader);
        List<MemorySegment> blobs = reader.blobs(arena);
        KvCache target = target(reader.manifest().layout(), blobs, arena);
        decoder.decode(CacheSink.of(target), options);
        return target;
    }

    static KvCache decode(byte[] capsule, Arena arena) throws IOException {
        return decode(CapsuleReader.of(mapped(capsule, arena)), arena, ONE_THREAD);
    }

    static KvCache target(CacheLayout layout, List<MemorySegment> blobs, Arena arena) {
        KvCache.Builder builder = new KvCache.Builder(layout);
        for (int s = 0; s < layout.subCaches().size(); s++) {
            SubCache sub = layout.subCaches().get(s);
            for (LayerLayout layer : sub.layers()) {
                for (Part part : Part.values()) {
                    builder.add(s, part, arena.allocate(layer.rowBytes(part) * sub.cells()));
                }
            }
        }
        blobs.forEach(builder::addBlob);
        return builder.build();
    }

    /** A sink that takes everything and keeps nothing, whatever size the capsule claims. */
    static CacheSink drain(CacheLayout layout) {
        return new CacheSink() {
            @Override
            public CacheLayout layout() {
                return layout;
            }

            @Override
            public MemorySegment inPlace(int sub, int layer, Part part) {
                return MemorySegment.NULL;
            }

            @Override
            public void write(int sub, int layer, Part part, long offset, MemorySegment bytes) {}

            @Override
            public void discard() {}
        };
    }

    /** Reads and checks a capsule from end to end without keeping the result. */
    static Trailer drain(CapsuleReader reader, PipelineOptions options) throws IOException {
        CapsuleDecoder decoder = new CapsuleDecoder(reader);
        try (Arena arena = Arena.ofShared()) {
            reader.blobs(arena);
        }
        return decoder.decode(drain(reader.manifest().layout()), options);
    }
}
