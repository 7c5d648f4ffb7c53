package dev.kvcapsule.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * 8 MiB of pinned memory in pieces that one stream's copies use in turn: the host fills a piece, or empties it, while the device copies others. Async copies need pinned memory;
 * what callers have is not.
 */
final class PinnedRing implements AutoCloseable {
    static final long BYTES = 8L << 20;
    private static final int PIECES = 8;
    private static final long PIECE_BYTES = BYTES / PIECES;

    private static final class Piece {
        final MemorySegment memory;
        final CudaEvent event;
        boolean used;
        MemorySegment target;

        Piece(MemorySegment memory, CudaEvent event) {
            this.memory = memory;
            this.event = event;
        }

        /** Waits for the copy, and hands over what it brought. */
        void finish() {
            if (used) {
                event.synchronize();
                used = false;
            }
            if (target != null) {
                MemorySegment.copy(memory, 0, target, 0, target.byteSize());
                target = null;
            }
        }
    }

    private final CudaStream stream;
    private final Arena arena = Arena.ofShared();
    private final List<Piece> pieces = new ArrayList<>();
    private int next;

    PinnedRing(CudaStream stream) {
        this.stream = stream;
        try {
            MemorySegment memory = stream.context().allocatePinned(arena, BYTES);
            for (int i = 0; i < PIECES; i++) {
                pieces.add(new Piece(memory.asSlice(i * PIECE_BYTES, PIECE_BYTES), new CudaEvent(stream.context())));
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private Piece take() {
        Piece piece = pieces.get(next);
        piece.finish();
        next = (next + 1) % PIECES;
        return piece;
    }

    /** Brings bytes to the device; they may be written as soon as this returns. */
    void upload(MemorySegment from, long to) {
        for (long done = 0; done < from.byteSize(); done += PIECE_BYTES) {
            long bytes = Math.min(PIECE_BYTES, from.byteSize() - done);
            Piece piece = take();
            MemorySegment.copy(from, done, piece.memory, 0, bytes);
            stream.upload(piece.memory, to + done, bytes);
            piece.event.record(stream);
            piece.used = true;
        }
    }

    /** Fetches bytes from the device; they are there after {@link #finish}. */
    void download(long from, MemorySegment to) {
        for (long done = 0; done < to.byteSize(); done += PIECE_BYTES) {
            long bytes = Math.min(PIECE_BYTES, to.byteSize() - done);
            Piece piece = take();
            stream.download(from + done, piece.memory, bytes);
            piece.event.record(stream);
            piece.used = true;
            piece.target = to.asSlice(done, bytes);
        }
    }

    /** Waits until everything that was fetched is where it belongs. */
    void finish() {
        for (int i = 0; i < PIECES; i++) {
            Piece piece = pieces.get((next + i) % PIECES);
            if (piece.target != null) {
                piece.finish();
            }
        }
    }

    /** Forgets what was being fetched: after a failure nobody waits for it. */
    void forget() {
        pieces.forEach(piece -> piece.target = null);
    }

    @Override
    public void close() {
        List<Closing.Step> steps = new ArrayList<>();
        steps.add(stream::synchronize);
        for (Piece piece : pieces) {
            // It may have held a cache that came out of a sealed capsule.
            steps.add(() -> piece.memory.fill((byte) 0));
            steps.add(piece.event::close);
        }
        steps.add(arena::close);
        Closing.all(steps);
    }
}
