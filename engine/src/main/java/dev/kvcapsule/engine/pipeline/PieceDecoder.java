package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Decodes many small capsules, each a piece of one cache's tokens: several at once, each by one thread from its signature to its trailer. One after the other, with all threads for each, they
 * would wait for signatures and for each other most of the time. At most twice as many pieces as there are threads, and one, are in memory.
 */
public final class PieceDecoder {
    /** Where the pieces are. */
    @FunctionalInterface
    public interface Source {
        /**
         * Asked on the caller's thread, for one after the other, ahead of their decoding.
         *
         * @param memory holds one segment, as long as the piece is used
         */
        Piece get(int number, SegmentAllocator memory) throws IOException;
    }

    /**
     * A piece.
     *
     * @param bytes the capsule, in native memory
     * @param opening decides about its seal; closed when it has been decoded, or will not be
     * @param firstToken of the target, in token order, that the capsule's first one is
     */
    public record Piece(MemorySegment bytes, Opening opening, int firstToken) {}

    private PieceDecoder() {}

    /**
     * Decodes all of them and checks each to its end.
     *
     * @param count how many
     * @param target has the layers of each piece, and room for its tokens; holds anything if this fails, and is then the caller's to discard
     * @param options whose progress hears how many raw bytes are decoded; of how many in all only the caller knows, and 0 is said
     * @return their trailers, in order
     * @throws dev.kvcapsule.engine.CapsuleRefusedException if a piece is refused or damaged: the first such one; no thread writes to the target any more
     */
    public static List<Trailer> decode(int count, Source source, CacheSink target, PipelineOptions options) throws IOException {
        PipelineOptions within = options.with(Progress.NONE);
        List<Trailer> trailers = new ArrayList<>();
        List<PieceSlot> slots = IntStream.range(0, 2 * options.threads() + 1).mapToObj(i -> new PieceSlot()).toList();
        OrderedRing.Stage<PieceSlot> stage = new OrderedRing.Stage<>() {
            private long done;

            @Override
            public void feed(int job, PieceSlot slot) throws IOException {
                slot.piece = source.get(job, slot);
            }

            @Override
            public void drain(int job, PieceSlot slot) {
                slot.forget();
                trailers.add(slot.trailer);
                done += slot.decodedBytes;
                options.progress().update(done, 0);
            }
        };
        try {
            new OrderedRing<>(options.threads(), slots, () -> new PieceWorker(target, within)).run(count, stage);
        } finally {
            slots.forEach(PieceSlot::close);
        }
        return trailers;
    }

    private static final class PieceSlot extends OrderedRing.Slot implements SegmentAllocator {
        private final GrowingBuffer memory = new GrowingBuffer();
        private Piece piece;
        private Trailer trailer;
        private long decodedBytes;

        @Override
        public MemorySegment allocate(long bytes, long alignment) {
            return memory.atLeast(bytes).asSlice(0, bytes);
        }

        void forget() {
            if (piece != null) {
                piece.opening().close();
                piece = null;
            }
        }

        void close() {
            forget();
            memory.close();
        }
    }

    private static final class PieceWorker implements OrderedRing.Worker<PieceSlot> {
        private final CacheSink target;
        private final PipelineOptions options;
        private final WorkerState state;

        PieceWorker(CacheSink target, PipelineOptions options) {
            this.target = target;
            this.options = options;
            this.state = new WorkerState(target, options.kernels());
        }

        @Override
        public void work(PieceSlot slot) throws IOException {
            CapsuleReader reader = CapsuleReader.of(slot.piece.bytes(), slot.piece.opening());
            CapsuleDecoder decoder = new CapsuleDecoder(reader);
            try (Arena arena = Arena.ofConfined()) {
                reader.blobs(arena).forEach(reader::wipe);
            }
            slot.trailer = decoder.decodeHere(target, slot.piece.firstToken(), options, state);
            slot.decodedBytes = reader.manifest().layout().tensorBytes();
        }

        @Override
        public void close() {
            state.close();
        }
    }
}
