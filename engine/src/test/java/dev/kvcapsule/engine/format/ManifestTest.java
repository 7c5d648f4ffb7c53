package dev.kvcapsule.engine.format;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.function.Consumer;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class ManifestTest {
    private static final Rope ROPE = new Rope(Rope.Pairing.INTERLEAVED, 500_000, 4, 0.25, List.of(1.0, 8.5));
    private static final LayerLayout LAYER = new LayerLayout(3, 2, 32, 64, DType.Q8_0, DType.BF16, Optional.of(ROPE), 512);

    private static Manifest manifest() {
        SubCache sub = new SubCache("swa", Positions.of(new int[] {7, 8, 3, 4}), TensorOrder.TOKEN_MAJOR, TensorOrder.CHANNEL_MAJOR, List.of(LAYER));
        return new Manifest(CodecSpec.parse("kivi:bits=4"), new CacheLayout(9, List.of(sub), List.of(new CacheLayout.Blob("words", 36)), Map.of("format", "ggsq")), 0);
    }

    private static Manifest parse(byte[] bytes) throws MalformedDataException {
        return Manifest.parse(ByteBuffer.wrap(bytes), 56);
    }

    @Provide
    Arbitrary<Manifest> manifests() {
        Arbitrary<Rope> rope = Combinators.combine(Arbitraries.of(Rope.Pairing.class), Arbitraries.doubles().between(0.5, 1e9), Arbitraries.doubles().between(0.25, 64),
                Arbitraries.of(true, false)).as((pairing, base, scale, factors) -> new Rope(pairing, base, 4, scale, factors ? List.of(1.5, scale) : List.of()));
        Arbitrary<LayerLayout> layer = Combinators.combine(Arbitraries.integers().between(0, 200), Arbitraries.integers().between(1, 4), Arbitraries.of(32, 64, 576),
                Arbitraries.of(0, 32, 128), Arbitraries.of(DType.class), Arbitraries.of(DType.class), rope.optional(), Arbitraries.integers().between(0, 9999))
                .as(LayerLayout::new);
        Arbitrary<SubCache> sub = Combinators.combine(Arbitraries.strings().alpha().ofMaxLength(5), Arbitraries.integers().between(-9, 99).array(int[].class).ofMaxSize(20),
                layer.list().ofMaxSize(5)).as((name, cells, layers) -> new SubCache(name, Positions.of(cells), TensorOrder.HEAD_MAJOR, TensorOrder.TOKEN_MAJOR, layers));
        Arbitrary<CacheLayout.Blob> blob = Combinators.combine(Arbitraries.strings().alpha().ofMaxLength(5), Arbitraries.longs().between(0, 1L << 50)).as(CacheLayout.Blob::new);
        return Combinators.combine(Arbitraries.longs().between(0, Integer.MAX_VALUE), sub.list().ofMaxSize(3), blob.list().ofMaxSize(3),
                Arbitraries.maps(Arbitraries.strings().alpha().ofMaxLength(5), Arbitraries.strings().alpha().ofMaxLength(9)).ofMaxSize(3))
                .as((tokens, subs, blobs, origin) -> new Manifest(CodecSpec.parse("rotated:bits=4,seed=1"), new CacheLayout(tokens, subs, blobs, origin), 0));
    }

    @Property(tries = 300)
    void manifestsAreReadBack(@ForAll("manifests") Manifest manifest) throws MalformedDataException {
        byte[] bytes = manifest.toBytes();
        assertEquals(manifest, parse(bytes));
        assertArrayEquals(bytes, parse(bytes).toBytes());
    }

    @Test
    void everyTruncationIsRefused() {
        byte[] bytes = manifest().toBytes();
        for (int length = 0; length < bytes.length; length++) {
            ByteBuffer cut = ByteBuffer.wrap(bytes, 0, length);
            assertThrows(MalformedDataException.class, () -> Manifest.parse(cut, 0));
        }
    }

    /** A manifest as a tree whose fields can be changed at will. */
    @SuppressWarnings("unchecked")
    private static Map<String, Object> tree() {
        try {
            return (Map<String, Object>) mutable(Cbor.read(ByteBuffer.wrap(manifest().toBytes()), 0));
        } catch (MalformedDataException e) {
            throw new AssertionError(e);
        }
    }

    private static Object mutable(Object value) {
        return switch (value) {
            case Map<?, ?> map -> {
                Map<String, Object> copy = new TreeMap<>();
                map.forEach((key, element) -> copy.put((String) key, mutable(element)));
                yield copy;
            }
            case List<?> list -> {
                List<Object> copy = new ArrayList<>();
                list.forEach(element -> copy.add(mutable(element)));
                yield copy;
            }
            default -> value;
        };
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> first(Map<String, Object> map, String key) {
        return (Map<String, Object>) ((List<Object>) map.get(key)).getFirst();
    }

    private static Map<String, Object> layer(Map<String, Object> manifest) {
        return first(first(manifest, "caches"), "layers");
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> rope(Map<String, Object> manifest) {
        return (Map<String, Object>) layer(manifest).get("rope");
    }

    private static void refused(String part, Consumer<Map<String, Object>> change) {
        Map<String, Object> tree = tree();
        change.accept(tree);
        String message = assertThrows(MalformedDataException.class, () -> parse(Cbor.write(tree)), part).getMessage();
        assertTrue(message.startsWith("offset 56, manifest") && message.contains(part), message);
    }

    @Test
    void fieldsThatAreMissingUnknownOrOfAnotherTypeAreNamed() {
        refused("has no field 'codec'", tree -> tree.remove("codec"));
        refused("field 'tokens' is not a Long", tree -> tree.put("tokens", "9"));
        refused("unknown field 'colour'", tree -> tree.put("colour", 1L));
        refused("manifest.caches[0]: has no field 'positions'", tree -> first(tree, "caches").remove("positions"));
        refused("unknown field 'x'", tree -> first(tree, "caches").put("x", 1L));
        refused("unknown field 'x'", tree -> layer(tree).put("x", 1L));
        refused("unknown field 'x'", tree -> rope(tree).put("x", 1L));
        refused("unknown field 'x'", tree -> first(tree, "blobs").put("x", 1L));
        refused("field 'base' is not a Double", tree -> rope(tree).put("base", 10_000L));
        refused("'positions' is not an array of numbers", tree -> first(tree, "caches").put("positions", List.of(0.5, 1L)));
        refused("'factors' is not an array of reals", tree -> rope(tree).put("factors", List.of(1L, 2L)));
        refused("manifest.caches[0]: is not a map", tree -> tree.put("caches", List.of(1L)));
        refused("field 'format' is not a String", tree -> tree.put("origin", Map.of("format", 1L)));
    }

    @Test
    void valuesOutOfRangeAreRefused() {
        refused("is not a codec's name", tree -> tree.put("codec", "KIVI"));
        refused("tokens", tree -> tree.put("tokens", -1L));
        refused("tokens", tree -> tree.put("tokens", 1L << 31));
        refused("bytes", tree -> first(tree, "blobs").put("bytes", -1L));
        refused("position run", tree -> first(tree, "caches").put("positions", List.of(0L, 0L)));
        refused("pairs", tree -> first(tree, "caches").put("positions", List.of(0L)));
        refused("unknown tensor order", tree -> first(tree, "caches").put("k_order", "diagonal"));
        refused("would split blocks", tree -> first(tree, "caches").put("k_order", "channel"));
        refused("heads", tree -> layer(tree).put("heads", 0L));
        refused("k_dim", tree -> layer(tree).put("k_dim", 1L << 40));
        refused("wider than", tree -> layer(tree).put("k_dim", 1L << 16));
        refused("unknown element type", tree -> layer(tree).put("k_type", "q2_k"));
        refused("not a whole number of q8_0 blocks", tree -> layer(tree).put("k_dim", 31L));
        refused("window", tree -> layer(tree).put("window", -1L));
        refused("neither interleaved nor half-split", tree -> rope(tree).put("pairing", "neox"));
        refused("base", tree -> rope(tree).put("base", Double.NaN));
        refused("scale", tree -> rope(tree).put("scale", 0.0));
        refused("factor", tree -> rope(tree).put("factors", List.of(1.0, -1.0)));
        refused("factors for", tree -> rope(tree).put("factors", List.of(1.0)));
        refused("even number", tree -> rope(tree).put("dims", 3L));
        refused("rotates 64 channels", tree -> {
            rope(tree).put("dims", 64L);
            rope(tree).put("factors", List.of());
        });
    }

    @Test
    void sizesThatOverflowAreRefused() {
        refused("overflow", tree -> tree.put("blobs", List.of(Map.of("name", "a", "bytes", Long.MAX_VALUE), Map.of("name", "b", "bytes", Long.MAX_VALUE))));
        refused("overflow", tree -> first(tree, "blobs").put("bytes", Long.MAX_VALUE));
    }

    @Test
    void trailersAreReadBackAndChecked() throws MalformedDataException {
        Trailer trailer = new Trailer(7, -5, 2, 0.25, OptionalDouble.of(0.125), Optional.of(new BasisFit(0.03125, 0.0078125)), List.of(List.of(new double[] {0.5, 0.75}), List.of()));
        byte[] bytes = trailer.toBytes();
        Trailer read = Trailer.parse(ByteBuffer.wrap(bytes), 0);
        assertArrayEquals(bytes, read.toBytes());
        assertEquals(-5, read.headersCrc());
        assertEquals(2, read.losslessTiles());
        assertEquals(trailer.fit(), read.fit());
        assertArrayEquals(new double[] {0.5, 0.75}, read.errors().getFirst().getFirst());
        for (int length = 0; length < bytes.length; length++) {
            ByteBuffer cut = ByteBuffer.wrap(bytes, 0, length);
            assertThrows(MalformedDataException.class, () -> Trailer.parse(cut, 0));
        }
        byte[] uneven = Cbor.write(Map.of("frames", 1L, "headers_crc", 1L, "lossless_tiles", 0L, "relative_error", 0.0, "errors",
                List.of(Map.of("k", List.of(0.5), "v", List.of()))));
        assertThrows(MalformedDataException.class, () -> Trailer.parse(ByteBuffer.wrap(uneven), 0));
        for (Map<String, Object> fit : List.<Map<String, Object>>of(Map.of("outside", 0.5), Map.of("outside", 0.5, "calibrated", 1L), Map.of("outside", 0.5, "calibrated", 0.5, "more", 0.5))) {
            byte[] wrong = Cbor.write(Map.of("frames", 1L, "headers_crc", 1L, "lossless_tiles", 0L, "relative_error", 0.0, "errors", List.of(), "basis_fit", fit));
            assertThrows(MalformedDataException.class, () -> Trailer.parse(ByteBuffer.wrap(wrong), 0));
        }
    }
}
