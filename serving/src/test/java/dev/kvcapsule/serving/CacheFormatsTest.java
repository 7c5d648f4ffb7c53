package dev.kvcapsule.serving;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.cache.Rope.Pairing;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Scale;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class CacheFormatsTest {
    @Test
    void formatsAreFoundByMagic() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            assertEquals("ggsq", CacheFormats.detect(RealStates.state("llama-f16.ggsq", arena)).name());
            assertEquals("ggsn", CacheFormats.detect(RealStates.state("llama-f16-session.ggsn", arena)).name());
            assertEquals("buffer", CacheFormats.detect(RealStates.state("llama-f16-buffer.buf", arena)).name());
            assertEquals("safetensors", CacheFormats.detect(RealStates.nativeCopy(new byte[] {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'}, arena)).name());
            for (int length = 0; length < 12; length++) {
                var nothing = arena.allocate(length);
                String message = assertThrows(MalformedDataException.class, () -> CacheFormats.detect(nothing)).getMessage();
                assertTrue(message.startsWith("offset 0, magic: " + (length == 0 ? "the file is empty" : "is 00")), message);
            }
        }
    }

    @Test
    void namesChooseFormatAndDialect() {
        CacheFormats.Choice two = CacheFormats.choose("ggsq2", OptionalInt.of(7));
        assertEquals("ggsq", two.format().name());
        assertEquals(new CacheTarget(OptionalInt.of(2), OptionalInt.of(7)), two.target());
        assertEquals(OptionalInt.of(3), CacheFormats.choose("ggsq3", OptionalInt.empty()).target().dialect());
        for (String name : CacheFormats.NAMES) {
            assertTrue(name.startsWith(CacheFormats.choose(name, OptionalInt.empty()).format().name()));
        }
        CacheLayout foreign = new CacheLayout(0, List.of(), List.of(), Map.of("format", "papyrus"));
        assertThrows(UnsupportedOperationException.class, () -> CacheFormats.same(foreign, OptionalInt.empty()));
        String message = assertThrows(IllegalArgumentException.class, () -> CacheFormats.choose("gguf", OptionalInt.empty())).getMessage();
        assertEquals("format 'gguf' is none of ggsq2, ggsq3, ggsn, buffer, safetensors", message);
    }

    @Test
    void modelFactsAreParsed() {
        ModelFacts facts = ModelFacts.parse("rope=interleaved:100000:64, heads=3x64, window=0");
        assertEquals(new ModelFacts.Layer(3, 64, 64, Optional.of(Rope.of(Pairing.INTERLEAVED, 100_000, 64)), 0, true),
                facts.fallback().orElseThrow());
        assertEquals(ModelFacts.Memory.UNKNOWN, facts.memory());

        ModelFacts gemma = ModelFacts.parse("heads=1x256,rope=half-split:1000000:256,local-rope=half-split:10000:256,window=512,memory=iswa");
        assertEquals(ModelFacts.Memory.ISWA, gemma.memory());
        assertEquals(10_000, gemma.localFallback().orElseThrow().rope().orElseThrow().base());
        assertEquals(512, gemma.localFallback().orElseThrow().window());
        assertEquals(1, gemma.localFallback().orElseThrow().kvHeads());

        ModelFacts.Layer latent = ModelFacts.parse("heads=1x576x0,rope=none").fallback().orElseThrow();
        assertEquals(ModelFacts.NO_VALUE, latent.valueHeadDim());
        assertTrue(latent.rope().isEmpty());
    }

    @Test
    void wrongModelFactsAreNamed() {
        for (String text : List.of("", "heads", "heads=", "heads=3", "heads=0x64", "heads=axb", "heads=1x2x3x4", "rope=", "rope=neox:1:2",
                "rope=half-split:x:64",
                "rope=half-split:10000:63", "rope=half-split:-1:64", "window=-1", "window=many", "memory=much", "heads=1x2,heads=1x2", "colour=red",
                "rope=half-split:10000:64:0", "rope=half-split:10000:4:1:2")) {
            String message = assertThrows(IllegalArgumentException.class, () -> ModelFacts.parse(text), text).getMessage();
            assertTrue(message.length() > 15, text);
        }
        assertFalse(assertThrows(IllegalArgumentException.class, () -> ModelFacts.parse("colour=red")).getMessage().isEmpty());
    }

    @Test
    void windowsOfTheFlagsGoToTheLocalCache() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            ModelFacts facts = ModelFacts.parse("heads=1x32,window=8,rope=half-split:1000000:32,local-rope=half-split:10000:32");
            var subCaches = CacheFormats.read(RealStates.state("gemma3tiny-f16-20.ggsq", arena), facts).layout().subCaches();
            assertEquals(0, subCaches.get(0).layers().getFirst().window());
            assertEquals(1_000_000, subCaches.get(0).layers().getFirst().rope().orElseThrow().base());
            assertEquals(8, subCaches.get(1).layers().getFirst().window());
            assertEquals(10_000, subCaches.get(1).layers().getFirst().rope().orElseThrow().base());
        }
    }

    @Property
    void ropeTextIsReadBackToTheBit(@ForAll boolean half,
            @ForAll @Scale(6) @DoubleRange(min = 1e-3, max = 1e9) double base, @ForAll @IntRange(min = 1, max = 128) int pairs,
            @ForAll @Scale(6) @DoubleRange(min = 1e-6, max = 64) double scale,
            @ForAll @Size(min = 1, max = 8) List<@Scale(9) @DoubleRange(min = 1e-3, max = 1e3) Double> factors) {
        Pairing pairing = half ? Pairing.HALF_SPLIT : Pairing.INTERLEAVED;
        for (Rope rope : List.of(new Rope(pairing, base, 2 * pairs, scale, List.of()), new Rope(pairing, base, 2 * factors.size(), scale, factors))) {
            assertEquals(Optional.of(rope), RopeText.parse(RopeText.format(rope)));
        }
    }
}
