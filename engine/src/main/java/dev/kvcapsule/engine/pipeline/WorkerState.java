package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.MemoryPlace;
import dev.kvcapsule.engine.memory.Scratch;

/** What a thread decodes tiles with, and uses again for the next capsule: memory that it has is not allocated, zeroed and given back for each. One thread's. */
final class WorkerState implements AutoCloseable {
    final Scratch rows;
    final GrowingBuffer transposed = new GrowingBuffer();
    final TileMover toHost;
    private final Kernels kernels;
    private CodecSpec spec;
    private CoderPair coders;

    WorkerState(CacheSink sink, Kernels kernels) {
        this.kernels = kernels;
        this.rows = new Scratch(sink.isDevice() ? kernels.memory() : MemoryPlace.HOST);
        this.toHost = new TileMover(kernels.memory(), MemoryPlace.HOST);
    }

    /**
     * Coders of a codec, valid until the next call; bound ones until {@link #endCapsule}.
     *
     * @param bound the codec, bound to one capsule or not
     * @param isBound whether it is: those coders are no other capsule's
     */
    CoderPair coders(Codec bound, boolean isBound) {
        CodecSpec wanted = isBound ? null : bound.spec();
        if (coders == null || wanted == null || !wanted.equals(spec)) {
            closeCoders();
            coders = new CoderPair(bound, kernels);
            spec = wanted;
        }
        return coders;
    }

    /** Forgets coders that are bound to a capsule, whose basis is about to go. */
    void endCapsule() {
        if (spec == null) {
            closeCoders();
        }
    }

    private void closeCoders() {
        if (coders != null) {
            coders.close();
            coders = null;
        }
    }

    @Override
    public void close() {
        closeCoders();
        rows.close();
        transposed.close();
        toHost.close();
    }
}
