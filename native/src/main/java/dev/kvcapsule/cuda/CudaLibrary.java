package dev.kvcapsule.cuda;

import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Finds libcuda.so.1, or the library that is named instead of it. Looked for once; loaded until the process ends. */
final class CudaLibrary {
    /** System property with the path of another library; before the environment variable {@value #VARIABLE}. */
    static final String PROPERTY = "kvcapsule.cuda.library";

    static final String VARIABLE = "CAPSULE_CUDA_LIBRARY";
    private static final String NAME = "libcuda.so.1";
    /** One of these is there wherever a driver is: Linux, Linux on Windows, boards. */
    private static final List<Path> NODES = List.of(Path.of("/dev/nvidiactl"), Path.of("/dev/dxg"), Path.of("/dev/nvhost-ctrl-gpu"));

    /** Every function that the generated bindings have. */
    static final List<String> FUNCTIONS = List.of("cuInit", "cuDriverGetVersion", "cuGetErrorName", "cuGetErrorString", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName",
            "cuDeviceGetAttribute", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2", "cuCtxSetCurrent", "cuMemGetInfo_v2", "cuModuleLoadData",
            "cuModuleUnload", "cuModuleGetFunction", "cuLaunchKernel", "cuStreamCreate", "cuStreamDestroy_v2", "cuStreamSynchronize", "cuEventCreate",
            "cuEventDestroy_v2", "cuEventRecord", "cuEventSynchronize", "cuMemAlloc_v2", "cuMemFree_v2", "cuMemHostAlloc", "cuMemFreeHost", "cuMemcpyHtoDAsync_v2",
            "cuMemcpyDtoHAsync_v2", "cuMemcpyDtoDAsync_v2", "cuMemsetD8Async");

    private static CudaLibrary instance;

    private final String path;
    private final String whyNot;

    private CudaLibrary(String path, String whyNot) {
        this.path = path;
        this.whyNot = whyNot;
    }

    /** The library, or the reason why there is none. */
    static synchronized CudaLibrary get() {
        if (instance == null) {
            instance = load(name());
        }
        return instance;
    }

    private static String name() {
        return Stream.of(System.getProperty(PROPERTY), System.getenv(VARIABLE)).filter(name -> name != null && !name.isBlank()).findFirst().orElse(NAME);
    }

    @SuppressWarnings("restricted") // loading the library is what is to be tried
    private static CudaLibrary load(String name) {
        if (name.equals(NAME) && NODES.stream().noneMatch(Files::exists)) {
            // Binding the dynamic linker takes longer than a short command.
            return new CudaLibrary(name, "no NVIDIA GPU is here: there is neither " + NODES.stream().map(Path::toString).collect(Collectors.joining(" nor ")));
        }
        try {
            String path = DynamicLinker.path(name, "cuInit");
            // The generated bindings look for functions in what this class loader has loaded.
            System.load(Path.of(path).toAbsolutePath().toString());
            for (String function : FUNCTIONS) {
                if (SymbolLookup.loaderLookup().find(function).isEmpty()) {
                    return new CudaLibrary(path, path + " has no " + function + ": a driver of CUDA 12 or newer is needed");
                }
            }
            return new CudaLibrary(path, null);
        } catch (IllegalStateException | UnsatisfiedLinkError e) {
            return new CudaLibrary(name, e.getMessage());
        }
    }

    /** Where it is, or what was looked for. */
    String path() {
        return path;
    }

    /** Why it cannot be used; null if it can. */
    String whyNot() {
        return whyNot;
    }
}
