package dev.kvcapsule.blas;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Finds libopenblas: the one that a system property names, or the one that comes with the program. Loaded once, until the process ends. */
final class OpenBlasLibrary {
    /** System property with the path of a libopenblas to be used instead. */
    static final String PROPERTY = "kvcapsule.openblas.library";

    private static final String VERSION = "0.3.31-1.5.13";
    private static final String RESOURCES = "org/bytedeco/openblas/linux-x86_64/";
    /** In the order of loading: each finds what it needs already there. */
    private static final Map<String, String> FILES = new LinkedHashMap<>();

    static {
        FILES.put("libgcc_s.so.1", "a93ec41b336a895a7f0d7b789d66f6fc816de1a5ad0da37e8cfc428d7e9f8dd4");
        FILES.put("libquadmath.so.0", "67d3147512460e56dc805582ed5d32b66a7a199247ba5a27b7cb3054d2b2fef2");
        FILES.put("libgfortran.so.5", "3ec471016fbfea6ccda4736fbbf2d0098e6386d2c34fb7ae9b15d91fa1b38874");
        FILES.put("libopenblas.so.0", "e3a80f7696735e6bcd374fbe6c91e42f83dc8bfb09c5b92a5f73d67c76b55ec1");
    }

    private static boolean endsWithoutDestructors;

    private OpenBlasLibrary() {}

    /** The path that the user has named; null if none. */
    static String forced() {
        return System.getProperty(PROPERTY);
    }

    /**
     * Loads it.
     *
     * @throws IllegalStateException if it cannot be had, with the reason
     */
    static SymbolLookup load() {
        String forced = forced();
        if (forced != null) {
            return load(Path.of(forced));
        }
        String platform = System.getProperty("os.name").toLowerCase(Locale.ROOT) + "-" + System.getProperty("os.arch");
        if (!platform.equals("linux-amd64")) {
            throw new IllegalStateException("no OpenBLAS for " + platform + " comes with this program; -D" + PROPERTY + "=PATH names another");
        }
        LibraryCache cache = new LibraryCache("openblas-" + VERSION);
        SymbolLookup last = null;
        for (Map.Entry<String, String> file : FILES.entrySet()) {
            try {
                last = load(cache.file(RESOURCES + file.getKey(), file.getKey(), file.getValue()));
            } catch (IOException e) {
                throw new IllegalStateException(file.getKey() + ": " + e.getMessage(), e);
            }
        }
        return last;
    }

    /**
     * Has the process end without libraries' destructors. OpenBLAS's waits for its threads, and for ever if one of them is at work when the program is
     * interrupted (a thread that ends its job overwrites the word that tells it to stop); it also unmaps memory under those threads. glibc calls what was
     * registered last first, so that _exit comes before the destructors; everything that Java does at the end has been done by then.
     */
    @SuppressWarnings("restricted") // calling native code is what this is for
    private static synchronized void endWithoutDestructors() {
        SymbolLookup libc = Linker.nativeLinker().defaultLookup();
        Optional<MemorySegment> register = libc.find("on_exit");
        Optional<MemorySegment> exit = libc.find("_exit");
        if (endsWithoutDestructors || register.isEmpty() || exit.isEmpty()) {
            return;
        }
        try {
            // Calls _exit(status): the second argument that on_exit hands over is not looked at.
            int failed = (int) Linker.nativeLinker().downcallHandle(register.get(), FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS))
                    .invokeExact(exit.get(), MemorySegment.NULL);
            endsWithoutDestructors = failed == 0;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    @SuppressWarnings("restricted") // loading a library is what this is for
    private static SymbolLookup load(Path library) {
        try {
            SymbolLookup symbols = SymbolLookup.libraryLookup(library, Arena.global());
            endWithoutDestructors();
            return symbols;
        } catch (IllegalArgumentException e) {
            throw new IllegalStateException(library + " cannot be loaded: " + e.getMessage(), e);
        }
    }
}
