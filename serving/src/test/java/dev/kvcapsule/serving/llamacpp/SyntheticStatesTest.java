package dev.kvcapsule.serving.llamacpp;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.CacheImage;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.Rewrite;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** Structures of every size and type, not only those of the models at hand. */
class SyntheticStatesTest {
    private static final List<DType> TYPES = List.of(DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0, DType.Q4_1, DType.Q5_0, DType.Q5_1,
            DType.IQ4_NL);

    @Property(tries = 300)
    void whatIsWrittenIsReadBack(@ForAll @IntRange(min = 1, max = 2) int caches, @ForAll boolean transposed,
            @ForAll @IntRange(max = 1 << 30) int seed)
            throws MalformedDataException {
        Random random = new Random(seed);
        List<SubCache> subCaches = new ArrayList<>();
        for (int c = 0; c < caches; c++) {
            String name = caches == 1 ? "kv" : c == 0 ? "base" : "swa";
            subCaches.add(subCache(name, c == 0 ? 0 : subCaches.getFirst().layers().size(), transposed, random));
        }
        CacheLayout layout = new CacheLayout(0, subCaches, List.of(), Map.of());
        try (Arena arena = Arena.ofConfined()) {
            CacheFormats.Choice choice = CacheFormats.choose("ggsq3", OptionalInt.empty());
            CacheImage image = choice.format().plan(layout, List.of(), choice.target());
            MemorySegment file = arena.allocate(image.bytes());
            KvCache written = image.write(file);
            for (int s = 0; s < caches; s++) {
                for (int l = 0; l < subCaches.get(s).layers().size(); l++) {
                    for (Part part : Part.values()) {
                        written.tensor(s, l, part).fill((byte) (10 * s + 2 * l + part.ordinal() + 1));
                    }
                }
            }
            KvCache read = CacheFormats.read(file, ModelFacts.UNKNOWN);
            assertEquals(written.layout().subCaches(), read.layout().subCaches());
            for (int s = 0; s < caches; s++) {
                for (int l = 0; l < subCaches.get(s).layers().size(); l++) {
                    for (Part part : Part.values()) {
                        assertEquals(written.tensor(s, l, part), read.tensor(s, l, part));
                    }
                }
            }
            assertEquals(-1, file.mismatch(Rewrite.write(read, CacheFormats.same(read.layout(), OptionalInt.empty()), arena).file()));
        }
    }

    private static SubCache subCache(String name, int firstLayer, boolean transposed, Random random) {
        DType keys = TYPES.get(random.nextInt(TYPES.size()));
        DType values = TYPES.get(random.nextInt(transposed ? 3 : TYPES.size()));
        List<LayerLayout> layers = new ArrayList<>();
        for (int l = 0; l < 1 + random.nextInt(4); l++) {
            // No multiple of 64 channels: such keys may be rotated.
            layers.add(new LayerLayout(firstLayer + l, 1, 32 * (1 + 2 * random.nextInt(3)), 32 * (1 + 2 * random.nextInt(3)), keys, values,
                    Optional.empty(), 0));
        }
        List<Long> runs = new ArrayList<>();
        for (int r = 0; r < 1 + random.nextInt(3); r++) {
            runs.add((long) random.nextInt(1000) + 2000L * (3 - r));
            runs.add(1L + random.nextInt(20));
        }
        Positions positions = Positions.ofRuns(runs.stream().mapToLong(Long::longValue).toArray());
        return new SubCache(name, positions, TensorOrder.TOKEN_MAJOR, transposed ? TensorOrder.CHANNEL_MAJOR : TensorOrder.TOKEN_MAJOR, layers);
    }

    private static MemorySegment words(int... words) {
        return Arena.ofAuto().allocateFrom(Input.I32, words);
    }

    @Test
    void promptsWithMediaAreReadButNotCut() throws MalformedDataException {
        MemorySegment prompt = words(-1, 1, 5, 7, -1, -1, 8, 9, 1, 1, 3, 0x61626364);
        PromptWords words = PromptWords.of(prompt);
        assertEquals(5, words.tokens());
        assertEquals(1, words.media());
        assertArrayEquals(new int[] {7, -1, -1, 8, 9}, words.toArray());
        assertEquals(prompt, words.prefix(5));
        assertThrows(UnsupportedOperationException.class, () -> words.prefix(4));
        assertThrows(IndexOutOfBoundsException.class, () -> words.token(5));
        assertEquals(0, PromptWords.of(MemorySegment.NULL).tokens());
        assertThrows(MalformedDataException.class, () -> PromptWords.of(words(-1, 2, 0, 0)));
        assertThrows(MalformedDataException.class, () -> PromptWords.of(words(-1)));
        assertThrows(MalformedDataException.class, () -> PromptWords.of(words(-1, 1, 3, 1, 2)));
        MemorySegment odd = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_BYTE, (byte) 1, (byte) 2, (byte) 3);
        assertThrows(MalformedDataException.class, () -> PromptWords.of(odd));
    }
}
