package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.format.BasisFit;
import dev.kvcapsule.engine.format.CapsuleWriter;
import dev.kvcapsule.engine.format.FrameSealer;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.SealedFrame;
import dev.kvcapsule.engine.format.Sealing;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.MemoryPlace;
import dev.kvcapsule.engine.memory.Scratch;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.zip.CRC32C;

/**
 * Encodes a cache as a capsule. Every tile is decoded again as soon as it is coded: the error goes into the trailer, a lossless codec that
 * does not give back every bit is caught before anybody relies on it, and a lossy one whose result is not finite is replaced for that tile.
 */
public final class CapsuleEncoder {
    private CapsuleEncoder() {}

    /**
     * @param cache what to encode; only read
     * @param chosen how; it is fitted to the cache first
     * @param out where the capsule goes, front to back; stays open
     * @throws IOException if the channel fails; what has been written is then no capsule
     */
    public static EncodeReport encode(KvCache cache, Codec chosen, WritableByteChannel out, PipelineOptions options) throws IOException {
        return encode(cache, chosen, out, options, null);
    }

    /**
     * The same, sealed: the manifest is signed before the first tile leaves, tiles are encrypted by the threads that coded them.
     *
     * @param sealing the capsule's seal; null for none. Used for this capsule only; stays open
     */
    public static EncodeReport encode(KvCache cache, Codec chosen, WritableByteChannel out, PipelineOptions options, Sealing sealing) throws IOException {
        Codec codec = chosen.fit(cache, new FitOptions(options.threads(), options.kernels(), options.bases()));
        return encode(codec, new TileInput(cache), out, options, sealing);
    }

    /**
     * The same for a cache that need not be in the host's memory.
     *
     * @param source what to encode
     * @param codec how; one that does not read the cache before it codes
     * @throws IllegalArgumentException if it does, or if the source is in the memory of a device that the kernels do not run on
     */
    public static EncodeReport encode(TileSource source, Codec codec, WritableByteChannel out, PipelineOptions options, Sealing sealing) throws IOException {
        if (codec.readsCacheFirst()) {
            throw new IllegalArgumentException("codec " + codec.spec().name() + " reads a whole cache before it codes: copy this one to the host's memory first");
        }
        if (source.isDevice() && options.kernels().device() == null) {
            throw new IllegalArgumentException("the cache is in a device's memory, and kernels " + options.kernels().name() + " do not run there");
        }
        Codec fitted = codec.fit(source.layout(), new FitOptions(options.threads(), options.kernels(), options.bases()));
        return encode(fitted, source, out, options, sealing);
    }

    private static EncodeReport encode(Codec codec, TileSource source, WritableByteChannel out, PipelineOptions options, Sealing sealing) throws IOException {
        CacheLayout layout = source.layout();
        TilePlan plan = new TilePlan(codec, layout);
        Manifest manifest = new Manifest(codec.spec(), layout, codec.basis().byteSize());
        CapsuleWriter writer = new CapsuleWriter(out, sealing);
        MemorySegment[] blobs = new MemorySegment[layout.blobs().size()];
        for (int b = 0; b < blobs.length; b++) {
            blobs[b] = source.blob(b);
        }
        writer.begin(manifest, blobs, codec.basis(), plan.size());
        TileErrors errors = new TileErrors(layout);
        Drain drain = new Drain(plan, layout, writer, errors, options.progress());
        List<EncodeSlot> slots = EncodeSlot.ring(options.threads());
        try {
            new OrderedRing<>(options.threads(), slots, () -> new EncodeWorker(codec, options, source, manifest, sealing)).run(plan.size(), drain);
        } finally {
            slots.forEach(slot -> slot.memory.close());
        }
        Trailer trailer = writer.finish(drain.losslessTiles, errors.overall(), errors.relative(), drain.weightedError(), drain.fit());
        return new EncodeReport(manifest, trailer, plan.size(), writer.position());
    }

    private static final class EncodeSlot extends OrderedRing.Slot {
        final GrowingBuffer memory = new GrowingBuffer();
        MemorySegment payload;
        SealedFrame sealed;
        int number;
        Tile tile;
        int crc;
        boolean fellBack;
        double[][] sums;
        double[] weighted;
        double[] fit;

        static List<EncodeSlot> ring(int threads) {
            List<EncodeSlot> slots = new ArrayList<>();
            for (int i = 0; i < 2 * threads + 1; i++) {
                slots.add(new EncodeSlot());
            }
            return slots;
        }

    }

    private static final class Drain implements OrderedRing.Stage<EncodeSlot> {
        private final TilePlan plan;
        private final CacheLayout layout;
        private final CapsuleWriter writer;
        private final TileErrors errors;
        private final Progress progress;
        private final long totalBytes;
        private long doneBytes;
        private long losslessTiles;
        private double weightedError;
        private double weightedSquares;
        private boolean weighed;
        private final double[] fit = new double[BasisFit.SUMS];

        Drain(TilePlan plan, CacheLayout layout, CapsuleWriter writer, TileErrors errors, Progress progress) {
            this.plan = plan;
            this.layout = layout;
            this.writer = writer;
            this.errors = errors;
            this.progress = progress;
            this.totalBytes = layout.tensorBytes();
        }

        OptionalDouble weightedError() {
            return weighed ? OptionalDouble.of(weightedError == 0 ? 0 : Math.sqrt(weightedError / weightedSquares)) : OptionalDouble.empty();
        }

        Optional<BasisFit> fit() {
            return BasisFit.of(fit);
        }

        @Override
        public void feed(int job, EncodeSlot slot) {
            slot.number = job;
            slot.tile = plan.get(job);
        }

        @Override
        public void drain(int job, EncodeSlot slot) throws IOException {
            if (slot.sealed != null) {
                writer.tile(slot.sealed);
            } else {
                writer.tile(job, slot.payload.asByteBuffer(), slot.crc);
            }
            errors.add(slot.tile.subCache(), slot.tile.firstTensor(), slot.sums);
            losslessTiles += slot.fellBack ? 1 : 0;
            weighed |= slot.weighted != null;
            weightedError += slot.weighted == null ? 0 : slot.weighted[0];
            weightedSquares += slot.weighted == null ? 0 : slot.weighted[1];
            for (int i = 0; i < fit.length && slot.fit != null; i++) {
                fit[i] += slot.fit[i];
            }
            doneBytes += TilePlan.rawBytes(layout, slot.tile);
            progress.update(doneBytes, totalBytes);
        }
    }

    private static final class EncodeWorker implements OrderedRing.Worker<EncodeSlot> {
        private final Codec codec;
        private final PipelineOptions options;
        private final TileSource tiles;
        private final TileShapes shapes;
        private final CoderPair coders;
        private final Scratch input;
        private final TileMover toDevice;
        private final TileMover toHost;
        private final TileMover decodedOnDevice;
        private final TileMover decodedOnHost;
        private final ErrorMeter meter;
        private final Manifest manifest;
        private final FrameSealer sealer;

        EncodeWorker(Codec codec, PipelineOptions options, TileSource tiles, Manifest manifest, Sealing sealing) {
            this.manifest = manifest;
            this.sealer = sealing == null ? null : sealing.newSealer();
            this.codec = codec;
            this.options = options;
            this.tiles = tiles;
            this.shapes = new TileShapes(tiles.layout());
            MemoryPlace memory = options.kernels().memory();
            this.input = new Scratch(tiles.isDevice() ? memory : MemoryPlace.HOST);
            this.toDevice = new TileMover(memory, memory);
            this.toHost = new TileMover(memory, MemoryPlace.HOST);
            this.decodedOnDevice = new TileMover(memory, memory);
            this.decodedOnHost = new TileMover(memory, MemoryPlace.HOST);
            this.coders = new CoderPair(codec, options.kernels());
            this.meter = new ErrorMeter(options.kernels());
        }

        @Override
        public void work(EncodeSlot slot) throws IOException {
            Tile tile = slot.tile;
            List<TileTensor> tensors = tiles.read(tile, input);
            boolean onDevice = coders.worksOnDevice(tile, tensors);
            if (onDevice && !tiles.isDevice()) {
                tensors = toDevice.move(tensors);
            } else if (!onDevice && tiles.isDevice()) {
                tensors = toHost.move(tensors);
            }
            MemorySegment buffer = slot.memory.atLeast(coders.maxPayloadBytes(tensors) + FrameSealer.TAG_BYTES);
            long bytes = tile.exact() ? TileCoder.UNREPRESENTABLE : coders.encode(tile, tensors, buffer);
            slot.sums = new double[tile.tensors()][2];
            slot.weighted = null;
            slot.fit = null;
            boolean lossless = codec.isLossless();
            if (bytes >= 0 && !check(buffer.asSlice(0, bytes), slot, tensors, onDevice, lossless)) {
                bytes = TileCoder.UNREPRESENTABLE;
            }
            slot.fellBack = bytes < 0 && !tile.exact();
            double[] fit = new double[BasisFit.SUMS];
            if (bytes >= 0 && coders.fit(fit)) {
                slot.fit = fit;
            }
            if (bytes < 0) {
                tensors = onDevice ? toHost.move(tensors) : tensors;
                bytes = coders.encodeLosslessly(tile, tensors, buffer);
                check(buffer.asSlice(0, bytes), slot, tensors, false, true);
            }
            if (sealer != null) {
                slot.sealed = sealer.seal(FrameType.TILE, CapsuleWriter.tileFrame(manifest, slot.number), slot.number, 0, buffer, Math.toIntExact(bytes));
                return;
            }
            slot.payload = buffer.asSlice(0, bytes);
            CRC32C crc = new CRC32C();
            crc.update(slot.payload.asByteBuffer());
            slot.crc = (int) crc.getValue();
        }

        /** Decodes what was just coded and measures it. @return whether it is usable: always for lossless, else if all of it is finite */
        private boolean check(MemorySegment payload, EncodeSlot slot, List<TileTensor> tensors, boolean onDevice, boolean lossless) throws IOException {
            Tile tile = slot.tile;
            List<TileTensor> decoded = (onDevice ? decodedOnDevice : decodedOnHost).room(tensors);
            coders.decode(payload, tile, decoded);
            boolean[] finite = {true};
            int[] next = {0};
            shapes.forEach(tile, tensors, (layer, original) -> {
                TileTensor copy = decoded.get(next[0]++);
                if (lossless && original.rows().mismatch(copy.rows()) >= 0) {
                    throw new IllegalStateException("codec " + codec.spec() + " did not give back every bit of " + tile);
                }
                finite[0] &= meter.measure(original, copy, lossless, slot.sums[2 * layer + original.part().ordinal() - tile.firstTensor()]);
            });
            double[] weighted = new double[2];
            if (finite[0] && coders.weigh(tile, tensors, decoded, weighted)) {
                slot.weighted = weighted;
            }
            return finite[0];
        }

        @Override
        public void close() {
            coders.close();
            input.close();
            toDevice.close();
            toHost.close();
            decodedOnDevice.close();
            decodedOnHost.close();
            meter.close();
            if (sealer != null) {
                sealer.close();
            }
        }
    }
}
