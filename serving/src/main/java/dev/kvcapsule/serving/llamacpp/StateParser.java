package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.llamacpp.ParsedState.Block;
import dev.kvcapsule.serving.llamacpp.ParsedState.Layer;
import dev.kvcapsule.serving.llamacpp.ParsedState.Recurrent;
import dev.kvcapsule.serving.llamacpp.ParsedState.Stream;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Finds the structure of a state's payload, which does not say it itself: how many caches it holds, whether cells carry M-RoPE positions,
 * whether layers have V. Every combination that the model facts leave open is tried; exactly one has to end at the end of the file.
 */
final class StateParser {
    /** Bounds far above any model; what they guard against is a loop over a hostile count. */
    private static final int MAX_LAYERS = 4096;

    /** LLAMA_MAX_SEQ of llama.cpp. */
    private static final int MAX_SEQUENCES = 256;

    /** One row of a recurrent state; the rows of an empty one have a size and no bytes. */
    private static final long MAX_ROW_BYTES = 1L << 40;

    private static final int DSV4_MAGIC = 0x34565344;
    private static final int[] EXT_BYTES = {0, 12, 8};
    private static final int[] NO_EXT = {0};
    private static final boolean[] WITH_VALUES = {true};
    private static final boolean[] WITHOUT_VALUES = {false};
    private static final boolean[] EITHER = {true, false};

    /** One structure to try. */
    private record Shape(List<String> blocks, boolean recurrent) {}

    private static final Shape DENSE = new Shape(List.of("kv"), false);
    private static final Shape ISWA = new Shape(List.of("base", "swa"), false);
    private static final Shape HYBRID = new Shape(List.of("kv"), true);
    private static final Shape HYBRID_ISWA = new Shape(List.of("base", "swa"), true);
    private static final Shape RECURRENT = new Shape(List.of(), true);
    // LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY leaves the global cache out.
    private static final Shape PARTIAL_ISWA = new Shape(List.of("swa"), false);
    private static final Shape PARTIAL_HYBRID_ISWA = new Shape(List.of("swa"), true);

    private final MemorySegment file;
    private final Envelope envelope;
    private final boolean[] values;
    private final int recurrentLayers;
    private final Set<ParsedState> results = new LinkedHashSet<>();
    private Broken furthest;

    /** What the envelope of a payload allows in it. */
    enum Envelope {
        /** A file of one sequence. */
        SEQUENCE,
        /** A buffer of one sequence, from which the global cache may have been left out. */
        BUFFER,
        /** A file of any number of sequences. */
        CONTEXT
    }

    private StateParser(MemorySegment file, Envelope envelope, boolean[] values, int recurrentLayers) {
        this.file = file;
        this.envelope = envelope;
        this.values = values;
        this.recurrentLayers = recurrentLayers;
    }

    /**
     * @param file the whole file
     * @param offset where the payload begins; it ends with the file
     * @param facts what is known of the model
     * @throws Broken if no structure, or more than one, ends at the end of the file
     */
    static ParsedState parse(MemorySegment file, long offset, Envelope envelope, ModelFacts facts) throws Broken {
        if (file.byteSize() - offset >= 4 && file.get(Input.I32, offset) == DSV4_MAGIC) {
            throw new Broken(offset, "payload", "is a DeepSeek-V4 state (magic 'DSV4'), which is not supported");
        }
        StateParser parser = new StateParser(file, envelope, valuesOf(facts), facts.recurrentLayers());
        parser.search(offset, facts.memory());
        if (parser.results.size() > 1) {
            throw new Broken(offset, "payload", "can be read in " + parser.results.size()
                    + " ways that all end at the end of the file; name the model, or its memory");
        }
        if (parser.results.isEmpty()) {
            Broken far = parser.furthest;
            if (parser.values == WITH_VALUES && facts.equals(ModelFacts.UNKNOWN)) {
                StateParser latent = new StateParser(file, envelope, EITHER, 0);
                latent.search(offset, facts.memory());
                if (!latent.results.isEmpty()) {
                    throw new Broken(far.offset, far.field, far.reason
                            + "; without V (multi-head latent attention) it would be whole: name the model to say so");
                }
            }
            String tried = facts.memory() == ModelFacts.Memory.UNKNOWN ? "no known memory structure fits; the best one stops here: "
                    : "not a state of a model with " + facts.memory().label() + " memory: ";
            throw new Broken(far.offset, far.field, tried + far.reason);
        }
        return parser.results.iterator().next();
    }

    /**
     * Checks a recurrent state that comes from a capsule.
     *
     * @throws Broken if the bytes are not one recurrent state to the last byte; offsets count from its start
     */
    static void checkRecurrent(MemorySegment bytes, Envelope envelope) throws Broken {
        new StateParser(bytes, envelope, EITHER, 0).recurrent(new Input(bytes, 0));
    }

    private void search(long offset, ModelFacts.Memory memory) {
        for (Shape shape : shapes(memory, envelope == Envelope.BUFFER)) {
            for (int ext : shape.blocks.isEmpty() ? NO_EXT : EXT_BYTES) {
                search(shape, offset, ext, List.of());
            }
        }
    }

    private static List<Shape> shapes(ModelFacts.Memory memory, boolean partial) {
        return switch (memory) {
            case UNKNOWN -> List.of(DENSE, ISWA, HYBRID, HYBRID_ISWA, RECURRENT);
            case DENSE -> List.of(DENSE);
            case ISWA -> partial ? List.of(ISWA, PARTIAL_ISWA) : List.of(ISWA);
            case HYBRID -> partial ? List.of(HYBRID, RECURRENT) : List.of(HYBRID);
            case HYBRID_ISWA -> partial ? List.of(HYBRID_ISWA, PARTIAL_HYBRID_ISWA) : List.of(HYBRID_ISWA);
            case RECURRENT -> List.of(RECURRENT);
        };
    }

    /**
     * Whether layers have V: all, none, or either. All if nothing is known: a file that ends behind K is far more likely cut off than a state of
     * latent attention.
     */
    private static boolean[] valuesOf(ModelFacts facts) {
        List<ModelFacts.Layer> known = facts.layers().isEmpty() ? facts.fallback().stream().toList()
                : facts.layers().stream().filter(ModelFacts.Layer::attention).toList();
        if (known.isEmpty() || facts.layers().isEmpty() && known.getFirst().valueHeadDim() == 0) {
            return WITH_VALUES;
        }
        if (known.stream().allMatch(layer -> layer.valueHeadDim() == ModelFacts.NO_VALUE)) {
            return WITHOUT_VALUES;
        }
        // An indexer beside the attention cache has no V whatever the layers have, so a model of unknown memory leaves both open.
        boolean indexer = !facts.layers().isEmpty() && facts.memory() == ModelFacts.Memory.UNKNOWN;
        return !indexer && known.stream().allMatch(layer -> layer.valueHeadDim() > 0) ? WITH_VALUES : EITHER;
    }

    private void search(Shape shape, long offset, int ext, List<Block> found) {
        try {
            Input in = new Input(file, offset);
            if (found.size() == shape.blocks.size()) {
                Optional<Recurrent> recurrent = shape.recurrent ? Optional.of(recurrent(in)) : Optional.empty();
                if (in.remaining() != 0) {
                    throw new Broken(in.offset(), "end of the state", "expected here, " + in.remaining() + " bytes before the end of the file");
                }
                results.add(new ParsedState(found, recurrent));
                return;
            }
        } catch (Broken e) {
            failed(e);
            return;
        }
        for (boolean withValues : values) {
            try {
                Input in = new Input(file, offset);
                Block block = block(in, shape.blocks.get(found.size()), ext, withValues);
                List<Block> more = new ArrayList<>(found);
                more.add(block);
                search(shape, in.offset(), ext, List.copyOf(more));
                if (block.streams().stream().allMatch(stream -> stream.layers().isEmpty())) {
                    break;
                }
            } catch (Broken e) {
                failed(e);
            }
        }
    }

    private void failed(Broken e) {
        if (furthest == null || e.offset > furthest.offset) {
            furthest = e;
        }
    }

    private Block block(Input in, String name, int ext, boolean withValues) throws Broken {
        int streams = in.u32("n_stream", 1, MAX_SEQUENCES);
        List<Stream> list = new ArrayList<>(streams);
        for (int s = 0; s < streams; s++) {
            list.add(stream(in, ext, withValues));
        }
        return new Block(name, List.copyOf(list));
    }

    private Stream stream(Input in, int ext, boolean withValues) throws Broken {
        int cells = in.u32("cell_count", 0, Integer.MAX_VALUE);
        if (cells == 0) {
            return Stream.EMPTY;
        }
        long cellsOffset = in.offset();
        for (int i = 0; i < cells; i++) {
            cell(in, ext);
        }
        long cellsBytes = in.offset() - cellsOffset;
        boolean transposed = in.u32("v_trans", 0, 1) == 1;
        int layers = in.u32("n_layer", 0, MAX_LAYERS);
        List<DType> keyTypes = new ArrayList<>();
        List<long[]> keys = new ArrayList<>();
        for (int l = 0; l < layers; l++) {
            DType type = GgmlType.read(in, "K type of layer " + l);
            int width = rowWidth(in, type, "K row size of layer " + l);
            keyTypes.add(type);
            keys.add(new long[] {width, in.skip(type.rowBytes(width) * cells, "K of layer " + l)});
        }
        List<Layer> list = new ArrayList<>(keys.size());
        for (int l = 0; l < layers; l++) {
            DType type = DType.F16;
            int width = 0;
            long offset = 0;
            if (withValues) {
                type = GgmlType.read(in, "V type of layer " + l);
                width = transposed ? transposedWidth(in, type, l) : rowWidth(in, type, "V row size of layer " + l);
                offset = in.skip(type.rowBytes(width) * cells, "V of layer " + l);
            }
            list.add(new Layer(keyTypes.get(l), (int) keys.get(l)[0], keys.get(l)[1], type, width, offset));
        }
        return new Stream(cells, cellsOffset, cellsBytes, ext, transposed, List.copyOf(list));
    }

    private void cell(Input in, int ext) throws Broken {
        in.u32("cell position", 0, Integer.MAX_VALUE);
        int sequences = in.u32("n_seq_id", 1, envelope == Envelope.CONTEXT ? MAX_SEQUENCES : 1);
        in.skip(ext, "cell extension");
        for (int s = 0; s < sequences; s++) {
            in.u32("sequence id", 0, MAX_SEQUENCES - 1);
        }
    }

    private static int rowWidth(Input in, DType type, String field) throws Broken {
        long at = in.offset();
        long bytes = in.u64(field, 1, (long) LayerLayout.MAX_WIDTH * Float.BYTES);
        long width = bytes / type.blockBytes() * type.blockElements();
        if (bytes % type.blockBytes() != 0 || width > LayerLayout.MAX_WIDTH) {
            throw new Broken(at, field, bytes + " bytes are not a whole number of " + type.label() + " blocks up to " + LayerLayout.MAX_WIDTH
                    + " channels");
        }
        return (int) width;
    }

    private static int transposedWidth(Input in, DType type, int layer) throws Broken {
        long at = in.offset();
        String field = "V element size of layer " + layer;
        int size = in.i32(field);
        if (!type.isScalar() || size != type.blockBytes()) {
            throw new Broken(at, field, "is " + Integer.toUnsignedString(size) + " for " + type.label()
                    + " transposed, expected a scalar type and its size");
        }
        return in.u32("n_embd_v_gqa of layer " + layer, 1, LayerLayout.MAX_WIDTH);
    }

    /**
     * {@code llama_memory_recurrent::state_write}: cells, s_trans, n_layer, then (type, row size, rows) for the R of some layers and the S of
     * as many. A model with per-layer embeddings has a second row behind each R, without a type in front.
     */
    private Recurrent recurrent(Input in) throws Broken {
        long start = in.offset();
        int cells = in.u32("recurrent cell_count", 0, Integer.MAX_VALUE);
        int last = -1;
        for (int i = 0; i < cells; i++) {
            last = Math.max(last, in.u32("recurrent cell position", 0, Integer.MAX_VALUE));
            int sequences = in.u32("recurrent n_seq_id", 0, envelope == Envelope.CONTEXT ? MAX_SEQUENCES : 0);
            for (int s = 0; s < sequences; s++) {
                in.u32("recurrent sequence id", 0, MAX_SEQUENCES - 1);
            }
        }
        in.u32("recurrent s_trans", 0, 0);
        int layers = in.u32("recurrent n_layer", 1, MAX_LAYERS);
        long rowsAt = in.offset();
        List<Long> sizes = new ArrayList<>();
        while (in.remaining() > 0 && sizes.size() < 2 * layers) {
            long at = in.offset();
            boolean typed = GgmlType.of(in.i32("recurrent type")).isPresent();
            if (!typed && sizes.isEmpty()) {
                throw new Broken(at, "recurrent type", "is not a ggml type of a recurrent state");
            }
            in = typed ? in : new Input(file, at);
            long bytes = in.u64("recurrent row size", 0, MAX_ROW_BYTES);
            in.skip(cells != 0 && bytes > in.remaining() / cells ? Long.MAX_VALUE : bytes * cells, "recurrent rows");
            if (typed) {
                sizes.add(bytes);
            }
        }
        if (in.remaining() != 0) {
            throw new Broken(in.offset(), "end of the recurrent state", "expected here, " + in.remaining() + " bytes before the end of the file");
        }
        int half = sizes.size() / 2;
        boolean paired = half > 0 && sizes.size() == 2 * half && sizes.subList(0, half).stream().distinct().count() == 1
                && sizes.subList(half, 2 * half).stream().distinct().count() == 1;
        if (!paired || recurrentLayers > 0 && half != recurrentLayers) {
            throw new Broken(rowsAt, "recurrent rows", "are " + sizes.size() + " tensors, expected R and S of "
                    + (recurrentLayers > 0 ? recurrentLayers : "one or more") + " layers");
        }
        return new Recurrent(start, in.offset() - start, last);
    }
}
