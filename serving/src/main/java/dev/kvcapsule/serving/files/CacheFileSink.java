package dev.kvcapsule.serving.files;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.serving.CacheImage;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.Comparator;
import java.util.List;
import java.util.ArrayList;

/**
 * A cache file that is being written. Tensors go out by positioned writes, not through a writable mapping: that takes half the time (no page
 * faults), and a full disk is an exception instead of a fault in the middle of a copy.
 */
final class CacheFileSink implements CacheSink {
    private static final int ZEROS = 1 << 20;

    private final FileChannel channel;
    private final CacheLayout layout;
    private final long[][][] offsets;

    private CacheFileSink(FileChannel channel, CacheLayout layout, long[][][] offsets) {
        this.channel = channel;
        this.layout = layout;
        this.offsets = offsets;
    }

    /** Gives the file its size and writes everything but the tensors; or, if that fails, zeroes what it has written, which may be blobs that were encrypted. */
    static CacheFileSink create(CacheImage image, FileChannel channel) throws IOException {
        try {
            return structure(image, channel);
        } catch (IOException | RuntimeException | Error e) {
            try {
                zero(channel);
            } catch (IOException | RuntimeException f) {
                e.addSuppressed(f);
            }
            throw e;
        }
    }

    private static CacheFileSink structure(CacheImage image, FileChannel channel) throws IOException {
        if (image.bytes() > 0) {
            write(channel, image.bytes() - 1, ByteBuffer.allocate(1));
        }
        try (Arena arena = Arena.ofConfined()) {
            // A private mapping: the structure is written to memory of our own, page by page where it has any, and copied out below.
            MemorySegment memory = channel.map(FileChannel.MapMode.PRIVATE, 0, image.bytes(), arena);
            KvCache cache = image.write(memory);
            List<MemorySegment> tensors = new ArrayList<>();
            long[][][] offsets = new long[cache.layout().subCaches().size()][][];
            for (int s = 0; s < offsets.length; s++) {
                offsets[s] = new long[cache.layout().subCaches().get(s).layers().size()][Part.values().length];
                for (int l = 0; l < offsets[s].length; l++) {
                    for (Part part : Part.values()) {
                        MemorySegment tensor = cache.tensor(s, l, part);
                        offsets[s][l][part.ordinal()] = tensor.address() - memory.address();
                        tensors.add(tensor);
                    }
                }
            }
            tensors.sort(Comparator.comparingLong(MemorySegment::address));
            long written = 0;
            for (MemorySegment tensor : tensors) {
                if (tensor.byteSize() > 0) {
                    long start = tensor.address() - memory.address();
                    write(channel, written, memory.asSlice(written, start - written));
                    written = start + tensor.byteSize();
                }
            }
            write(channel, written, memory.asSlice(written));
            return new CacheFileSink(channel, cache.layout(), offsets);
        }
    }

    @Override
    public CacheLayout layout() {
        return layout;
    }

    @Override
    public MemorySegment inPlace(int sub, int layer, Part part) {
        return MemorySegment.NULL;
    }

    @Override
    public void write(int sub, int layer, Part part, long offset, MemorySegment bytes) throws IOException {
        write(channel, offsets[sub][layer][part.ordinal()] + offset, bytes);
    }

    /** The file is temporary, and is removed by whoever opened it; zeroes keep its blocks from telling what they held. */
    @Override
    public void discard() throws IOException {
        zero(channel);
    }

    private static void zero(FileChannel channel) throws IOException {
        ByteBuffer zeros = ByteBuffer.allocateDirect(ZEROS);
        for (long at = 0; at < channel.size(); at += ZEROS) {
            write(channel, at, zeros.clear().limit((int) Math.min(ZEROS, channel.size() - at)));
        }
    }

    /** In pieces, since a byte buffer holds less than 2 GiB. */
    private static void write(FileChannel channel, long position, MemorySegment bytes) throws IOException {
        long piece = 1 << 30;
        for (long done = 0; done < bytes.byteSize(); done += piece) {
            write(channel, position + done, bytes.asSlice(done, Math.min(piece, bytes.byteSize() - done)).asByteBuffer());
        }
    }

    private static void write(FileChannel channel, long position, ByteBuffer bytes) throws IOException {
        long at = position;
        try {
            while (bytes.hasRemaining()) {
                at += channel.write(bytes, at);
            }
        } catch (IOException e) {
            throw new OutputException(e);
        }
    }
}
