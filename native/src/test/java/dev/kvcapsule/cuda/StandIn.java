package dev.kvcapsule.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** The libcuda.so.1 of src/test/cuda, and what it tells tests and is told by them. */
final class StandIn {
    private static final Path FOLDER = Path.of("target", "cuda");
    private static long forgotten;
    private static final MethodHandle FAIL;
    private static final MethodHandle CALLS;
    private static final MethodHandle ALIVE;
    private static final MethodHandle MEMORY;
    private static final MethodHandle OVERLAP;
    private static final MethodHandle UPLOADED;

    static {
        Path library = FOLDER.resolve("libcuda.so.1").toAbsolutePath();
        if (Files.exists(library)) {
            System.setProperty(CudaLibrary.PROPERTY, library.toString());
            SymbolLookup symbols = SymbolLookup.libraryLookup(library, Arena.global());
            FAIL = bind(symbols, "standin_fail", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT, JAVA_INT));
            CALLS = bind(symbols, "standin_calls", FunctionDescriptor.of(JAVA_INT, ADDRESS));
            ALIVE = bind(symbols, "standin_alive", FunctionDescriptor.of(JAVA_LONG));
            MEMORY = bind(symbols, "standin_memory", FunctionDescriptor.ofVoid(JAVA_LONG));
            OVERLAP = bind(symbols, "standin_overlap", FunctionDescriptor.of(JAVA_INT));
            UPLOADED = bind(symbols, "standin_uploaded", FunctionDescriptor.of(JAVA_LONG));
        } else {
            FAIL = CALLS = ALIVE = MEMORY = OVERLAP = UPLOADED = null;
        }
    }

    private StandIn() {}

    private static MethodHandle bind(SymbolLookup symbols, String name, FunctionDescriptor descriptor) {
        return Linker.nativeLinker().downcallHandle(symbols.findOrThrow(name), descriptor);
    }

    /** Skips the test where the stand-in could not be built, with the reason. */
    static void require() {
        Path reason = FOLDER.resolve("reason");
        try {
            Assumptions.assumeTrue(FAIL != null, Files.exists(reason) ? Files.readString(reason) : "the stand-in for libcuda.so.1 was not built");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The device that the stand-in is; to be closed. */
    static CudaKernels open() {
        require();
        memory(1L << 30);
        fail("", 0, 0);
        return CudaKernels.open();
    }

    private static Object call(MethodHandle function, Object... arguments) {
        try {
            return function.invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /** Makes a call fail once, after some that do not. */
    static void fail(String call, int after, int result) {
        try (Arena arena = Arena.ofConfined()) {
            call(FAIL, arena.allocateFrom(call), after, result);
        }
    }

    static int calls(String call) {
        try (Arena arena = Arena.ofConfined()) {
            return (int) call(CALLS, arena.allocateFrom(call));
        }
    }

    /** Everything that has not been given back, but for what a test has {@linkplain #forget accepted}. */
    static long alive() {
        return (long) call(ALIVE) - forgotten;
    }

    /** What is alive now was not given back because the stand-in was told to fail at that. */
    static void forget() {
        forgotten = (long) call(ALIVE);
    }

    /** Sets how much memory the device has. */
    static void memory(long bytes) {
        call(MEMORY, bytes);
    }

    /** Most streams that worked at once since this was asked for last. */
    static int overlap() {
        return (int) call(OVERLAP);
    }

    /** Bytes that the host has sent to the device. */
    static long uploaded() {
        return (long) call(UPLOADED);
    }

    /** The program that runs every kernel under ThreadSanitizer. */
    static Path races() {
        return FOLDER.resolve("races");
    }
}
