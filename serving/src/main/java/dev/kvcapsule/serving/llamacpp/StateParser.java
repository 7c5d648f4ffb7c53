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

    private static final int DSV4_MAGIC = 0x34565344;
    private static final int[] EXT_BYTES = {0, 12, 8};
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
    private final boolean wholeContext;
    private final boolean[] values;
    private final Set<ParsedState> results = new LinkedHashSet<>();
    private Broken furthest;

    private StateParser(MemorySegment file, boolean wholeContext, boolean[] values) {
        this.file = file;
        this.wholeContext = wholeContext;
        this.values = values;
    }

    /**
     * @param file the whole file
     * @param offset where the payload begins; it ends with the file
     * @param wholeContext whether cells may belong to any number of sequences (GGSN), or to exactly one
     * @param facts what is known of the model
     * @throws Broken if no structure, or more than one, ends at the end of the file
     */
    static ParsedState parse(MemorySegment file, long offset, boolean wholeContext, ModelFacts facts) throws Broken {
        if (file.byteSize() - offset >= 4 && file.get(Input.I32, offset) == DSV4_MAGIC) {
            throw new Broken(offset, "payload", "is a DeepSeek-V4 state (magic 'DSV4'), which is not supported");
        }
        StateParser parser = new StateParser(file, wholeContext, valuesOf(facts));
        for (Shape shape : shapes(facts.memory())) {
            for (int ext : EXT_BYTES) {
                parser.search(shape, offset, ext, List.of());
                if (shape.blocks.isEmpty()) {
                    break;
                }
            }
        }
        if (parser.results.size() > 1) {
            throw new Broken(offset, "payload", "can be read in " + parser.results.size()
                    + " ways that all end at the end of the file; name the model, or its memory");
        }
        if (parser.results.isEmpty()) {
            Broken far = parser.furthest;
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
    static void checkRecurrent(MemorySegment bytes, boolean wholeContext) throws Broken {
        new StateParser(bytes, wholeContext, EITHER).recurrent(new Input(bytes, 0));
    }

    private static List<Shape> shapes(ModelFacts.Memory memory) {
        return switch (memory) {
            case UNKNOWN -> List.of(DENSE, ISWA, HYBRID, HYBRID_ISWA, RECURRENT);
            case DENSE -> List.of(DENSE);
            case ISWA -> List.of(ISWA, PARTIAL_ISWA);
            case HYBRID -> List.of(HYBRID, RECURRENT);
            case HYBRID_ISWA -> List.of(HYBRID_ISWA, PARTIAL_HYBRID_ISWA);
            case RECURRENT -> List.of(RECURRENT);
        };
    }

    /** Whether layers have V: all, none, or either if nothing is known of it. */
    private static boolean[] valuesOf(ModelFacts facts) {
        List<ModelFacts.Layer> known = facts.layers().isEmpty() ? facts.fallback().stream().toList()
                : facts.layers().stream().filter(ModelFacts.Layer::attention).toList();
        // An indexer beside the attention cache has no V whatever the model's layers have, so an unknown memory leaves both open.
        if (known.isEmpty() || facts.memory() == ModelFacts.Memory.UNKNOWN) {
            return EITHER;
        }
        if (known.stream().allMatch(layer -> layer.valueHeadDim() == ModelFacts.NO_VALUE)) {
            return WITHOUT_VALUES;
        }
        return known.stream().allMatch(layer -> layer.valueHeadDim() > 0) ? WITH_VALUES : EITHER;
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
        int sequences = in.u32("n_seq_id", 1, wholeContext ? MAX_SEQUENCES : 1);
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
            throw new Broken(at, field, "is " + Integer.toUnsignedString(size) + " for " + type.label() + " transposed, expected a scalar type and its size");
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
            int sequences = in.u32("recurrent n_seq_id", 0, wholeContext ? MAX_SEQUENCES : 0);
            for (int s = 0; s < sequences; s++) {
                in.u32("recurrent sequence id", 0, MAX_SEQUENCES - 1);
            }
        }
        in.u32("recurrent s_trans", 0, 0);
        int layers = in.u32("recurrent n_layer", 0, MAX_LAYERS);
        int rows = 0;
        while (in.remaining() > 0 && rows < 2 * layers) {
            long at = in.offset();
            if (GgmlType.of(in.i32("recurrent type")).isPresent()) {
                rows++;
            } else if (rows > 0) {
                in = new Input(file, at);
            } else {
                throw new Broken(at, "recurrent type", "is not a ggml type of a recurrent state");
            }
            long bytes = in.u64("recurrent row size", 0, in.remaining());
            in.skip(cells != 0 && bytes > in.remaining() / cells ? Long.MAX_VALUE : bytes * cells, "recurrent rows");
        }
        if (in.remaining() != 0) {
            throw new Broken(in.offset(), "end of the recurrent state", "expected here, " + in.remaining() + " bytes before the end of the file");
        }
        return new Recurrent(start, in.offset() - start, last);
    }
}
