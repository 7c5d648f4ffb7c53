package dev.kvcapsule.serving.llamacpp.runtime;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** Functions of one shared library, by name, and why a library does not load. */
final class NativeFunctions {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final long MAX_STRING = 4096;
    private static final int RTLD_LAZY = 1;

    private final Path file;
    private final SymbolLookup symbols;

    private NativeFunctions(Path file, SymbolLookup symbols) {
        this.file = file;
        this.symbols = symbols;
    }

    /**
     * @param arena unloads the library when it closes
     * @throws LlamaException with the loader's own words
     */
    @SuppressWarnings("restricted")
    static NativeFunctions open(Path file, Arena arena) throws LlamaException {
        String refusal = loaderError(file);
        if (refusal != null) {
            throw new LlamaException("libllama: " + file + " does not load: " + refusal.replaceAll("\\p{Cntrl}", " "));
        }
        try {
            return new NativeFunctions(file, SymbolLookup.libraryLookup(file, arena));
        } catch (IllegalArgumentException e) {
            throw new LlamaException("libllama: " + file + " does not load", e);
        }
    }

    /**
     * Tries to load a library, since Java's own loader does not say why it fails, and prints a warning of its own about files that are no library.
     *
     * @return what dlerror says; null if it loads, or where there is no dlopen
     */
    @SuppressWarnings("restricted")
    private static String loaderError(Path file) {
        SymbolLookup system = LINKER.defaultLookup();
        var open = system.find("dlopen");
        var close = system.find("dlclose");
        var error = system.find("dlerror");
        if (open.isEmpty() || close.isEmpty() || error.isEmpty()) {
            return null;
        }
        try (Arena arena = Arena.ofConfined()) {
            MethodHandle dlopen = LINKER.downcallHandle(open.get(), FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
            MethodHandle dlclose = LINKER.downcallHandle(close.get(), FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
            MethodHandle dlerror = LINKER.downcallHandle(error.get(), FunctionDescriptor.of(ValueLayout.ADDRESS));
            var handle = (MemorySegment) dlopen.invokeExact(arena.allocateFrom(file.toString()), RTLD_LAZY);
            if (handle.address() == 0) {
                return string((MemorySegment) dlerror.invokeExact());
            }
            int ignored = (int) dlclose.invokeExact(handle);
            return null;
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    /** Whether the library, or one it depends on, has that function. */
    boolean has(String name) {
        return symbols.find(name).isPresent();
    }

    /**
     * A handle for a function of the library or of one it depends on.
     *
     * @param result null for void
     * @throws LlamaException if there is none of that name
     */
    @SuppressWarnings("restricted")
    MethodHandle function(String name, MemoryLayout result, MemoryLayout... arguments) throws LlamaException {
        MemorySegment symbol = symbols.find(name).orElseThrow(() -> new LlamaException("libllama: " + file + " has no function " + name
                + "; llama.cpp v0.5.0 (npm @node-llama-cpp/linux-x64 3.22.1) has it"));
        return LINKER.downcallHandle(symbol, result == null ? FunctionDescriptor.ofVoid(arguments) : FunctionDescriptor.of(result, arguments));
    }

    /** A C string of up to 4 KiB. */
    @SuppressWarnings("restricted")
    static String string(MemorySegment pointer) {
        return pointer.address() == 0 ? "" : pointer.reinterpret(MAX_STRING).getString(0);
    }

    /** What a handle threw, which can only be a fault of this program. */
    static RuntimeException failure(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        return thrown instanceof RuntimeException runtime ? runtime : new IllegalStateException(thrown);
    }
}
