package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.llamacpp.GgufModel;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/**
 * A model that llama.cpp has loaded. One lock serves it and its contexts, so any thread may use them, one at a time. Use after {@link #close}
 * throws {@link IllegalStateException}.
 */
public final class LlamaModel implements AutoCloseable {
    private static final int NO_VOCABULARY = 0;

    private final LibLlama library;
    private final Path file;
    private final List<LlamaContext> contexts = new ArrayList<>();
    private final MemorySegment vocab;
    private final int vocabulary;
    private final int layers;
    private final int trainedContext;
    private MemorySegment pointer;

    private LlamaModel(LibLlama library, Path file, MemorySegment pointer) {
        this.library = library;
        this.file = file;
        this.pointer = pointer;
        vocab = library.modelVocab(pointer);
        vocabulary = library.vocabTokens(vocab);
        layers = library.modelLayers(pointer);
        trainedContext = library.modelTrainedContext(pointer);
    }

    /**
     * Loads a model; its weights are mapped, not copied.
     *
     * @param gguf the model file
     * @throws dev.kvcapsule.engine.MalformedDataException if it is not a GGUF file
     * @throws LlamaException if llama.cpp refuses it, with what it logged
     */
    public static LlamaModel open(LibLlama library, Path gguf) throws IOException {
        // llama.cpp's own message for a file that is not there or not GGUF names neither the offset nor the field.
        GgufModel.facts(gguf);
        try (Arena arena = Arena.ofConfined()) {
            library.log().clear();
            MemorySegment pointer = library.modelLoad(arena.allocateFrom(gguf.toString()), library.modelDefaultParams(arena));
            if (pointer.address() == 0) {
                throw new LlamaException("libllama does not load " + gguf + library.log().because());
            }
            return new LlamaModel(library, gguf, pointer);
        }
    }

    /** The library it runs on. */
    public LibLlama library() {
        return library;
    }

    /** The model file. */
    public Path file() {
        return file;
    }

    /** Layers, those without attention included. */
    public int layers() {
        return layers;
    }

    /** Token ids: 0 to this, exclusive; as many logits a token. */
    public int vocabulary() {
        return vocabulary;
    }

    /** Tokens of the contexts it was trained on. */
    public int trainedContext() {
        return trainedContext;
    }

    /**
     * What the engine has to know of the model to read its caches.
     *
     * @param context cells of the context they come from
     */
    public ModelFacts facts(int context) throws IOException {
        return GgufModel.facts(file, OptionalLong.of(context));
    }

    /**
     * A text's tokens, with the start token if the model wants one; what looks like a control token in the text is text.
     *
     * @throws LlamaException if the model has no tokenizer for it
     */
    public synchronized int[] tokenize(String text) throws LlamaException {
        pointer();
        // Asked to tokenize without a tokenizer, llama.cpp ends the process.
        if (library.vocabType(vocab) == NO_VOCABULARY) {
            throw new LlamaException(file + " has no tokenizer");
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment in = arena.allocate(bytes.length + 1L);
            MemorySegment.copy(bytes, 0, in, ValueLayout.JAVA_BYTE, 0, bytes.length);
            // At least a byte a token, but for the special ones.
            int capacity = Math.addExact(bytes.length, 16);
            MemorySegment out = arena.allocate(4L * capacity, 4);
            library.log().clear();
            int count = library.tokenize(vocab, in, bytes.length, out, capacity, true, false);
            if (count < 0 || count > capacity) {
                throw new LlamaException("libllama cannot tokenize a text of " + bytes.length + " bytes" + library.log().because());
            }
            return out.asSlice(0, 4L * count).toArray(ValueLayout.JAVA_INT);
        }
    }

    /**
     * A context with a cache of its own.
     *
     * @throws LlamaException if llama.cpp refuses it, with what it logged
     */
    public synchronized LlamaContext context(ContextOptions options) throws IOException {
        LlamaContext context = LlamaContext.open(this, options);
        contexts.add(context);
        return context;
    }

    MemorySegment pointer() {
        if (pointer == null) {
            throw new IllegalStateException("the model " + file + " is closed");
        }
        return pointer;
    }

    void forget(LlamaContext context) {
        contexts.remove(context);
    }

    /** Frees the model and closes its contexts; a second time does nothing. */
    @Override
    public synchronized void close() {
        if (pointer != null) {
            List.copyOf(contexts).forEach(LlamaContext::close);
            library.modelFree(pointer);
            pointer = null;
        }
    }
}
