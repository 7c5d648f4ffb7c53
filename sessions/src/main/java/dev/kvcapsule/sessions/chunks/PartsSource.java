package dev.kvcapsule.sessions.chunks;

import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.store.StoreKey;
import dev.kvcapsule.store.StoreReader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * A capsule and all chunks that it goes on from as one sequence of bytes: what a gateway restores, and what can be kept elsewhere. Chunks stay where they are, in mapped memory, while this
 * is open.
 */
public final class PartsSource implements AutoCloseable {
    private static final int PIECE = 1 << 20;

    private final Path capsule;
    private final StoreReader store;
    private final List<ChunkRef> chunks;
    private final List<MemorySegment> found;

    private PartsSource(Path capsule, StoreReader store, List<ChunkRef> chunks, List<MemorySegment> found) {
        this.capsule = capsule;
        this.store = store;
        this.chunks = chunks;
        this.found = found;
    }

    /**
     * Finds all chunks.
     *
     * @param capsule a session's, that goes on from chunks
     * @return empty if one of them is not there any more, or is damaged
     */
    public static Optional<PartsSource> open(Path capsule, LocalChunks local) throws IOException {
        return open(capsule, local, Long.MAX_VALUE);
    }

    /** The same of the chunks of the first tokens. @param tokens how many: what holds none of them is not looked for */
    public static Optional<PartsSource> open(Path capsule, LocalChunks local, long tokens) throws IOException {
        List<ChunkRef> chunks = ChunkRef.first(CapsuleFile.chunks(capsule), tokens);
        StoreReader store = local.read();
        List<MemorySegment> found = new ArrayList<>();
        boolean done = false;
        try {
            for (ChunkRef chunk : chunks) {
                Optional<MemorySegment> bytes = store.find(new StoreKey(chunk.key())).filter(all -> all.byteSize() == chunk.bytes());
                if (bytes.isEmpty()) {
                    return Optional.empty();
                }
                found.add(bytes.get());
            }
            done = true;
            return Optional.of(new PartsSource(capsule, store, chunks, found));
        } finally {
            if (!done) {
                store.close();
            }
        }
    }

    /** Whether the chunks of a session's capsule are there, whole. @param tokens as for {@link #open(Path, LocalChunks, long)} */
    public static boolean areThere(Path capsule, LocalChunks local, long tokens) throws IOException {
        Optional<PartsSource> parts = open(capsule, local, tokens);
        if (parts.isPresent()) {
            parts.get().close();
        }
        return parts.isPresent();
    }

    /** Bytes of all. */
    public long bytes() throws IOException {
        long headers = Parts.fileHeader().length + (chunks.size() + 2L) * Parts.header(new Parts.Header(Parts.Type.END, 0)).length;
        return headers + Files.size(capsule) + found.stream().mapToLong(MemorySegment::byteSize).sum();
    }

    /** The bytes, the tail first, piece by piece as they are asked for; for one pass. */
    public Iterable<byte[]> pieces() throws IOException {
        List<MemorySegment> all = new ArrayList<>();
        all.add(MemorySegment.ofArray(Parts.fileHeader()));
        all.add(MemorySegment.ofArray(Parts.header(new Parts.Header(Parts.Type.TAIL, Files.size(capsule)))));
        try (FileChannel tail = FileChannel.open(capsule, StandardOpenOption.READ)) {
            all.add(tail.map(FileChannel.MapMode.READ_ONLY, 0, tail.size(), Arena.ofAuto()));
        }
        for (int c = 0; c < chunks.size(); c++) {
            all.add(MemorySegment.ofArray(Parts.header(new Parts.Header(Parts.Type.CHUNK, found.get(c).byteSize(), chunks.get(c).key(), chunks.get(c).expires()))));
            all.add(found.get(c));
        }
        all.add(MemorySegment.ofArray(Parts.header(new Parts.Header(Parts.Type.END, 0))));
        return () -> new Pieces(all);
    }

    /** Writes all of them. */
    public void write(WritableByteChannel out) throws IOException {
        for (byte[] piece : pieces()) {
            ByteBuffer left = ByteBuffer.wrap(piece);
            while (left.hasRemaining()) {
                out.write(left);
            }
        }
    }

    @Override
    public void close() throws IOException {
        store.close();
    }

    private static final class Pieces implements Iterator<byte[]> {
        private final List<MemorySegment> all;
        private int next;
        private long at;

        Pieces(List<MemorySegment> all) {
            this.all = all;
        }

        @Override
        public boolean hasNext() {
            while (next < all.size() && at == all.get(next).byteSize()) {
                next++;
                at = 0;
            }
            return next < all.size();
        }

        @Override
        public byte[] next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            long count = Math.min(PIECE, all.get(next).byteSize() - at);
            byte[] piece = all.get(next).asSlice(at, count).toArray(ValueLayout.JAVA_BYTE);
            at += count;
            return piece;
        }
    }
}
