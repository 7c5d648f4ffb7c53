package dev.kvcapsule.serving.llamacpp.runtime;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The {@code cb_eval} of a context: {@code bool (*)(struct ggml_tensor *, bool ask, void *)}, called for every node of the graph before it is
 * computed (ask: is its result wanted?) and again, if so, right after.
 *
 * <p>llama.cpp gives the name {@code Qcur-<layer>} to several nodes: the projection, its reshape, and in most architectures, but not all, the
 * result of RoPE; where queries are scaled afterwards (Gemma) or normalised (LFM2), the node that attention reads has no name at all. What every
 * architecture has is the operation FLASH_ATTN_EXT: its first input is the query exactly as it meets the keys, [channel][token][head] through
 * its strides; its second input is a view of the key cache, {@code cache_k_l<layer>}, with the KV heads as third dimension; its first parameter
 * is the scale. Inputs of the operation are intact right after it ran.
 */
final class AttentionCallback {
    private static final FunctionDescriptor CALLBACK =
            FunctionDescriptor.of(ValueLayout.JAVA_BOOLEAN, ValueLayout.ADDRESS, ValueLayout.JAVA_BOOLEAN, ValueLayout.ADDRESS);
    private static final String ATTENTION = "FLASH_ATTN_EXT";
    private static final Pattern KEY_CACHE = Pattern.compile("cache_k_l([0-9]{1,5})( .*)?");
    private static final int F32 = 0;

    private final LibLlama library;
    // Addresses of operation names, which are literals of the library: no string is compared twice.
    private final Set<Long> otherOperations = new HashSet<>();
    private long attention;
    private boolean verified;

    private QueryListener listener;
    private int position;
    private int tokens;
    private int seen;
    private Throwable failure;
    private MemorySegment scratch = MemorySegment.NULL;
    private float[] values = new float[0];

    AttentionCallback(LibLlama library) {
        this.library = library;
    }

    /** The function pointer, valid as long as the arena. */
    @SuppressWarnings("restricted")
    MemorySegment function(Arena arena) {
        try {
            var method = MethodHandles.lookup().bind(this, "evaluated",
                    MethodType.methodType(boolean.class, MemorySegment.class, boolean.class, MemorySegment.class));
            return Linker.nativeLinker().upcallStub(method, CALLBACK, arena);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    /** Says which tokens the next graph evaluates, and who wants to see their queries; null for nobody. */
    void begin(QueryListener target, int firstPosition, int count) {
        listener = target;
        position = firstPosition;
        tokens = count;
        seen = 0;
        failure = null;
    }

    /** @throws LlamaException if the graph that was just evaluated could not be observed, or the listener failed */
    void end() throws LlamaException {
        if (failure != null) {
            throw new LlamaException("queries cannot be captured: " + failure.getMessage(), failure);
        }
        if (listener != null && seen == 0) {
            throw new LlamaException("queries cannot be captured: the model has no " + ATTENTION + " operation");
        }
    }

    /** An exception that left an upcall would end the process, hence the wide catch; false after a node stops the graph. */
    @SuppressWarnings("unused")
    private boolean evaluated(MemorySegment pointer, boolean ask, MemorySegment user) {
        try {
            if (ask) {
                return listener != null && failure == null && isAttention(pointer);
            }
            observe(GgmlTensor.at(pointer));
            return true;
        } catch (Throwable e) {
            failure = e;
            return false;
        }
    }

    private boolean isAttention(MemorySegment pointer) {
        MemorySegment name = library.operationOf(pointer);
        if (name.address() == attention) {
            return true;
        }
        if (otherOperations.contains(name.address())) {
            return false;
        }
        boolean found = NativeFunctions.string(name).equals(ATTENTION);
        if (found) {
            attention = name.address();
        } else {
            otherOperations.add(name.address());
        }
        return found;
    }

    private void observe(MemorySegment tensor) {
        MemorySegment query = GgmlTensor.source(tensor, 0);
        MemorySegment key = GgmlTensor.source(tensor, 1);
        if (query.address() == 0 || key.address() == 0) {
            throw new IllegalStateException(ATTENTION + " has no query or no key");
        }
        if (!verified) {
            GgmlTensor.verify(library, tensor);
            GgmlTensor.verify(library, query);
            verified = true;
        }
        String cache = GgmlTensor.name(key);
        Matcher named = KEY_CACHE.matcher(cache);
        if (!named.matches()) {
            throw new IllegalStateException("attention reads keys from '" + cache + "', expected cache_k_l<layer>");
        }
        int headDim = Math.toIntExact(GgmlTensor.ne(query, 0));
        int heads = Math.toIntExact(GgmlTensor.ne(query, 2));
        if (GgmlTensor.type(query) != F32 || GgmlTensor.nb(query, 0) != Float.BYTES || GgmlTensor.ne(query, 1) != tokens
                || GgmlTensor.ne(query, 3) != 1) {
            throw new IllegalStateException("the query of layer " + named.group(1) + " is [" + headDim + "][" + GgmlTensor.ne(query, 1) + "][" + heads
                    + "][" + GgmlTensor.ne(query, 3) + "] of type " + GgmlTensor.type(query) + ", expected f32 for " + tokens + " tokens");
        }
        read(query, headDim, heads, GgmlTensor.floatParameter(tensor, 0));
        int kvHeads = Math.toIntExact(GgmlTensor.ne(key, 2));
        listener.queries(Integer.parseInt(named.group(1)), position, new QueryListener.Batch(values, tokens, heads, kvHeads, headDim));
        seen++;
    }

    /** Copies the query to [token][head][channel], times the scale. */
    private void read(MemorySegment query, int headDim, int heads, float scale) {
        long bytes = library.tensorBytes(query);
        if (scratch.byteSize() < bytes) {
            scratch = Arena.ofAuto().allocate(bytes, 64);
        }
        library.tensorGet(query, scratch, bytes);
        int count = Math.multiplyExact(Math.multiplyExact(tokens, heads), headDim);
        if (values.length < count) {
            values = new float[count];
        }
        for (int t = 0; t < tokens; t++) {
            for (int h = 0; h < heads; h++) {
                long from = t * GgmlTensor.nb(query, 1) + h * GgmlTensor.nb(query, 2);
                MemorySegment.copy(scratch, ValueLayout.JAVA_FLOAT, from, values, (t * heads + h) * headDim, headDim);
            }
        }
        for (int i = 0; i < count; i++) {
            values[i] *= scale;
        }
    }
}
