package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.serving.llamacpp.runtime.CapturedCache;
import dev.kvcapsule.serving.llamacpp.runtime.ContextOptions;
import dev.kvcapsule.serving.llamacpp.runtime.LibLlama;
import dev.kvcapsule.serving.llamacpp.runtime.LlamaContext;
import dev.kvcapsule.serving.llamacpp.runtime.LlamaException;
import dev.kvcapsule.serving.llamacpp.runtime.LlamaModel;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** libllama in this process: a context's cache to a capsule in memory, and back into another context. */
@Tag("real-model")
class CaptureTest {
    private static final int TOKENS = 300;
    private static final int PREFIX = 200;

    @TempDir
    private Path work;

    @Test
    void aCapturedContextGoesOnInAnotherOne() throws Exception {
        Map<String, String> found = RealParts.fetch(work);
        LibLlama library;
        try {
            library = LibLlama.load(Path.of(found.get("CAPSULE_LIBLLAMA")));
        } catch (LlamaException e) {
            Assumptions.assumeFalse(e.getMessage().contains("GLIBC"), e.getMessage());
            throw e;
        }
        ContextOptions options = ContextOptions.of(512).withThreads(1);
        PipelineOptions pipeline = PipelineOptions.defaults();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (LlamaModel model = LlamaModel.open(library, Path.of(found.get("CAPSULE_TEST_MODEL"))); Arena arena = Arena.ofShared()) {
            int[] tokens = Arrays.copyOf(model.tokenize(Files.readString(RealParts.root().resolve("docs/format.md"))), TOKENS);
            float[] expected;
            MemorySegment whole;
            try (LlamaContext context = model.context(options)) {
                context.evaluate(tokens, 0);
                try (CapturedCache captured = context.capture()) {
                    CapsuleEncoder.encode(captured.cache(), Codecs.create("lossless"), Channels.newChannel(bytes), pipeline);
                    whole = context.save(arena);
                    assertEquals(whole.byteSize(), captured.bytes());
                }
                expected = context.logits(new int[] {5}, TOKENS).toArray(ValueLayout.JAVA_FLOAT);
            }
            MemorySegment capsule = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes.toByteArray());
            try (LlamaContext other = model.context(options)) {
                other.restore(CapsuleReader.of(capsule), OptionalInt.empty(), pipeline);
                assertEquals(TOKENS, other.nextPosition());
                assertEquals(-1, other.save(arena).mismatch(whole));
                assertArrayEquals(expected, other.logits(new int[] {5}, TOKENS).toArray(ValueLayout.JAVA_FLOAT));

                capsule.set(ValueLayout.JAVA_BYTE, capsule.byteSize() / 2, (byte) ~capsule.get(ValueLayout.JAVA_BYTE, capsule.byteSize() / 2));
                assertThrows(MalformedDataException.class, () -> other.restore(CapsuleReader.of(capsule), OptionalInt.empty(), pipeline));
                assertEquals(TOKENS + 1, other.nextPosition(), "a damaged capsule leaves the cache as it was");

                MemorySegment good = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes.toByteArray());
                other.restore(CapsuleReader.of(good), OptionalInt.of(PREFIX), pipeline);
                assertEquals(PREFIX, other.nextPosition());
                other.evaluate(Arrays.copyOfRange(tokens, PREFIX, TOKENS), PREFIX);
                assertArrayEquals(expected, other.logits(new int[] {5}, TOKENS).toArray(ValueLayout.JAVA_FLOAT), 0.5f);
            }
        }
    }
}
