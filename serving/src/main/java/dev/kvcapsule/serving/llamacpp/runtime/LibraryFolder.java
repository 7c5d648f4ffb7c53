package dev.kvcapsule.serving.llamacpp.runtime;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The files of one build of llama.cpp: libllama, and beside it the backends that ggml loads at run time.
 *
 * @param folder where they lie
 * @param llama the library itself
 * @param cpuVariants CPU backends for different instruction sets, of which one is loaded; empty if the CPU backend is linked in
 * @param backends other backends (CUDA, Vulkan, ...)
 */
record LibraryFolder(Path folder, Path llama, List<Path> cpuVariants, List<Path> backends) {
    // libllama.so, libllama.so.0, libllama.v0.5.0.so, libllama.dylib, llama.dll; not libllama-common.so.
    private static final Pattern LLAMA = Pattern.compile("(lib)?llama(\\.v?[0-9][0-9.]*)?\\.(so|dylib|dll)(\\.[0-9.]+)?");
    private static final Pattern BACKEND = Pattern.compile("(lib)?ggml-([a-z0-9_]+)(-[a-z0-9_]+)?\\.(so|dylib|dll)");

    /**
     * The variant for CPUs with AMX crashes on virtual machines that advertise AMX and do not let a process have it (seen with ggml 0.25); the next
     * best differs in speed only.
     */
    private static final Pattern UNSAFE = Pattern.compile(".*sapphirerapids.*");

    /**
     * @param path the folder, or libllama itself
     * @throws LlamaException naming the folder and what is missing
     */
    static LibraryFolder of(Path path) throws LlamaException {
        Path absolute = path.toAbsolutePath().normalize();
        if (Files.isRegularFile(absolute)) {
            return list(absolute.getParent(), Optional.of(absolute));
        }
        if (!Files.isDirectory(absolute)) {
            throw new LlamaException("libllama: " + absolute + " is not there; name a folder that holds libllama and its libggml files");
        }
        return list(absolute, Optional.empty());
    }

    private static LibraryFolder list(Path folder, Optional<Path> given) throws LlamaException {
        List<Path> llama = new ArrayList<>();
        List<Path> variants = new ArrayList<>();
        List<Path> backends = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.sorted().toList()) {
                String name = file.getFileName().toString();
                if (LLAMA.matcher(name).matches()) {
                    llama.add(file);
                }
                var backend = BACKEND.matcher(name);
                if (!backend.matches() || backend.group(2).equals("base") || UNSAFE.matcher(name).matches()) {
                    continue;
                }
                if (!backend.group(2).equals("cpu")) {
                    backends.add(file);
                } else if (backend.group(3) != null) {
                    variants.add(file);
                }
            }
        } catch (IOException e) {
            throw new LlamaException("libllama: " + folder + " cannot be read: " + e.getMessage(), e);
        }
        if (given.isEmpty() && llama.isEmpty()) {
            throw new LlamaException("libllama: " + folder + " has no " + System.mapLibraryName("llama")
                    + " (or libllama.<version>.so); name a folder that holds libllama and its libggml files");
        }
        return new LibraryFolder(folder, given.orElseGet(llama::getFirst), List.copyOf(variants), List.copyOf(backends));
    }
}
