package dev.kvcapsule.serving.llamacpp.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said of folders and files that are not a libllama, and of libraries that are not the right one. */
class LibLlamaTest {
    @TempDir
    private Path folder;

    private static String refusal(Path path) {
        String message = assertThrows(LlamaException.class, () -> LibLlama.load(path)).getMessage();
        assertTrue(message.startsWith("libllama: ") && !message.contains("\n"), message);
        return message;
    }

    @Test
    void namesAFolderThatIsMissing() {
        Path missing = folder.resolve("none");
        assertTrue(refusal(missing).contains(missing + " is not there"));
    }

    @Test
    void namesAFolderWithoutTheLibrary() throws Exception {
        Files.writeString(folder.resolve("libllama-common.so"), "not the library");
        Files.createDirectory(folder.resolve("models"));
        assertTrue(refusal(folder).contains(folder + " has no " + System.mapLibraryName("llama")));
    }

    @Test
    void saysWhyAFileDoesNotLoad() throws Exception {
        Path file = Files.writeString(folder.resolve("libllama.so"), "this is no library");
        String message = refusal(folder);
        assertTrue(message.contains(file + " does not load"), message);
        assertEquals(message, refusal(file));
        Files.writeString(file, "");
        assertTrue(refusal(folder).contains("does not load"));
    }

    @Test
    void namesAFunctionThatIsMissing() throws Exception {
        // A library that does load, and its dependencies do too, but is another one.
        Path file = RealModel.folder().resolve("libggml-base.so");
        try (Arena arena = Arena.ofConfined()) {
            NativeFunctions functions = NativeFunctions.open(file, arena);
            assertTrue(functions.has("ggml_nbytes"));
            String message = assertThrows(LlamaException.class, () -> functions.function("llama_model_default_params", StructParams.OPAQUE)).getMessage();
            assertTrue(message.contains(file + " has no function llama_model_default_params"), message);
        }
    }

    @Test
    void findsTheLibraryAmongItsFiles() throws Exception {
        for (String name : List.of("libllama.v0.5.0.so", "libllama-common.so", "libggml-base.so", "libggml.v0.5.0.so", "libggml-cpu-icelake.so",
                "libggml-cpu-sapphirerapids.so", "libggml-cpu-x64.so", "libggml-cpu.so", "libggml-cuda.so", "README.md", "notlibllama.so")) {
            Files.createFile(folder.resolve(name));
        }
        LibraryFolder files = LibraryFolder.of(folder);
        assertEquals(folder.resolve("libllama.v0.5.0.so"), files.llama());
        assertEquals(List.of(folder.resolve("libggml-cpu-icelake.so"), folder.resolve("libggml-cpu-x64.so")), files.cpuVariants());
        assertEquals(List.of(folder.resolve("libggml-cuda.so")), files.backends());
    }

    @Test
    void loadsOnceAProcess() throws Exception {
        LibLlama library = RealModel.library();
        assertSame(library, LibLlama.load(RealModel.folder()));
        assertSame(library, LibLlama.load(library.file()));
        assertTrue(library.version().startsWith("0.5"), library.version());
        Path file = Files.copy(library.file(), folder.resolve("libllama.so"));
        String message = refusal(folder);
        assertTrue(message.contains("already uses " + library.file()) && message.contains(file.toString()), message);
    }

    /** Defaults as v0.5.0 gives them, then with one word shifted, as by a field that another version has. */
    @Test
    void doubtsStructsOfAnotherVersion() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment context = arena.allocate(StructParams.OPAQUE);
            int[] words = {512, 2048, 512, 1, 0, 0, 1, 4, 4, 0, -1, -1, -1, -1, 0, 0};
            MemorySegment.copy(words, 0, context, ValueLayout.JAVA_INT, 0, words.length);
            for (int at = 64; at <= 84; at += 4) {
                context.set(ValueLayout.JAVA_FLOAT, at, at == 80 ? 0 : -1);
            }
            context.set(ValueLayout.JAVA_INT, 104, 1);
            context.set(ValueLayout.JAVA_INT, 108, 1);
            MemorySegment model = arena.allocate(StructParams.OPAQUE);
            model.set(ValueLayout.JAVA_INT, 16, -1);
            model.set(ValueLayout.JAVA_INT, 20, 1);
            assertNull(StructParams.implausible(context, model));

            MemorySegment shifted = arena.allocate(StructParams.OPAQUE);
            MemorySegment.copy(context, 0, shifted, 0, 24);
            MemorySegment.copy(context, 28, shifted, 24, 200);
            String wrong = StructParams.implausible(shifted, model);
            assertNotNull(wrong);
            assertTrue(wrong.contains("n_threads_batch at offset 32 is 0"), wrong);

            context.set(ValueLayout.JAVA_LONG, 88, 1);
            assertEquals("cb_eval is set", StructParams.implausible(context, model));
        }
    }
}
