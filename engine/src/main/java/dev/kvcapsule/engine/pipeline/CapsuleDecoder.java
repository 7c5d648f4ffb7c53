package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.FrameOpener;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * Decodes a capsule into a cache whose memory the caller provides. Nothing in that memory may be used before the call returns: bytes are
 * checked tile by tile as they arrive, and the trailer last.
 */
public final class CapsuleDecoder {
    private final CapsuleReader reader;
    private final Codec codec;
    private final TilePlan plan;

    /**
     * Makes ready to decode; reads nothing.
     *
     * @throws MalformedDataException if the manifest names a codec or parameters that there are not, or promises more than the file can hold
     */
    public CapsuleDecoder(CapsuleReader reader) throws IOException {
        this.reader = reader;
        Manifest manifest = reader.manifest();
        try {
            this.codec = Codecs.create(manifest.codec());
            if (!codec.spec().equals(manifest.codec())) {
                throw new IllegalArgumentException("codec " + manifest.codec() + " does not spell out all its parameters");
            }
            this.plan = new TilePlan(codec, manifest.layout());
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw refusal(RefusalCode.CODEC, new MalformedDataException("manifest: " + e.getMessage()));
        }
        reader.expectTiles(plan.size());
    }

    /** Number of tiles. */
    public int tiles() {
        return plan.size();
    }

    /**
     * Decodes everything, in the order of the capsule, and checks index and trailer. The blobs must have been read before.
     *
     * @param target a cache of the manifest's layout, possibly in another memory order
     * @return the trailer
     * @throws MalformedDataException if anything in the capsule is damaged; {@code target} then holds anything
     * @throws CapsuleRefusedException the same for a sealed capsule; {@code target} has then been {@linkplain CacheSink#discard told to forget} it
     */
    public Trailer decode(CacheSink target, PipelineOptions options) throws IOException {
        return decode(target, 0, options);
    }

    /**
     * The same for a capsule that holds a piece of the target's tokens.
     *
     * @param target a cache whose layers are the manifest's; tokens that it has no room for are checked, as far as that takes no decoding, and forgotten
     * @param firstToken of the target, in token order, that the capsule's first one is
     */
    public Trailer decode(CacheSink target, int firstToken, PipelineOptions options) throws IOException {
        requireMemory(target, options);
        try {
            run(target, firstToken, options, null, reader.manifest().layout().tensorBytes(), null);
            return reader.finish();
        } catch (IOException | RuntimeException | Error e) {
            discard(target, e);
            throw e;
        }
    }

    /**
     * The same on the calling thread alone, so that several pieces of a target may be decoded at once. Who asks tells the target to forget everything if this fails, when no piece is written any more.
     *
     * @param here the thread's
     */
    Trailer decodeHere(CacheSink target, int firstToken, PipelineOptions options, WorkerState here) throws IOException {
        requireMemory(target, options);
        run(target, firstToken, options, here, reader.manifest().layout().tensorBytes(), null);
        return reader.finish();
    }

    private static void requireMemory(CacheSink target, PipelineOptions options) {
        if (target.isDevice() && options.kernels().device() == null) {
            throw new IllegalArgumentException("the cache is in a device's memory, and kernels " + options.kernels().name() + " do not run there");
        }
    }

    /** Why the capsule is refused is what callers must hear, even if it cannot be forgotten. */
    private void discard(CacheSink target, Throwable why) {
        if (reader.isSealed()) {
            try {
                target.discard();
            } catch (IOException | RuntimeException e) {
                why.addSuppressed(e);
            }
        }
    }

    /**
     * Decodes every tile into scratch memory and forgets it, and checks everything that {@link #decode} checks.
     *
     * @return the trailer
     */
    public Trailer verify(PipelineOptions options) throws IOException {
        run(CacheSink.nowhere(reader.manifest().layout()), 0, options, null, reader.manifest().layout().tensorBytes(), null);
        return reader.finish();
    }

    /**
     * Decodes the first tokens only, reading no tile that holds none of them. The capsule must be in memory; blobs must have been read.
     *
     * @param target a cache of the manifest's layout whose sub-caches hold a prefix, in token order, of the cells
     * @throws MalformedDataException if a tile that was read is damaged; {@code target} then holds anything
     */
    public void decodePrefix(CacheSink target, PipelineOptions options) throws IOException {
        List<Integer> wanted = new ArrayList<>();
        long bytes = 0;
        for (int t = 0; t < plan.size(); t++) {
            Tile tile = plan.get(t);
            if (tile.firstToken() < target.layout().subCaches().get(tile.subCache()).cells()) {
                wanted.add(t);
                bytes += TilePlan.rawBytes(reader.manifest().layout(), tile);
            }
        }
        try {
            run(target, 0, options, null, bytes, wanted);
            reader.accept();
        } catch (IOException | RuntimeException | Error e) {
            discard(target, e);
            throw e;
        }
    }

    /**
     * @param here the calling thread's if it is to work alone; null if others are
     * @param wanted tile numbers to read by the index; null for all, in order
     */
    private void run(CacheSink target, int firstToken, PipelineOptions options, WorkerState here, long totalBytes, List<Integer> wanted) throws IOException {
        int threads = here == null ? options.threads() : 0;
        List<DecodeSlot> slots = new ArrayList<>();
        for (int i = 0; i < 2 * threads + 1; i++) {
            slots.add(new DecodeSlot());
        }
        try (Arena arena = threads == 0 ? Arena.ofConfined() : Arena.ofShared()) {
            MemorySegment basis = reader.basis(arena);
            try {
                run(bind(reader.manifest().layout(), basis, options), slots, target, firstToken, options, here, totalBytes, wanted);
            } finally {
                reader.wipe(basis);
            }
        } catch (MalformedDataException e) {
            throw reader.refusal(e);
        } finally {
            slots.forEach(slot -> slot.memory.close());
        }
    }

    private void run(Codec bound, List<DecodeSlot> slots, CacheSink target, int firstToken, PipelineOptions options, WorkerState here, long totalBytes, List<Integer> wanted)
            throws IOException {
        CacheLayout layout = reader.manifest().layout();
        OrderedRing.Stage<DecodeSlot> stage = new OrderedRing.Stage<>() {
            private long done;

            @Override
            public void feed(int job, DecodeSlot slot) throws IOException {
                int number = wanted == null ? job : wanted.get(job);
                slot.tile = plan.get(number);
                int most = TilePlan.mostPayloadBytes(layout, slot.tile);
                slot.accept(wanted == null ? reader.nextTile(number, most) : reader.tile(number, most), reader.size() >= 0);
            }

            @Override
            public void drain(int job, DecodeSlot slot) {
                reader.checked(slot.leaf);
                done += TilePlan.rawBytes(layout, slot.tile);
                options.progress().update(done, totalBytes);
            }
        };
        int jobs = wanted == null ? plan.size() : wanted.size();
        Supplier<OrderedRing.Worker<DecodeSlot>> workers = () -> new DecodeWorker(bound, bound != codec, options, reader, target, firstToken, here);
        new OrderedRing<>(here == null ? options.threads() : 0, slots, workers).run(jobs, stage);
    }

    private Codec bind(CacheLayout layout, MemorySegment basis, PipelineOptions options) throws IOException {
        try {
            return codec.bind(layout, basis, options.bases());
        } catch (CapsuleRefusedException e) {
            throw new CapsuleRefusedException(RefusalCode.BASIS, e.getMessage());
        } catch (MalformedDataException e) {
            throw reader.refusal(e);
        }
    }

    /** A sealed capsule whose signature holds names what is not known here; an unsealed one is malformed. */
    private IOException refusal(RefusalCode code, MalformedDataException e) {
        return reader.isSealed() ? new CapsuleRefusedException(code, e.getMessage()) : e;
    }

    private static final class DecodeSlot extends OrderedRing.Slot {
        final GrowingBuffer memory = new GrowingBuffer();
        Tile tile;
        Frame frame;
        byte[] leaf;

        /** Takes the frame; copies its payload where the reader will use the memory again. */
        void accept(Frame frame, boolean mapped) {
            if (mapped) {
                this.frame = frame;
                return;
            }
            long bytes = frame.payload().byteSize() + frame.tag().byteSize();
            this.frame = frame.movedTo(memory.atLeast(bytes));
        }

        /** A frame that nobody wants the contents of: its checksum, or its place in the Merkle tree, which the trailer decides about. */
        void check(FrameOpener opener) throws IOException {
            leaf = opener.leaf(frame);
            if (frame.tag().byteSize() == 0) {
                frame.verify();
            }
        }
    }

    /**
     * Checks and opens the frame, then decodes: a payload is not looked into before it is known to be what was written.
     *
     * @param toHost what holds rows on their way to a device, where the codec does not work there itself; null if the rows are in the host's memory
     */
    private static void decode(CoderPair coders, FrameOpener opener, DecodeSlot slot, List<TileTensor> tensors, TileMover toHost) throws IOException {
        FrameOpener.Opened opened = opener.open(slot.frame);
        slot.leaf = opened.leaf();
        try {
            if (toHost == null || coders.decodesOnDevice(opened.payload(), slot.tile, tensors)) {
                coders.decode(opened.payload(), slot.tile, tensors);
            } else {
                List<TileTensor> there = toHost.room(tensors);
                coders.decode(opened.payload(), slot.tile, there);
                toHost.copy(there, tensors);
            }
        } catch (MalformedDataException e) {
            throw MalformedDataException.at(slot.frame.payloadOffset(), "tile " + slot.frame.item(), e.getMessage());
        }
    }

    private static final class DecodeWorker implements OrderedRing.Worker<DecodeSlot> {
        private final CoderPair coders;
        private final FrameOpener opener;
        private final TileOutput output;
        private final TileMover toHost;
        private final WorkerState state;
        private final boolean isKept;

        /**
         * @param isBound whether the codec belongs to this capsule
         * @param thread what the thread has already, and keeps; null if it has nothing
         */
        DecodeWorker(Codec codec, boolean isBound, PipelineOptions options, CapsuleReader reader, CacheSink sink, int firstToken, WorkerState thread) {
            this.opener = reader.opener();
            this.state = thread == null ? new WorkerState(sink, options.kernels()) : thread;
            this.isKept = thread != null;
            this.coders = state.coders(codec, isBound);
            this.output = new TileOutput(reader.manifest().layout(), sink, firstToken, state);
            this.toHost = sink.isDevice() ? state.toHost : null;
        }

        @Override
        public void work(DecodeSlot slot) throws IOException {
            if (output.keepsNothing(slot.tile)) {
                slot.check(opener);
                return;
            }
            List<TileTensor> tensors = output.open(slot.tile);
            CapsuleDecoder.decode(coders, opener, slot, tensors, toHost);
            output.commit(slot.tile, tensors);
        }

        @Override
        public void close() {
            opener.close();
            if (isKept) {
                state.endCapsule();
            } else {
                state.close();
            }
        }
    }
}
