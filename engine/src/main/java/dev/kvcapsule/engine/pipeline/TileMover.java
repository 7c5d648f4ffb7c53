package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.memory.MemoryPlace;
import dev.kvcapsule.engine.memory.Scratch;
import java.util.ArrayList;
import java.util.List;

/** Brings a tile's rows to where they are coded. One thread's. */
final class TileMover implements AutoCloseable {
    private final MemoryPlace from;
    private final Scratch scratch;

    /**
     * @param from what can copy from any place to any
     * @param to where rows are brought
     */
    TileMover(MemoryPlace from, MemoryPlace to) {
        this.from = from;
        this.scratch = new Scratch(to);
    }

    /** Memory of the same shapes with any contents; valid until the next call. */
    List<TileTensor> room(List<TileTensor> tensors) {
        scratch.reset();
        List<TileTensor> moved = new ArrayList<>(tensors.size());
        for (TileTensor tensor : tensors) {
            moved.add(tensor.in(scratch.take(tensor.rows().byteSize())));
        }
        return moved;
    }

    /** The same rows there; valid until the next call. */
    List<TileTensor> move(List<TileTensor> tensors) {
        List<TileTensor> moved = room(tensors);
        copy(tensors, moved);
        return moved;
    }

    /** Copies rows from tensors to others of the same shapes. */
    void copy(List<TileTensor> tensors, List<TileTensor> to) {
        for (int i = 0; i < tensors.size(); i++) {
            from.copy(tensors.get(i).rows(), 0, to.get(i).rows(), 0, tensors.get(i).rows().byteSize());
        }
    }

    @Override
    public void close() {
        scratch.close();
    }
}
