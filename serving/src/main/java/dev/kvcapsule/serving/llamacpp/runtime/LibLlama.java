package dev.kvcapsule.serving.llamacpp.runtime;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Optional;

/**
 * llama.cpp's C API (llama.h, ggml.h, ggml-backend.h of v0.5.0, 2026-08) through the Foreign Function and Memory API: only the functions that
 * evaluating a model takes. Loaded once a process and never unloaded, since its thread pools and backends live as long as the process.
 *
 * <p>Its methods are thin and unchecked; {@link LlamaModel} and {@link LlamaContext} are what keeps pointers alive and in order.
 */
public final class LibLlama {
    /** Environment variable that names the folder of libllama, or the library itself. */
    public static final String VARIABLE = "CAPSULE_LIBLLAMA";

    /**
     * {@code struct llama_batch}: n_tokens, then pointers to token ids, embeddings (null), positions, sequences a token, the sequences, and one
     * byte a token that says whether its logits are wanted.
     */
    static final StructLayout BATCH = MemoryLayout.structLayout(JAVA_INT.withName("n_tokens"), MemoryLayout.paddingLayout(4), ADDRESS.withName("token"),
            ADDRESS.withName("embd"), ADDRESS.withName("pos"), ADDRESS.withName("n_seq_id"), ADDRESS.withName("seq_id"), ADDRESS.withName("logits"));

    private static LibLlama loaded;

    private final LibraryFolder files;
    private final LlamaLog log = new LlamaLog();
    private final String version;

    private final MethodHandle modelDefaultParams;
    private final MethodHandle contextDefaultParams;
    private final MethodHandle modelLoad;
    private final MethodHandle modelFree;
    private final MethodHandle modelVocab;
    private final MethodHandle vocabTokens;
    private final MethodHandle vocabType;
    private final MethodHandle modelLayers;
    private final MethodHandle modelTrainedContext;
    private final MethodHandle tokenize;
    private final MethodHandle contextInit;
    private final MethodHandle contextFree;
    private final MethodHandle contextSize;
    private final MethodHandle contextMemory;
    private final MethodHandle memoryClear;
    private final MethodHandle memoryLastPosition;
    private final MethodHandle memoryFirstPosition;
    private final MethodHandle memoryRemove;
    private final MethodHandle memoryCopy;
    private final MethodHandle decode;
    private final MethodHandle logits;
    private final MethodHandle stateSize;
    private final MethodHandle stateGet;
    private final MethodHandle stateSet;
    private final MethodHandle stateSaveFile;
    private final MethodHandle stateLoadFile;
    private final MethodHandle tensorName;
    private final MethodHandle tensorElements;
    private final MethodHandle tensorBytes;
    private final MethodHandle tensorGet;
    private final MethodHandle operationOf;

    private LibLlama(LibraryFolder files) throws LlamaException {
        this.files = files;
        NativeFunctions f = NativeFunctions.open(files.llama(), Arena.global());
        modelDefaultParams = f.function("llama_model_default_params", StructParams.OPAQUE);
        contextDefaultParams = f.function("llama_context_default_params", StructParams.OPAQUE);
        modelLoad = f.function("llama_model_load_from_file", ADDRESS, ADDRESS, StructParams.OPAQUE);
        modelFree = f.function("llama_model_free", null, ADDRESS);
        modelVocab = f.function("llama_model_get_vocab", ADDRESS, ADDRESS);
        vocabTokens = f.function("llama_vocab_n_tokens", JAVA_INT, ADDRESS);
        vocabType = f.function("llama_vocab_type", JAVA_INT, ADDRESS);
        modelLayers = f.function("llama_model_n_layer", JAVA_INT, ADDRESS);
        modelTrainedContext = f.function("llama_model_n_ctx_train", JAVA_INT, ADDRESS);
        tokenize = f.function("llama_tokenize", JAVA_INT, ADDRESS, ADDRESS, JAVA_INT, ADDRESS, JAVA_INT, JAVA_BOOLEAN, JAVA_BOOLEAN);
        contextInit = f.function("llama_init_from_model", ADDRESS, ADDRESS, StructParams.OPAQUE);
        contextFree = f.function("llama_free", null, ADDRESS);
        contextSize = f.function("llama_n_ctx", JAVA_INT, ADDRESS);
        contextMemory = f.function("llama_get_memory", ADDRESS, ADDRESS);
        memoryClear = f.function("llama_memory_clear", null, ADDRESS, JAVA_BOOLEAN);
        memoryLastPosition = f.function("llama_memory_seq_pos_max", JAVA_INT, ADDRESS, JAVA_INT);
        memoryFirstPosition = f.function("llama_memory_seq_pos_min", JAVA_INT, ADDRESS, JAVA_INT);
        memoryRemove = f.function("llama_memory_seq_rm", JAVA_BOOLEAN, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT);
        memoryCopy = f.function("llama_memory_seq_cp", null, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT);
        decode = f.function("llama_decode", JAVA_INT, ADDRESS, BATCH);
        logits = f.function("llama_get_logits", ADDRESS, ADDRESS);
        stateSize = f.function("llama_state_seq_get_size_ext", JAVA_LONG, ADDRESS, JAVA_INT, JAVA_INT);
        stateGet = f.function("llama_state_seq_get_data_ext", JAVA_LONG, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT);
        stateSet = f.function("llama_state_seq_set_data_ext", JAVA_LONG, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT);
        stateSaveFile = f.function("llama_state_seq_save_file", JAVA_LONG, ADDRESS, ADDRESS, JAVA_INT, ADDRESS, JAVA_LONG);
        stateLoadFile = f.function("llama_state_seq_load_file", JAVA_LONG, ADDRESS, ADDRESS, JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS);
        tensorName = f.function("ggml_get_name", ADDRESS, ADDRESS);
        tensorElements = f.function("ggml_nelements", JAVA_LONG, ADDRESS);
        tensorBytes = f.function("ggml_nbytes", JAVA_LONG, ADDRESS);
        tensorGet = f.function("ggml_backend_tensor_get", null, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
        operationOf = f.function("ggml_op_desc", ADDRESS, ADDRESS);
        MethodHandle backendInit = f.function("llama_backend_init", null);
        MethodHandle logSet = f.function("llama_log_set", null, ADDRESS, ADDRESS);
        MethodHandle backendLoad = f.function("ggml_backend_load", ADDRESS, ADDRESS);
        try (Arena arena = Arena.ofConfined()) {
            logSet.invokeExact(log.function(), MemorySegment.NULL);
            checkStructs(arena);
            loadBackends(backendLoad, arena);
            backendInit.invokeExact();
            version = f.has("llama_version") ? NativeFunctions.string((MemorySegment) f.function("llama_version", ADDRESS).invokeExact()) : "unknown";
        } catch (LlamaException e) {
            throw e;
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    /** The folder that {@value #VARIABLE} names; empty if it is not set. */
    public static Optional<Path> configured() {
        return Optional.ofNullable(System.getenv(VARIABLE)).filter(value -> !value.isBlank()).map(Path::of);
    }

    /**
     * The library that {@value #VARIABLE} names.
     *
     * @throws LlamaException if it is not set, or as {@link #load(Path)}
     */
    public static LibLlama load() throws LlamaException {
        return load(configured().orElseThrow(() -> new LlamaException(VARIABLE + " is not set; it names the folder of libllama")));
    }

    /**
     * Loads libllama and the backends beside it; the same library a second time is the one already there.
     *
     * @param path its folder, or the library itself
     * @throws LlamaException naming folder, file and what is wrong: nothing there, a file the system cannot load, a function missing, parameter
     *     structs of another layout than v0.5.0's, no backend for this CPU, or another library already in this process
     */
    public static synchronized LibLlama load(Path path) throws LlamaException {
        LibraryFolder files = LibraryFolder.of(path);
        if (loaded != null && !loaded.files.llama().equals(files.llama())) {
            // Their dependencies have the same names, so the second would run on the first one's ggml.
            throw new LlamaException("libllama: this process already uses " + loaded.files.llama() + ", so it cannot use " + files.llama());
        }
        if (loaded == null) {
            loaded = new LibLlama(files);
        }
        return loaded;
    }

    private void checkStructs(Arena arena) throws LlamaException {
        String wrong = StructParams.implausible(contextDefaultParams(arena), modelDefaultParams(arena));
        if (wrong != null) {
            throw new LlamaException("libllama: " + files.llama() + " has parameter structs of another layout than llama.cpp v0.5.0: " + wrong);
        }
    }

    /** As ggml_backend_load_all, but for the variants that are left out: the CPU variant with the best score, and every other backend there is. */
    private void loadBackends(MethodHandle backendLoad, Arena arena) throws Throwable {
        Path best = null;
        int bestScore = 0;
        for (Path variant : files.cpuVariants()) {
            try (Arena scoring = Arena.ofConfined()) {
                int score = (int) NativeFunctions.open(variant, scoring).function("ggml_backend_score", JAVA_INT).invokeExact();
                if (score > bestScore) {
                    best = variant;
                    bestScore = score;
                }
            }
        }
        if (best == null && !files.cpuVariants().isEmpty()) {
            throw new LlamaException("libllama: none of the CPU backends in " + files.folder() + " runs on this CPU");
        }
        if (best != null && ((MemorySegment) backendLoad.invokeExact(arena.allocateFrom(best.toString()))).address() == 0) {
            throw new LlamaException("libllama: backend " + best + " does not load" + log.because());
        }
        for (Path backend : files.backends()) {
            // Without its device or driver it does not load, and is not needed.
            var ignored = (MemorySegment) backendLoad.invokeExact(arena.allocateFrom(backend.toString()));
        }
    }

    /** The library's file. */
    public Path file() {
        return files.llama();
    }

    /** What the library says its version is; "unknown" if it does not. */
    public String version() {
        return version;
    }

    LlamaLog log() {
        return log;
    }

    MemorySegment modelDefaultParams(SegmentAllocator allocator) {
        try {
            return (MemorySegment) modelDefaultParams.invokeExact(allocator);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    MemorySegment contextDefaultParams(SegmentAllocator allocator) {
        try {
            return (MemorySegment) contextDefaultParams.invokeExact(allocator);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    MemorySegment modelLoad(MemorySegment path, MemorySegment params) {
        try {
            return (MemorySegment) modelLoad.invokeExact(path, params);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    void modelFree(MemorySegment model) {
        try {
            modelFree.invokeExact(model);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    MemorySegment modelVocab(MemorySegment model) {
        try {
            return (MemorySegment) modelVocab.invokeExact(model);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    int vocabTokens(MemorySegment vocab) {
        try {
            return (int) vocabTokens.invokeExact(vocab);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    /** {@code enum llama_vocab_type}: 0 is none. */
    int vocabType(MemorySegment vocab) {
        try {
            return (int) vocabType.invokeExact(vocab);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    int modelLayers(MemorySegment model) {
        try {
            return (int) modelLayers.invokeExact(model);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    int modelTrainedContext(MemorySegment model) {
        try {
            return (int) modelTrainedContext.invokeExact(model);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    int tokenize(MemorySegment vocab, MemorySegment text, int bytes, MemorySegment tokens, int capacity, boolean addSpecial, boolean parseSpecial) {
        try {
            return (int) tokenize.invokeExact(vocab, text, bytes, tokens, capacity, addSpecial, parseSpecial);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    MemorySegment contextInit(MemorySegment model, MemorySegment params) {
        try {
            return (MemorySegment) contextInit.invokeExact(model, params);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    void contextFree(MemorySegment context) {
        try {
            contextFree.invokeExact(context);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    int contextSize(MemorySegment context) {
        try {
            return (int) contextSize.invokeExact(context);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    void memoryClear(MemorySegment context) {
        try {
            memoryClear.invokeExact((MemorySegment) contextMemory.invokeExact(context), true);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    /** The last position of a sequence; -1 if it has none. */
    int memoryLastPosition(MemorySegment context, int sequence) {
        try {
            return (int) memoryLastPosition.invokeExact((MemorySegment) contextMemory.invokeExact(context), sequence);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    /** The first position of which a sequence still has all it ever had: of a window, the oldest token; of a recurrent state, the last one. -1 if it has none. */
    int memoryFirstPosition(MemorySegment context, int sequence) {
        try {
            return (int) memoryFirstPosition.invokeExact((MemorySegment) contextMemory.invokeExact(context), sequence);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    /** Removes a sequence's tokens from a position on. @return whether that can be done: what is recurrent has no past to go back to */
    boolean memoryRemove(MemorySegment context, int sequence, int from) {
        try {
            return (boolean) memoryRemove.invokeExact((MemorySegment) contextMemory.invokeExact(context), sequence, from, -1);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    /** Makes all tokens of a sequence another one's, too. */
    void memoryCopy(MemorySegment context, int from, int to) {
        try {
            memoryCopy.invokeExact((MemorySegment) contextMemory.invokeExact(context), from, to, -1, -1);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    int decode(MemorySegment context, MemorySegment batch) {
        try {
            return (int) decode.invokeExact(context, batch);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    MemorySegment logits(MemorySegment context) {
        try {
            return (MemorySegment) logits.invokeExact(context);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    long stateSize(MemorySegment context, int sequence) {
        try {
            return (long) stateSize.invokeExact(context, sequence, 0);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    long stateGet(MemorySegment context, MemorySegment out, int sequence) {
        try {
            return (long) stateGet.invokeExact(context, out, out.byteSize(), sequence, 0);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    long stateSet(MemorySegment context, MemorySegment in, int sequence) {
        try {
            return (long) stateSet.invokeExact(context, in, in.byteSize(), sequence, 0);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    long stateSaveFile(MemorySegment context, MemorySegment path, int sequence, MemorySegment tokens, long count) {
        try {
            return (long) stateSaveFile.invokeExact(context, path, sequence, tokens, count);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    long stateLoadFile(MemorySegment context, MemorySegment path, int sequence, MemorySegment tokens, long capacity, MemorySegment count) {
        try {
            return (long) stateLoadFile.invokeExact(context, path, sequence, tokens, capacity, count);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    MemorySegment tensorName(MemorySegment tensor) {
        try {
            return (MemorySegment) tensorName.invokeExact(tensor);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    long tensorElements(MemorySegment tensor) {
        try {
            return (long) tensorElements.invokeExact(tensor);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    /** Bytes from a tensor's first to its last element, whatever its strides. */
    long tensorBytes(MemorySegment tensor) {
        try {
            return (long) tensorBytes.invokeExact(tensor);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    /** Copies {@link #tensorBytes} bytes of a tensor, wherever its backend keeps it, to the beginning of {@code out}. */
    void tensorGet(MemorySegment tensor, MemorySegment out, long bytes) {
        try {
            tensorGet.invokeExact(tensor, out, 0L, bytes);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }

    /** The name of the operation that makes a tensor, a C string that stays where it is. */
    MemorySegment operationOf(MemorySegment tensor) {
        try {
            return (MemorySegment) operationOf.invokeExact(tensor);
        } catch (Throwable e) {
            throw NativeFunctions.failure(e);
        }
    }
}
