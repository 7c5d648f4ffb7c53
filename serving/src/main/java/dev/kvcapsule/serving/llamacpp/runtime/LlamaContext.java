package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.CacheImage;
import dev.kvcapsule.serving.CacheTarget;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.llamacpp.BufferFormat;
import dev.kvcapsule.serving.llamacpp.PromptWords;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;

/**
 * A model's sequences: tokens go in, logits and the KV cache come out. Sequences are numbered from 0 and share the context's cells; methods that do not name one are about sequence 0,
 * which is the only one unless {@link ContextOptions#sequences} says otherwise. A sequence that the context does not have is an {@link IllegalArgumentException}; use after {@link #close}, or
 * after the model's, throws {@link IllegalStateException}.
 */
public final class LlamaContext implements AutoCloseable {
    private static final int FIRST = 0;
    private static final int FROM_THE_START = -1;

    private final LlamaModel model;
    private final LibLlama library;
    private final ContextOptions options;
    private final ModelFacts facts;
    private final Arena arena;
    private final AttentionCallback callback;
    private final int size;

    // The arrays of a batch, filled anew for each.
    private final MemorySegment batch;
    private final MemorySegment tokenIds;
    private final MemorySegment positions;
    private final MemorySegment wanted;
    /** The sequence of all tokens of a batch. */
    private final MemorySegment sequence;

    private MemorySegment pointer;
    private Arena logitsArena;

    private LlamaContext(LlamaModel model, ContextOptions options, ModelFacts facts, Arena arena, AttentionCallback callback, MemorySegment pointer) {
        this.model = model;
        this.library = model.library();
        this.options = options;
        this.facts = facts;
        this.arena = arena;
        this.callback = callback;
        this.pointer = pointer;
        size = library.contextSize(pointer);
        int capacity = options.batch();
        tokenIds = arena.allocate(4L * capacity, 8);
        positions = arena.allocate(4L * capacity, 8);
        wanted = arena.allocate(capacity, 8);
        MemorySegment sequenceCounts = arena.allocate(4L * capacity, 8);
        MemorySegment sequences = arena.allocate(8L * capacity, 8);
        sequence = arena.allocate(ValueLayout.JAVA_INT);
        for (int i = 0; i < capacity; i++) {
            sequenceCounts.setAtIndex(ValueLayout.JAVA_INT, i, 1);
            sequences.setAtIndex(ValueLayout.ADDRESS, i, sequence);
        }
        batch = arena.allocate(LibLlama.BATCH);
        point("token", tokenIds);
        point("pos", positions);
        point("n_seq_id", sequenceCounts);
        point("seq_id", sequences);
        point("logits", wanted);
    }

    private void point(String field, MemorySegment to) {
        batch.set(ValueLayout.ADDRESS, LibLlama.BATCH.byteOffset(PathElement.groupElement(field)), to);
    }

    static LlamaContext open(LlamaModel model, ContextOptions options) throws IOException {
        LibLlama library = model.library();
        ModelFacts facts = model.facts(options.tokens());
        // Shared, so that any thread may use it and close throws out the others.
        Arena arena = Arena.ofShared();
        MemorySegment pointer = MemorySegment.NULL;
        try {
            AttentionCallback callback = new AttentionCallback(library);
            MemorySegment params = library.contextDefaultParams(arena);
            StructParams.set(params, options, callback.function(arena));
            library.log().clear();
            pointer = library.contextInit(model.pointer(), params);
            if (pointer.address() == 0) {
                throw new LlamaException("libllama refuses a context of " + options.tokens() + " tokens for " + model.file() + library.log().because());
            }
            return new LlamaContext(model, options, facts, arena, callback, pointer);
        } catch (IOException | RuntimeException e) {
            if (pointer.address() != 0) {
                library.contextFree(pointer);
            }
            arena.close();
            throw e;
        }
    }

    /** The model it belongs to. */
    public LlamaModel model() {
        return model;
    }

    /** How it was set up. */
    public ContextOptions options() {
        return options;
    }

    /** Cells of its cache. */
    public int size() {
        return size;
    }

    /** What the engine has to know of the model to read this context's caches. */
    public ModelFacts facts() {
        return facts;
    }

    private MemorySegment pointer() {
        if (pointer == null) {
            throw new IllegalStateException("the context is closed");
        }
        return pointer;
    }

    private int checked(int number) {
        if (number < 0 || number >= options.sequences()) {
            throw new IllegalArgumentException("there is no sequence " + number + " of " + options.sequences());
        }
        return number;
    }

    /** Forgets all tokens of all sequences. */
    public void clear() {
        synchronized (model) {
            library.memoryClear(pointer());
        }
    }

    /** Forgets all tokens of a sequence. */
    public void clear(int number) {
        synchronized (model) {
            library.memoryRemove(pointer(), checked(number), FROM_THE_START);
        }
    }

    /**
     * Forgets a sequence's tokens from a position on.
     *
     * @param position 0 or more; nothing happens behind the last token
     * @return whether that could be done: a sliding window has to reach back from there, and a recurrent state has no past at all. If not, nothing has changed
     */
    public boolean truncate(int number, int position) {
        synchronized (model) {
            if (position <= 0) {
                clear(number);
                return true;
            }
            if (position >= nextPosition(number)) {
                return true;
            }
            // llama.cpp would cut a window that then lacks tokens, and say that all is well.
            int window = facts.layers().stream().mapToInt(ModelFacts.Layer::window).max().orElse(0);
            return (window == 0 || library.memoryFirstPosition(pointer, number) <= Math.max(0, position - window)) && library.memoryRemove(pointer, number, position);
        }
    }

    /**
     * Makes a sequence what another one is; neither changes when the other goes on. Cells are shared until they differ, so that it takes no memory and hardly any time. A recurrent state is copied.
     *
     * @param from is left as it is
     * @param to forgets what it had
     */
    public void copy(int from, int to) {
        synchronized (model) {
            pointer();
            if (checked(from) != checked(to)) {
                clear(to);
                library.memoryCopy(pointer, from, to);
            }
        }
    }

    /** The position after the last token; 0 if there is none. */
    public int nextPosition() {
        return nextPosition(FIRST);
    }

    /** The same for a sequence. */
    public int nextPosition(int number) {
        synchronized (model) {
            return library.memoryLastPosition(pointer(), checked(number)) + 1;
        }
    }

    /**
     * Evaluates tokens for what they leave in the cache.
     *
     * @param tokens ids, any number of them that the cache still has cells for
     * @param position of the first one; {@link #nextPosition}, or llama.cpp refuses
     * @throws LlamaException if llama.cpp refuses or fails; the cache then holds what was evaluated before
     */
    public void evaluate(int[] tokens, int position) throws LlamaException {
        evaluate(FIRST, tokens, position);
    }

    /** The same for a sequence. */
    public void evaluate(int number, int[] tokens, int position) throws LlamaException {
        evaluateAll(number, tokens, position, null);
    }

    /**
     * The same, showing the queries of every token; slower by what the listener takes.
     *
     * @param listener called by this thread, layer after layer and batch after batch
     * @throws IllegalArgumentException if the context has no flash attention, or keys of a block type
     */
    public void evaluate(int[] tokens, int position, QueryListener listener) throws LlamaException {
        if (!options.flashAttention() || !options.keyType().isScalar()) {
            throw new IllegalArgumentException("query capture needs flash attention and a scalar key type");
        }
        evaluateAll(FIRST, tokens, position, Objects.requireNonNull(listener));
    }

    private void evaluateAll(int number, int[] tokens, int position, QueryListener listener) throws LlamaException {
        synchronized (model) {
            for (int from = 0; from < tokens.length; from += options.batch()) {
                decode(number, tokens, from, Math.min(tokens.length, from + options.batch()), position + from, false, listener);
            }
        }
    }

    /**
     * Evaluates tokens and predicts what follows each of them.
     *
     * @param tokens ids, at most a batch
     * @param position of the first one, as for {@link #evaluate}
     * @return [token][vocabulary] f32, unnormalised log-probabilities; dead at the next evaluation, load or close, after which its use throws
     */
    public MemorySegment logits(int[] tokens, int position) throws LlamaException {
        return logits(FIRST, tokens, position);
    }

    /** The same for a sequence. */
    @SuppressWarnings("restricted")
    public MemorySegment logits(int number, int[] tokens, int position) throws LlamaException {
        synchronized (model) {
            pointer();
            if (tokens.length == 0 || tokens.length > options.batch()) {
                throw new IllegalArgumentException(tokens.length + " tokens are not within 1 to a batch of " + options.batch());
            }
            decode(number, tokens, 0, tokens.length, position, true, null);
            MemorySegment rows = library.logits(pointer());
            if (rows.address() == 0) {
                throw new LlamaException("libllama has no logits" + library.log().because());
            }
            logitsArena = Arena.ofShared();
            return rows.reinterpret(4L * tokens.length * model.vocabulary(), logitsArena, null).asReadOnly();
        }
    }

    private void decode(int number, int[] tokens, int from, int to, int position, boolean logits, QueryListener listener) throws LlamaException {
        pointer();
        sequence.set(ValueLayout.JAVA_INT, 0, checked(number));
        if (position < 0 || position > size - (to - from)) {
            throw new LlamaException("tokens " + position + " to " + ((long) position + to - from) + " do not fit a context of " + size);
        }
        // The library may move its output memory.
        dropLogits();
        int count = to - from;
        for (int i = 0; i < count; i++) {
            int token = tokens[from + i];
            if (token < 0 || token >= model.vocabulary()) {
                throw new IllegalArgumentException("token " + token + " is not within the vocabulary of " + model.vocabulary());
            }
            tokenIds.setAtIndex(ValueLayout.JAVA_INT, i, token);
            positions.setAtIndex(ValueLayout.JAVA_INT, i, position + i);
            // The last one's are always computed: a batch without any output is a case of its own in llama.cpp.
            wanted.set(ValueLayout.JAVA_BYTE, i, (byte) (logits || i == count - 1 ? 1 : 0));
        }
        batch.set(ValueLayout.JAVA_INT, 0, count);
        callback.begin(listener, position, count);
        library.log().clear();
        int code = library.decode(pointer, batch);
        if (code != 0) {
            String what = code == 1 ? "has no free cells for" : code == -1 ? "refuses" : "fails (" + code + ") at";
            throw new LlamaException("libllama " + what + " " + count + " tokens at position " + position + library.log().because());
        }
        callback.end();
    }

    private void dropLogits() {
        if (logitsArena != null) {
            logitsArena.close();
            logitsArena = null;
        }
    }

    /**
     * The state as {@code llama_state_seq_get_data} gives it, which {@link BufferFormat} reads.
     *
     * @param owner whose memory it becomes
     */
    public MemorySegment save(Arena owner) throws LlamaException {
        return save(FIRST, owner);
    }

    /** The same for a sequence. */
    public MemorySegment save(int number, Arena owner) throws LlamaException {
        synchronized (model) {
            long bytes = library.stateSize(pointer(), checked(number));
            MemorySegment state = owner.allocate(bytes, 64);
            library.log().clear();
            long written = library.stateGet(pointer(), state, number);
            if (written != bytes) {
                throw new LlamaException("libllama wrote " + written + " of " + bytes + " bytes of state" + library.log().because());
            }
            return state;
        }
    }

    /**
     * Takes a copy of the cache as it is now.
     *
     * @return for the caller to close
     */
    public CapturedCache capture() throws IOException {
        return capture(FIRST);
    }

    /** The same for a sequence. */
    public CapturedCache capture(int number) throws IOException {
        Arena own = Arena.ofShared();
        MemorySegment state = MemorySegment.NULL;
        try {
            state = save(number, own);
            return new CapturedCache(own, state, read(state));
        } catch (Throwable e) {
            // It holds a conversation.
            state.fill((byte) 0);
            own.close();
            throw e;
        }
    }

    /**
     * Replaces the cache by that of a capsule. It is decoded into off-heap memory, and llama.cpp gets it when everything about it has been checked, and not before: if it is
     * refused, the cache is what it was.
     *
     * @param capsule has not been read from yet; in memory if {@code tokens} is given
     * @param tokens how many to restore, reading only the tiles that hold them; empty for all
     * @throws MalformedDataException if the capsule is damaged
     * @throws dev.kvcapsule.engine.CapsuleRefusedException the same for a sealed one, or if it may not be used
     * @throws UnsupportedOperationException if its cache is none of llama.cpp's, or cannot be cut there
     * @throws LlamaException if llama.cpp refuses it: another model, type, or more cells than this context has; the cache is then empty
     */
    public void restore(CapsuleReader capsule, OptionalInt tokens, PipelineOptions pipeline) throws IOException {
        restore(FIRST, capsule, tokens, pipeline);
    }

    /** The same for a sequence; the others stay as they are. */
    public void restore(int number, CapsuleReader capsule, OptionalInt tokens, PipelineOptions pipeline) throws IOException {
        checked(number);
        CapsuleDecoder decoder = new CapsuleDecoder(capsule);
        try (Arena own = Arena.ofShared()) {
            List<MemorySegment> blobs = capsule.blobs(own);
            try {
                CacheImage image = new BufferFormat().plan(capsule.manifest().layout(), blobs, new CacheTarget(OptionalInt.of(BufferFormat.PREFIXED), tokens));
                MemorySegment state = own.allocate(image.bytes(), 64);
                try {
                    CacheSink sink = CacheSink.of(image.write(state));
                    if (tokens.isPresent()) {
                        decoder.decodePrefix(sink, pipeline);
                    } else {
                        decoder.decode(sink, pipeline);
                    }
                    load(number, state);
                } finally {
                    capsule.wipe(state);
                }
            } finally {
                blobs.forEach(capsule::wipe);
            }
        }
    }

    /**
     * Replaces the cache by a state of the form that {@link #save} gives.
     *
     * @param state native memory
     * @throws MalformedDataException if it is not one, which is found out before llama.cpp sees it
     * @throws LlamaException if llama.cpp refuses it: another model, type, or more cells than this context has
     */
    public void load(MemorySegment state) throws IOException {
        load(FIRST, state);
    }

    /** The same for a sequence; the others stay as they are. */
    public void load(int number, MemorySegment state) throws IOException {
        synchronized (model) {
            pointer();
            checked(number);
            read(state);
            dropLogits();
            clear(number);
            library.log().clear();
            long used = library.stateSet(pointer, state, number);
            if (used != state.byteSize()) {
                clear(number);
                throw new LlamaException("libllama refuses the state" + library.log().because());
            }
        }
    }

    /**
     * The cache in a state of the form that {@link #save} gives: slices of it.
     *
     * @throws MalformedDataException if it is not one
     */
    public KvCache read(MemorySegment state) throws MalformedDataException {
        return new BufferFormat().read(state, facts);
    }

    /**
     * Writes a GGSQ file.
     *
     * @param tokens the ids that are in the cache
     */
    public void save(Path file, int[] tokens) throws LlamaException {
        synchronized (model) {
            pointer();
            try (Arena call = Arena.ofConfined()) {
                library.log().clear();
                MemorySegment ids = call.allocateFrom(ValueLayout.JAVA_INT, tokens);
                if (library.stateSaveFile(pointer, call.allocateFrom(file.toString()), FIRST, ids, tokens.length) == 0) {
                    throw new LlamaException("libllama cannot write " + file + library.log().because());
                }
            }
        }
    }

    /**
     * Replaces the cache by that of a GGSQ file.
     *
     * @return the file's token ids
     * @throws MalformedDataException if it is not a state file, which is found out before llama.cpp sees it
     * @throws LlamaException if llama.cpp refuses it: another version, model, type, or more cells than this context has
     */
    public int[] load(Path file) throws IOException {
        Prompt prompt = prompt(file);
        synchronized (model) {
            pointer();
            dropLogits();
            clear(FIRST);
            try (Arena call = Arena.ofConfined()) {
                MemorySegment words = call.allocate(4 * prompt.words, 4);
                MemorySegment path = call.allocateFrom(file.toString());
                library.log().clear();
                if (library.stateLoadFile(pointer, path, FIRST, words, prompt.words, call.allocate(8, 8)) == 0) {
                    clear(FIRST);
                    throw new LlamaException("libllama refuses " + file + library.log().because());
                }
            }
            return prompt.tokens;
        }
    }

    /** Token ids, and how many words they take in the file: llama-server puts others around them. */
    private record Prompt(int[] tokens, long words) {}

    private Prompt prompt(Path file) throws IOException {
        try (InputFile input = InputFile.open(file)) {
            KvCache cache = CacheFormats.read(input.bytes(), facts);
            for (int b = 0; b < cache.layout().blobs().size(); b++) {
                if (cache.layout().blobs().get(b).name().equals(PromptWords.BLOB)) {
                    return new Prompt(PromptWords.of(cache.blob(b)).toArray(), cache.blob(b).byteSize() / 4);
                }
            }
            return new Prompt(new int[0], 0);
        }
    }

    /** Frees the context; a second time does nothing. */
    @Override
    public void close() {
        synchronized (model) {
            if (pointer != null) {
                dropLogits();
                library.contextFree(pointer);
                pointer = null;
                arena.close();
                model.forget(this);
            }
        }
    }
}
