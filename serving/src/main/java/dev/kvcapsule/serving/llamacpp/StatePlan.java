package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.serving.PrefixCut;
import dev.kvcapsule.serving.PromptTokens;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A state's payload before it is written: what the layout of a capsule and its blobs amount to, cut to a prefix if asked. Layout and blobs are as
 * untrusted as the capsule they came from, so every fact is checked here.
 *
 * @param tokens tokens of the sequence after the cut
 * @param prompt the prompt words after the cut; empty if there are none
 * @param blocks the attention caches in file order
 * @param recurrent the recurrent block, as it was read
 */
record StatePlan(long tokens, MemorySegment prompt, List<Block> blocks, Optional<MemorySegment> recurrent) {

    /**
     * One attention cache.
     *
     * @param streams one entry a stream; null if it is empty
     */
    record Block(String name, List<Stream> streams) {}

    /**
     * One stream's cells and tensors.
     *
     * @param sub the sub-cache as it will lie in the file
     * @param records cell records to copy; null to write plain ones
     * @param sequence the sequence of plain records
     * @param extBytes bytes of the cells' extension
     */
    record Stream(SubCache sub, MemorySegment records, int sequence, int extBytes) {
        long cellBytes() {
            return records == null ? (long) Cells.PLAIN_BYTES * sub.cells() : records.byteSize();
        }

        /** Bytes of the stream after its cell count. */
        long bytes() {
            long bytes = cellBytes() + 8;
            for (LayerLayout layer : sub.layers()) {
                for (Part part : Part.values()) {
                    if (layer.has(part)) {
                        bytes = Math.addExact(bytes, 12 + Math.multiplyExact(layer.rowBytes(part), (long) sub.cells()));
                    }
                }
            }
            return bytes;
        }
    }

    /** Bytes of the payload. */
    long bytes() {
        long bytes = recurrent.map(MemorySegment::byteSize).orElse(0L);
        for (Block block : blocks) {
            bytes = Math.addExact(bytes, 4 + 4L * block.streams().size());
            for (Stream stream : block.streams()) {
                bytes = Math.addExact(bytes, stream == null ? 0 : stream.bytes());
            }
        }
        return bytes;
    }

    /** Whether any cell carries an M-RoPE position of so many bytes. */
    boolean hasExtension(int extBytes) {
        return blocks.stream().flatMap(block -> block.streams().stream()).filter(Objects::nonNull).anyMatch(stream -> stream.extBytes() == extBytes);
    }

    /**
     * @param target tokens to keep
     * @param envelope what the file may hold
     * @throws UnsupportedOperationException if the cache cannot be held or cut, with the reason
     * @throws MalformedDataException if facts and blobs contradict each other
     */
    static StatePlan of(CacheLayout layout, List<MemorySegment> blobs, OptionalInt target, StateParser.Envelope envelope)
            throws MalformedDataException {
        Builder builder = new Builder(layout, blobs, envelope, PrefixCut.length(layout.tokens(), target));
        try {
            return builder.build();
        } catch (ArithmeticException | IllegalArgumentException e) {
            throw new MalformedDataException("the cache's layout: " + e.getMessage());
        }
    }

    private static final class Builder {
        private final CacheLayout layout;
        private final List<MemorySegment> bytes;
        private final Map<String, MemorySegment> blobs = new HashMap<>();
        private final Map<String, SubCache> subCaches = new HashMap<>();
        private final StateParser.Envelope envelope;
        private final boolean wholeContext;
        private final boolean fromContext;
        private final OptionalInt cut;

        Builder(CacheLayout layout, List<MemorySegment> bytes, StateParser.Envelope envelope, OptionalInt cut) throws MalformedDataException {
            this.layout = layout;
            this.bytes = bytes;
            this.envelope = envelope;
            this.wholeContext = envelope == StateParser.Envelope.CONTEXT;
            this.fromContext = GgsnFormat.NAME.equals(layout.origin().get(Origin.FORMAT));
            this.cut = cut;
            if (bytes.size() != layout.blobs().size()) {
                throw new MalformedDataException(bytes.size() + " blobs for a layout of " + layout.blobs().size());
            }
            for (int b = 0; b < bytes.size(); b++) {
                CacheLayout.Blob blob = layout.blobs().get(b);
                if (bytes.get(b).byteSize() != blob.bytes() || blobs.put(blob.name(), bytes.get(b)) != null) {
                    throw new MalformedDataException("blob " + blob.name() + " is there twice or has another length than the layout says");
                }
            }
            for (SubCache sub : layout.subCaches()) {
                if (subCaches.put(sub.name(), sub) != null) {
                    throw new MalformedDataException("two sub-caches are named '" + sub.name() + "'");
                }
            }
        }

        StatePlan build() throws MalformedDataException {
            List<String> names = Origin.blocks(layout);
            Optional<MemorySegment> recurrent = Optional.empty();
            if (names.getLast().equals(Origin.RECURRENT_BLOCK)) {
                recurrent = Optional.of(recurrent());
                names = names.subList(0, names.size() - 1);
            }
            boolean foreign = !layout.origin().containsKey(Origin.BLOCKS);
            List<Block> blocks = new ArrayList<>();
            for (int b = 0; b < names.size(); b++) {
                blocks.add(foreign ? new Block(names.get(b), List.of(stream(subCaches.remove(layout.subCaches().get(b).name()))))
                        : block(names.get(b)));
            }
            if (!subCaches.isEmpty()) {
                throw new MalformedDataException("sub-cache '" + subCaches.keySet().iterator().next() + "' is not in origin fact " + Origin.BLOCKS);
            }
            MemorySegment prompt = prompt();
            PromptWords words = PromptWords.of(prompt);
            if (cut.isPresent()) {
                prompt = words.prefix(cut.getAsInt());
            }
            return new StatePlan(cut.isPresent() ? cut.getAsInt() : layout.tokens(), prompt, List.copyOf(blocks), recurrent);
        }

        private MemorySegment prompt() throws MalformedDataException {
            MemorySegment words = blobs.get(Origin.PROMPT_BLOB);
            if (words != null) {
                return words;
            }
            int[] tokens = PromptTokens.of(layout, bytes).orElse(new int[0]);
            return Arena.ofAuto().allocateFrom(Input.I32, tokens);
        }

        private MemorySegment recurrent() throws MalformedDataException {
            MemorySegment bytes = blobs.get(Origin.RECURRENT_BLOB);
            if (bytes == null) {
                throw new MalformedDataException("blob " + Origin.RECURRENT_BLOB + " is missing");
            }
            if (cut.isPresent()) {
                throw new UnsupportedOperationException("a recurrent state sums up all of its tokens: it cannot be cut to a prefix");
            }
            if (wholeContext != fromContext) {
                throw new UnsupportedOperationException("a recurrent state names its sequences in a GGSN file only: "
                        + "it cannot be converted from or to one");
            }
            try {
                StateParser.checkRecurrent(bytes, envelope);
            } catch (Broken e) {
                throw new MalformedDataException("blob " + Origin.RECURRENT_BLOB + ", " + e.malformed().getMessage());
            }
            return bytes;
        }

        private Block block(String name) throws MalformedDataException {
            int count = Origin.number(layout, Origin.STREAMS + name, 1, 1, 256);
            List<Stream> streams = new ArrayList<>();
            int filled = 0;
            for (int i = 0; i < count; i++) {
                SubCache sub = subCaches.remove(Origin.subCache(name, count, i));
                streams.add(sub == null || sub.cells() == 0 ? null : stream(sub));
                filled += streams.getLast() == null ? 0 : 1;
            }
            if (filled > 1 && (cut.isPresent() || !wholeContext)) {
                throw new UnsupportedOperationException("cache '" + name + "' holds " + filled
                        + " streams of different sequences: it cannot be cut or become a single sequence's state");
            }
            return new Block(name, streams);
        }

        private Stream stream(SubCache sub) throws MalformedDataException {
            int sequence = Origin.number(layout, Origin.SEQUENCE + sub.name(), 0, 0, 255);
            int ext = Origin.number(layout, Origin.EXTENSION + sub.name(), 0, 0, 12);
            MemorySegment records = blobs.get(Origin.CELLS_BLOB + sub.name());
            if (records == null && ext != 0 || ext % 4 != 0 || ext == 4) {
                throw new MalformedDataException("cache '" + sub.name() + "' has a cell extension of " + ext + " bytes and "
                        + (records == null ? "no" : "a") + " blob of its cells");
            }
            if (records != null) {
                // llama.cpp ignores the ids in a single sequence's state; what counts is that every cell has one.
                Cells.Sequences sequences = Cells.check(records, sub.positions(), ext, Origin.CELLS_BLOB + sub.name());
                if (sequences == Cells.Sequences.SEVERAL_IN_A_CELL && !fromContext) {
                    throw new MalformedDataException("blob " + Origin.CELLS_BLOB + sub.name() + " has cells of several sequences in a state of one");
                }
                if (sequences != Cells.Sequences.ONE && (wholeContext != fromContext || cut.isPresent() && fromContext)) {
                    throw new UnsupportedOperationException("cache '" + sub.name() + "' holds several sequences: it cannot be cut or become a single "
                            + "sequence's state");
                }
            } else if (sub.positions().runs().length > 0 && lowest(sub) < 0) {
                throw new MalformedDataException("cache '" + sub.name() + "' has a cell at a negative position");
            }
            for (LayerLayout layer : sub.layers()) {
                GgmlType.id(layer.keyType());
                if (layer.has(Part.VALUE)) {
                    GgmlType.id(layer.valueType());
                }
            }
            SubCache kept = sub;
            if (cut.isPresent()) {
                kept = PrefixCut.of(sub, cut.getAsInt());
                records = records == null ? null : Cells.prefix(records, ext, cut.getAsInt());
            }
            TensorOrder values = sub.valueOrder() == TensorOrder.CHANNEL_MAJOR ? TensorOrder.CHANNEL_MAJOR : TensorOrder.TOKEN_MAJOR;
            return new Stream(new SubCache(kept.name(), kept.positions(), TensorOrder.TOKEN_MAJOR, values, kept.layers()), records, sequence, ext);
        }

        private static long lowest(SubCache sub) {
            long[] runs = sub.positions().runs();
            long lowest = runs[0];
            for (int r = 2; r < runs.length; r += 2) {
                lowest = Math.min(lowest, runs[r]);
            }
            return lowest;
        }
    }
}
