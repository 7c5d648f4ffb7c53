package dev.kvcapsule.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Finds where the system's dynamic linker has a library from, and what it says if there is none: Java loads by path alone, and hides the reason. */
@SuppressWarnings("restricted") // native access is what this class is for
final class DynamicLinker {
    private static final int NOW = 2;
    private static final long DL_INFO_BYTES = 32;
    private static final AddressLayout TEXT = ADDRESS.withTargetLayout(MemoryLayout.sequenceLayout(Integer.MAX_VALUE, ValueLayout.JAVA_BYTE));

    private final MethodHandle open = function("dlopen", FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_INT));
    private final MethodHandle symbol = function("dlsym", FunctionDescriptor.of(ADDRESS, ADDRESS, ADDRESS));
    private final MethodHandle origin = function("dladdr", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
    private final MethodHandle error = function("dlerror", FunctionDescriptor.of(TEXT));

    /** Binds everything first: what the JVM itself looks up would take the place of the last error. */
    private DynamicLinker() {}

    private static MethodHandle function(String name, FunctionDescriptor descriptor) {
        return Linker.nativeLinker().downcallHandle(Linker.nativeLinker().defaultLookup().findOrThrow(name), descriptor);
    }

    /**
     * The path of a library.
     *
     * @param name as dlopen takes it: a path, or a name that it searches for
     * @param function one of its functions
     * @throws IllegalStateException if it cannot be loaded, or has no such function, with the linker's reason
     */
    static String path(String name, String function) {
        if (!System.getProperty("os.name").equals("Linux")) {
            throw new IllegalStateException("CUDA is looked for on Linux only, this is " + System.getProperty("os.name"));
        }
        try {
            return new DynamicLinker().find(name, function);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private String find(String name, String function) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment file = arena.allocateFrom(name);
            MemorySegment library = (MemorySegment) open.invokeExact(file, NOW);
            if (library.address() == 0) {
                throw failed(name + " cannot be loaded");
            }
            MemorySegment found = (MemorySegment) symbol.invokeExact(library, arena.allocateFrom(function));
            if (found.address() == 0) {
                throw failed(name + " has no " + function);
            }
            MemorySegment info = arena.allocate(DL_INFO_BYTES, 8);
            if ((int) origin.invokeExact(found, info) == 0) {
                throw new IllegalStateException("nobody knows where " + name + " comes from");
            }
            return info.get(TEXT, 0).getString(0);
        }
    }

    private IllegalStateException failed(String what) throws Throwable {
        MemorySegment text = (MemorySegment) error.invokeExact();
        return new IllegalStateException(text.address() == 0 ? what : text.getString(0));
    }
}
