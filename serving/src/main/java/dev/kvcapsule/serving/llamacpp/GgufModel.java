package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.ModelFacts;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;

/** The facts of a model that its GGUF file and {@link Architecture} tell. */
public final class GgufModel {
    /** Identity fact: the value of {@code general.architecture}. */
    public static final String ARCHITECTURE = "architecture";

    /** Identity fact: the value of {@code general.name}. */
    public static final String NAME = "name";

    private static final int MAX_LAYERS = 4096;

    private final GgufHeader header;
    private final String name;
    private final Architecture architecture;
    private final int layerCount;
    private final OptionalLong context;

    private GgufModel(GgufHeader header, OptionalLong context) throws MalformedDataException {
        this.header = header;
        this.context = context;
        this.name = header.string("general.architecture").orElseThrow(() ->
                new MalformedDataException("general.architecture is missing from the GGUF metadata"));
        this.architecture = Architecture.of(name);
        long blocks = number("block_count", 0) - number("nextn_predict_layers", 0);
        if (blocks < 1 || blocks > MAX_LAYERS) {
            throw new MalformedDataException(name + ".block_count gives " + blocks + " layers, expected 1 to " + MAX_LAYERS);
        }
        this.layerCount = (int) blocks;
    }

    /**
     * @param gguf a model file; only its header is read
     * @throws MalformedDataException if it is not a GGUF file, or its numbers are out of range
     */
    public static ModelFacts facts(Path gguf) throws IOException {
        return facts(gguf, OptionalLong.empty());
    }

    /**
     * @param gguf a model file; only its header is read
     * @param context the context size the model ran with, which decides between the two frequency tables of LongRoPE; without it, the RoPE of
     *     such a model is not known
     */
    public static ModelFacts facts(Path gguf, OptionalLong context) throws IOException {
        try (FileChannel channel = FileChannel.open(gguf, StandardOpenOption.READ); Arena arena = Arena.ofConfined()) {
            return facts(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena), context);
        }
    }

    /** The same for a file in memory. */
    public static ModelFacts facts(MemorySegment gguf, OptionalLong context) throws MalformedDataException {
        GgufHeader header = GgufHeader.read(gguf);
        try {
            return new GgufModel(header, context).facts();
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new MalformedDataException("GGUF metadata: " + e.getMessage());
        }
    }

    private ModelFacts facts() throws MalformedDataException {
        Map<String, String> identity = new TreeMap<>();
        identity.put(ARCHITECTURE, name);
        header.string("general.name").ifPresent(title -> identity.put(NAME, title));
        identity.put("layers", Integer.toString(layerCount));
        if (architecture.kind() == Architecture.Kind.RECURRENT) {
            List<ModelFacts.Layer> none = new ArrayList<>();
            for (int l = 0; l < layerCount; l++) {
                none.add(new ModelFacts.Layer(0, 0, 0, Optional.empty(), 0, false));
            }
            return facts(none, ModelFacts.Memory.RECURRENT, layerCount, identity);
        }
        int[] windows = windows();
        boolean local = false;
        for (int window : windows) {
            local |= window > 0;
        }
        GgufRope rope = new GgufRope(header, name, architecture, context);
        long[] kvHeads = perLayer("attention.head_count_kv", perLayer("attention.head_count", new long[layerCount]));
        boolean[] attention = attention(kvHeads);
        List<ModelFacts.Layer> layers = new ArrayList<>();
        for (int l = 0; l < layerCount; l++) {
            if (!attention[l]) {
                layers.add(new ModelFacts.Layer(0, 0, 0, Optional.empty(), windows[l], false));
                continue;
            }
            boolean isLocal = windows[l] > 0;
            int keyDim = headDim("key", isLocal);
            int valueDim = isLatent() ? ModelFacts.NO_VALUE : headDim("value", isLocal);
            boolean rotated = rotated(l, isLocal, local) && !isLatent();
            layers.add(new ModelFacts.Layer(Math.toIntExact(kvHeads[l]), keyDim, valueDim,
                    rotated ? rope.of(keyDim, isLocal) : Optional.empty(), windows[l], true));
        }
        ModelFacts.Memory memory = switch (architecture.kind()) {
            case ATTENTION -> local ? ModelFacts.Memory.ISWA : ModelFacts.Memory.DENSE;
            case HYBRID -> local ? ModelFacts.Memory.HYBRID_ISWA : ModelFacts.Memory.HYBRID;
            default -> ModelFacts.Memory.UNKNOWN;
        };
        return facts(layers, memory, architecture.kind() == Architecture.Kind.HYBRID ? recurrentLayers(attention) : 0, identity);
    }

    private static ModelFacts facts(List<ModelFacts.Layer> layers, ModelFacts.Memory memory, int recurrent, Map<String, String> identity) {
        return new ModelFacts(layers, Optional.empty(), Optional.empty(), memory, recurrent, identity);
    }

    /** Multi-head latent attention: K rows hold the latent and the rotated part, V is a view of them. */
    private boolean isLatent() {
        return number("attention.key_length_mla", 0) > 0;
    }

    private int headDim(String part, boolean local) throws MalformedDataException {
        long dim = number("attention." + part + "_length", 0);
        if (dim == 0) {
            long heads = perLayer("attention.head_count", new long[layerCount])[0];
            dim = heads == 0 ? 0 : number("embedding_length", 0) / heads;
        }
        return Math.toIntExact(local ? number("attention." + part + "_length_swa", dim) : dim);
    }

    /** Which layers have an attention cache of their own. */
    private boolean[] attention(long[] kvHeads) {
        long[] recurrent = header.integers(name + ".attention.recurrent_layers").orElse(null);
        long shared = name.equals("gemma3n") ? Math.max(0, layerCount - 20) : number("attention.shared_kv_layers", 0);
        boolean byInterval = name.equals("qwen3next") || name.equals("qwen35") || name.equals("qwen35moe") || name.equals("minimax-01");
        long interval = number("full_attention_interval", name.equals("minimax-01") ? 8 : 4);
        boolean[] attention = new boolean[layerCount];
        for (int l = 0; l < layerCount; l++) {
            boolean own = kvHeads[l] > 0 && l < layerCount - shared;
            if (byInterval) {
                own &= recurrent != null && l < recurrent.length ? recurrent[l] == 0 : interval > 0 && (l + 1) % interval == 0;
            }
            attention[l] = own;
        }
        return attention;
    }

    /** How many layers keep a recurrent state: those without attention, but for layers that are a feed-forward network only. */
    private int recurrentLayers(boolean[] attention) throws MalformedDataException {
        if (name.equals("falcon-h1")) {
            return layerCount;
        }
        boolean networksApart = name.equals("nemotron_h") || name.equals("nemotron_h_moe");
        long[] network = networksApart ? perLayer("feed_forward_length", new long[layerCount]) : new long[layerCount];
        int count = 0;
        for (int l = 0; l < layerCount; l++) {
            count += !attention[l] && network[l] == 0 ? 1 : 0;
        }
        return count;
    }

    /** The window of every layer. */
    private int[] windows() throws MalformedDataException {
        Architecture.Windows rule = architecture.windows();
        int[] windows = new int[layerCount];
        // The rule for EXAONE 4 is by its size: only the 32B model has windows.
        if (rule.period() < 0 || name.equals("exaone4") && layerCount != 64) {
            return windows;
        }
        OptionalLong said = header.integer(name + ".attention.sliding_window");
        long window = said.orElse(rule.window());
        if (rule.fixed() && window != 0) {
            window = rule.window();
        } else if (name.equals("smallthinker") && window > 0) {
            window = 4096;
        }
        if (window < 0 || window > Integer.MAX_VALUE) {
            throw new MalformedDataException(name + ".attention.sliding_window is " + window);
        }
        long[] pattern = header.integers(name + ".attention.sliding_window_pattern").orElse(null);
        long period = rule.period() == 0 ? 0 : number("attention.sliding_window_pattern", rule.period());
        if (pattern == null && rule.period() == 0) {
            throw new MalformedDataException(name + ".attention.sliding_window_pattern is missing: it says which layers have a window");
        }
        for (int l = 0; l < layerCount; l++) {
            boolean local = pattern != null ? l < pattern.length && pattern[l] != 0
                    : period <= 1 ? rule.period() == 1 || period == 0 : rule.globalFirst() ? l % period != 0 : l % period < period - 1;
            windows[l] = local ? (int) window : 0;
        }
        return windows;
    }

    private boolean rotated(int layer, boolean local, boolean anyLocal) {
        long[] pattern = header.integers(name + ".attention.rope_pattern").orElse(null);
        if (pattern != null && layer < pattern.length && pattern[layer] == 0) {
            return false;
        }
        return switch (architecture.rotated()) {
            case ALL -> true;
            case LOCAL -> local || !anyLocal;
            case LOCAL_AND_LEADING -> local || layer < number("leading_dense_block_count", 0);
            case THREE_OF_FOUR -> (layer + 1) % 4 != 0;
            case LLAMA4 -> (layer + 1) % (anyLocal ? 4 : layerCount) != 0;
            case SWITCHED -> header.integer(name + ".rope.scaling.finetuned").orElse(1) != 0;
        };
    }

    private long number(String key, long fallback) {
        return header.integer(name + "." + key).orElse(fallback);
    }

    /** A number for every layer, given as an array or once for all. */
    private long[] perLayer(String key, long[] fallback) throws MalformedDataException {
        long[] array = header.integers(name + "." + key).orElse(null);
        OptionalLong scalar = header.integer(name + "." + key);
        long[] numbers = new long[layerCount];
        for (int l = 0; l < layerCount; l++) {
            if (array != null && l >= array.length) {
                throw new MalformedDataException(name + "." + key + " has " + array.length + " numbers for " + layerCount + " layers");
            }
            numbers[l] = array != null ? array[l] : scalar.orElse(fallback[l]);
            if (numbers[l] < 0 || numbers[l] > 1 << 20) {
                throw new MalformedDataException(name + "." + key + " is " + numbers[l]);
            }
        }
        return numbers;
    }
}
