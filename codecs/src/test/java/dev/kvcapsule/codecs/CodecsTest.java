package dev.kvcapsule.codecs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.codec.TileGeometry;
import java.math.BigDecimal;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CodecsTest {
    static Stream<CodecFactory> factories() {
        return Codecs.all().stream();
    }

    private static final SubCache SUB = new SubCache("kv", Positions.sequential(3000), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR,
            List.of(new LayerLayout(0, 2, 64, 64, DType.F16, DType.F16, Optional.empty(), 0)));

    @Test
    void everyInstallationHasTheBasicCodecs() {
        List<String> names = factories().map(CodecFactory::name).toList();
        assertTrue(names.containsAll(List.of("cachegen", "fp8", "kivi", "klt", "kvtc", "lossless", "raw", "rotated", "svd")), names::toString);
    }

    @ParameterizedTest
    @MethodSource("factories")
    void theCanonicalFormSpellsOutEveryParameterAndIsReadBack(CodecFactory factory) {
        Codec codec = Codecs.create(factory.name());
        assertEquals(factory.parameters().size(), codec.spec().parameters().size());
        assertEquals(codec.spec(), Codecs.create(codec.spec()).spec());
        assertEquals(codec.spec(), CodecSpec.parse(codec.spec().toString()));
        assertTrue(factory.description().length() > 10);
    }

    @ParameterizedTest
    @MethodSource("factories")
    void everyValueOfEveryParameterIsTakenAndOthersAreRefused(CodecFactory factory) {
        for (CodecParameter parameter : factory.parameters()) {
            List<String> good = switch (parameter.kind()) {
                case CHOICE -> parameter.choices();
                case NUMBER -> List.of(Long.toString((long) parameter.min()), Long.toString((long) parameter.max()));
                case DECIMAL -> List.of(CodecParameter.AUTO, decimal(parameter.min()), decimal(parameter.max()));
                case NAME -> List.of(parameter.fallback());
            };
            for (String value : good) {
                Codec codec = Codecs.create(CodecSpec.of(factory.name()).with(parameter.name(), value));
                assertEquals(value, codec.spec().parameters().get(parameter.name()));
                TileGeometry geometry = codec.geometry(SUB);
                assertTrue(geometry.blockTokens() % geometry.bodyMultiple() == 0, "groups would be cut at a block's end");
            }
            List<String> bad = switch (parameter.kind()) {
                case CHOICE -> List.of("", "no");
                case NUMBER -> List.of(Long.toString((long) parameter.min() - 1), Long.toString((long) parameter.max() + 1), "x", "");
                case DECIMAL -> List.of(decimal(parameter.max() * 2), "-1", "1e3", ".5", "x", "");
                case NAME -> List.of("", "a b", "x".repeat(65));
            };
            for (String value : bad) {
                String message = assertThrows(IllegalArgumentException.class, () -> Codecs.create(CodecSpec.of(factory.name()).with(parameter.name(), value))).getMessage();
                assertEquals("codec " + factory.name() + ": " + parameter.name() + "=" + value + " is not one of " + parameter.range(), message);
            }
        }
        String message = assertThrows(IllegalArgumentException.class, () -> Codecs.create(factory.name() + ":colour=red")).getMessage();
        assertTrue(message.startsWith("codec " + factory.name() + " has no parameter colour"), message);
    }

    private static String decimal(double value) {
        return BigDecimal.valueOf(value).toPlainString();
    }

    @Test
    void unknownCodecsAreNamedWithThoseThereAre() {
        String message = assertThrows(IllegalArgumentException.class, () -> Codecs.create("kvzip:ratio=4")).getMessage();
        assertTrue(message.startsWith("there is no codec 'kvzip'; there are ") && message.contains("kivi, klt, kvtc, lossless"), message);
    }

    @Test
    void geometriesFollowTheParameters() {
        TileGeometry geometry = Codecs.create("kivi:residual=50,sink=4,group=64").geometry(SUB);
        assertEquals(new TileGeometry(4, 50, 1024, 64, TileGeometry.DEFAULT_TILE_BYTES), geometry);
        assertEquals(0, Codecs.create("raw").geometry(SUB).windowTokens());
        assertTrue(Codecs.create("raw").isLossless() && Codecs.create("lossless").isLossless() && !Codecs.create("fp8").isLossless());
    }
}
