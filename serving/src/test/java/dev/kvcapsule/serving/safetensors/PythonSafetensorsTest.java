package dev.kvcapsule.serving.safetensors;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.RealStates;
import dev.kvcapsule.serving.Rewrite;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against the {@code safetensors} package of Python, run by the interpreter that the system property {@code kvcapsule.python} names, or python3. */
class PythonSafetensorsTest {
    private static final String PYTHON = System.getProperty("kvcapsule.python", "python3");

    private static String run(Path folder, String... command) throws IOException, InterruptedException {
        Process process;
        Path output = folder.resolve("output.txt");
        try {
            process = new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true).redirectOutput(output.toFile()).start();
        } catch (IOException e) {
            return Assumptions.abort("no " + command[0] + ": " + e.getMessage());
        }
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            return Assumptions.abort(command[0] + " did not end within a minute");
        }
        String text = Files.readString(output, StandardCharsets.UTF_8);
        Assumptions.assumeFalse(text.contains("ModuleNotFoundError"), () -> "Python lacks safetensors or numpy: " + text);
        assertEquals(0, process.exitValue(), text);
        return text.strip();
    }

    @Test
    void pythonReadsWhatIsWritten(@TempDir Path folder) throws IOException, InterruptedException {
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = CacheFormats.read(RealStates.state("llama-f16.ggsq", arena), ModelFacts.parse("heads=1x64,rope=interleaved:10000:64"));
            Rewrite.Written written = Rewrite.write(cache, CacheFormats.choose("safetensors", OptionalInt.empty()), arena);
            Files.write(folder.resolve("cache.safetensors"), written.file().toArray(ValueLayout.JAVA_BYTE));
            String seen = run(folder, PYTHON, "-c", """
                    from safetensors import safe_open
                    with safe_open("cache.safetensors", framework="np") as f:
                        key = f.get_tensor("layers.1.key")
                        print(sorted(f.keys()), key.shape, key.dtype, f.get_tensor("tokens")[:3].tolist(), f.metadata()["rope.1"])
                        print(key.tobytes().hex()[:32])
                    """);
            String hex = HexFormat.of().formatHex(cache.tensor(0, 1, Part.KEY).asSlice(0, 16).toArray(ValueLayout.JAVA_BYTE));
            assertEquals("['layers.0.key', 'layers.0.value', 'layers.1.key', 'layers.1.value', 'tokens'] (1, 1, 12, 64) float16 [3, 10, 17] "
                    + "interleaved:10000.0:64\n" + hex, seen.replace("\r", ""));
        }
    }

    /** The function in this module's README, with arrays that behave like torch's. */
    @Test
    void theScriptForHuggingFaceWorks(@TempDir Path folder) throws IOException, InterruptedException {
        Path readme = Path.of("README.md");
        Assumptions.assumeTrue(Files.exists(readme), "README.md is not in the working directory");
        String script = Files.readString(readme).split("```python\n")[1].split("```")[0];
        run(folder, PYTHON, "-c", script + """
                class Tensor(np.ndarray):
                    half = lambda self: self.astype(np.float16)
                    cpu = lambda self: self
                    numpy = lambda self: np.asarray(self)
                class Layer:
                    keys = np.ones((1, 2, 5, 4), dtype=np.float32).view(Tensor)
                    values = np.ones((1, 2, 4, 5), dtype=np.float32).transpose(0, 1, 3, 2).view(Tensor)
                class Cache:
                    layers = [Layer(), Layer()]
                save_kv_cache("cache.safetensors", Cache(), [[5, 4, 3, 2, 1]], "half-split:10000:4")
                """);
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = CacheFormats.read(RealStates.nativeCopy(Files.readAllBytes(folder.resolve("cache.safetensors")), arena),
                    ModelFacts.UNKNOWN);
            assertEquals(2, cache.layout().layers());
            assertEquals(5, cache.layout().tokens());
            assertEquals(10_000, cache.layout().subCaches().getFirst().layers().getFirst().rope().orElseThrow().base());
        }
    }

    @Test
    void whatPythonWritesIsRead(@TempDir Path folder) throws IOException, InterruptedException {
        run(folder, PYTHON, "-c", """
                import numpy as np
                from safetensors.numpy import save_file
                tensors = {}
                for i in range(2):
                    tensors[f"layers.{i}.key"] = np.arange(1 * 2 * 5 * 4, dtype=np.float16).reshape(1, 2, 5, 4)
                    tensors[f"layers.{i}.value"] = np.ones((1, 2, 5, 8), dtype=np.float32)
                tensors["tokens"] = np.array([9, 8, 7, 6, 5], dtype=np.int64)
                save_file(tensors, "cache.safetensors", metadata={"format": "pt", "rope": "half-split:10000:4"})
                """);
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = CacheFormats.read(RealStates.nativeCopy(Files.readAllBytes(folder.resolve("cache.safetensors")), arena),
                    ModelFacts.UNKNOWN);
            assertEquals(2, cache.layout().layers());
            assertEquals(5, cache.layout().tokens());
            assertEquals(Float.floatToFloat16(39), cache.tensor(0, 1, Part.KEY).get(ValueLayout.JAVA_SHORT_UNALIGNED, 78));
            Rewrite.Written again = Rewrite.write(cache, CacheFormats.same(cache.layout(), OptionalInt.of(3)), arena);
            Files.write(folder.resolve("cut.safetensors"), again.file().toArray(ValueLayout.JAVA_BYTE));
            assertEquals("(1, 2, 3, 4) 20.0 [9, 8, 7]", run(folder, PYTHON, "-c", """
                    from safetensors.numpy import load_file
                    cut = load_file("cut.safetensors")
                    print(cut["layers.0.key"].shape, float(cut["layers.0.key"][0, 1, 0, 0]), cut["tokens"].tolist())
                    """));
        }
    }
}
