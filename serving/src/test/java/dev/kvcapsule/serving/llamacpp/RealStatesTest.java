package dev.kvcapsule.serving.llamacpp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.RealStates;
import dev.kvcapsule.serving.Rewrite;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Files that llama.cpp wrote, against what an independent parser found in them. */
class RealStatesTest {
    private static final Optional<ModelFacts.Layer> NO_VALUES = Optional.of(new ModelFacts.Layer(0, 0, ModelFacts.NO_VALUE, Optional.empty(), 0,
            true));
    private static final ModelFacts LATENT = new ModelFacts(List.of(), NO_VALUES, NO_VALUES, ModelFacts.Memory.UNKNOWN, 0, Map.of());

    static Stream<RealStates.State> states() {
        return RealStates.all();
    }

    @ParameterizedTest
    @MethodSource("states")
    void withoutModelIsRebuiltToTheByte(RealStates.State state) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            checkRoundTrip(state.bytes(arena), facts(state), arena);
        }
    }

    /** Nothing, but for latent attention, which a file cannot tell. */
    private static ModelFacts facts(RealStates.State state) {
        return state.file().contains("deepseek") ? LATENT : ModelFacts.UNKNOWN;
    }

    @ParameterizedTest
    @MethodSource("states")
    void withModelIsRebuiltToTheByte(RealStates.State state) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            ModelFacts facts = GgufModel.facts(state.model(arena), OptionalLong.empty());
            KvCache cache = checkRoundTrip(state.bytes(arena), facts, arena);
            assertEquals(facts.identity().get("architecture"), cache.layout().origin().get("model.architecture"));
        }
    }

    private static KvCache checkRoundTrip(MemorySegment file, ModelFacts facts, Arena arena) throws MalformedDataException {
        KvCache cache = CacheFormats.read(file, facts);
        Rewrite.Written written = Rewrite.write(cache, CacheFormats.same(cache.layout(), OptionalInt.empty()), arena);
        assertEquals(-1, file.mismatch(written.file()));
        assertEquals(cache.layout(), written.cache().layout());
        return cache;
    }

    @ParameterizedTest
    @MethodSource("states")
    void agreesWithTheIndependentParser(RealStates.State state) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = CacheFormats.read(state.bytes(arena), facts(state));
            int sub = 0;
            boolean recurrent = false;
            for (Map<String, Object> block : state.blocks()) {
                if (!block.get("kind").equals("kv")) {
                    recurrent = true;
                    continue;
                }
                for (Map<String, Object> stream : RealStates.maps(block.get("streams"))) {
                    if ((long) stream.get("cells") > 0) {
                        checkStream(stream, cache.layout().subCaches().get(sub++));
                    }
                }
            }
            assertEquals(sub, cache.layout().subCaches().size());
            assertEquals(recurrent, cache.layout().blobs().stream().anyMatch(blob -> blob.name().equals("llamacpp.recurrent")));
            Object version = RealStates.map(state.facts().get("parsed")).get("version");
            assertEquals(version == null ? null : version.toString(), cache.layout().origin().get("version"));
        }
    }

    private static void checkStream(Map<String, Object> stream, SubCache sub) {
        int[] positions = new int[sub.cells()];
        Arrays.setAll(positions, sub.positions()::get);
        assertEquals((long) stream.get("cells"), sub.cells());
        assertEquals((long) stream.get("pos_first"), positions[0]);
        assertEquals((long) stream.get("pos_min"), Arrays.stream(positions).min().getAsInt());
        assertEquals((long) stream.get("pos_max"), Arrays.stream(positions).max().getAsInt());
        assertEquals((long) stream.get("n_layer"), sub.layers().size());
        assertEquals((long) stream.get("v_layers"), sub.layers().stream().filter(layer -> layer.has(Part.VALUE)).count());
        assertEquals((long) stream.get("v_trans") == 1, sub.valueOrder() == TensorOrder.CHANNEL_MAJOR);
        for (LayerLayout layer : sub.layers()) {
            for (Part part : Part.values()) {
                if (layer.has(part)) {
                    List<?> kinds = (List<?>) stream.get(part == Part.KEY ? "k" : "v");
                    assertTrue(kinds.contains(List.of(layer.type(part).label(), (long) layer.width(part))), () -> kinds + " " + layer);
                }
            }
        }
    }

    /** More files, in the folder that the system property {@code kvcapsule.states} names: every one has to round-trip. */
    @Test
    void moreStatesAreRebuiltToTheByte() throws IOException {
        String folder = System.getProperty("kvcapsule.states");
        Assumptions.assumeTrue(folder != null, "no folder of more states is named");
        try (Stream<Path> files = Files.walk(Path.of(folder), FileVisitOption.FOLLOW_LINKS)) {
            for (Path path : files.filter(path -> path.toString().matches(".*\\.(ggsq|ggsn|buf|bin)")).toList()) {
                try (Arena arena = Arena.ofConfined(); FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
                    ModelFacts facts = path.toString().contains("deepseek") ? LATENT : ModelFacts.UNKNOWN;
                    checkRoundTrip(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena), facts, arena);
                }
            }
        }
    }
}
