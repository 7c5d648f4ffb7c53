package dev.kvcapsule.engine.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class LayerLayoutTest {
    private static LayerLayout layer(int number, int heads, int keyDim, int valueDim, DType key, DType value, int window) {
        return new LayerLayout(number, heads, keyDim, valueDim, key, value, Optional.empty(), window);
    }

    private static LayerLayout f16(int heads, int keyDim, int valueDim) {
        return layer(0, heads, keyDim, valueDim, DType.F16, DType.F16, 0);
    }

    @Test
    void widthsOfKeyAndValueMayDiffer() {
        LayerLayout layer = layer(7, 2, 96, 64, DType.Q8_0, DType.F16, 0);
        assertEquals(192, layer.width(Part.KEY));
        assertEquals(128, layer.width(Part.VALUE));
        assertEquals(204, layer.rowBytes(Part.KEY));
        assertEquals(256, layer.rowBytes(Part.VALUE));
        assertTrue(layer.has(Part.VALUE));
    }

    @Test
    void valueMayBeAbsent() {
        LayerLayout layer = f16(1, 576, 0);
        assertFalse(layer.has(Part.VALUE));
        assertTrue(layer.has(Part.KEY));
        assertEquals(0, layer.rowBytes(Part.VALUE));
    }

    @Test
    void numbersOutOfRangeAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> layer(-1, 1, 64, 64, DType.F16, DType.F16, 0));
        assertThrows(IllegalArgumentException.class, () -> f16(0, 64, 64));
        assertThrows(IllegalArgumentException.class, () -> f16(1, 0, 64));
        assertThrows(IllegalArgumentException.class, () -> f16(1, 64, -1));
        assertThrows(IllegalArgumentException.class, () -> layer(0, 1, 64, 64, DType.F16, DType.F16, -1));
        assertThrows(NullPointerException.class, () -> layer(0, 1, 64, 64, null, DType.F16, 0));
    }

    @Test
    void rowsWiderThanBelievedAreRefused() {
        assertEquals(1 << 16, f16(1 << 8, 1 << 8, 0).width(Part.KEY));
        assertThrows(IllegalArgumentException.class, () -> f16(1, (1 << 16) + 1, 0));
        assertThrows(IllegalArgumentException.class, () -> f16(1, 64, (1 << 16) + 1));
        assertThrows(IllegalArgumentException.class, () -> f16(1 << 16, 1 << 16, 0));
        assertThrows(IllegalArgumentException.class, () -> f16(Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE));
    }

    @Test
    void rowsThatAreNotWholeBlocksAreRefused() {
        String message = assertThrows(IllegalArgumentException.class, () -> layer(0, 1, 48, 64, DType.Q4_0, DType.F16, 0)).getMessage();
        assertTrue(message.contains("48") && message.contains("q4_0"), message);
        assertThrows(IllegalArgumentException.class, () -> layer(0, 1, 64, 48, DType.F16, DType.IQ4_NL, 0));
        // Heads need not be whole blocks as long as rows are.
        assertEquals(68, layer(0, 4, 16, 16, DType.Q8_0, DType.Q8_0, 0).rowBytes(Part.KEY));
    }

    @Test
    void ropeWiderThanTheHeadIsRefused() {
        Optional<Rope> rope = Optional.of(Rope.of(Rope.Pairing.HALF_SPLIT, 10_000, 66));
        String message = assertThrows(IllegalArgumentException.class, () -> new LayerLayout(3, 2, 64, 64, DType.F16, DType.F16, rope, 0)).getMessage();
        assertEquals("layer 3 rotates 66 channels of a head that has 64", message);
        assertEquals(66, new LayerLayout(3, 2, 66, 64, DType.F16, DType.F16, rope, 0).rope().orElseThrow().dims());
    }

    @Test
    void ordersThatWouldSplitBlocksAreRefused() {
        LayerLayout blocks = layer(0, 4, 16, 16, DType.F16, DType.Q8_0, 0);
        Positions positions = Positions.sequential(3);
        new SubCache("kv", positions, TensorOrder.CHANNEL_MAJOR, TensorOrder.TOKEN_MAJOR, List.of(blocks));
        String transposed = assertThrows(IllegalArgumentException.class,
                () -> new SubCache("kv", positions, TensorOrder.TOKEN_MAJOR, TensorOrder.CHANNEL_MAJOR, List.of(blocks))).getMessage();
        assertEquals("V of layer 0 in channel-major order would split blocks of q8_0", transposed);
        assertThrows(IllegalArgumentException.class, () -> new SubCache("kv", positions, TensorOrder.TOKEN_MAJOR, TensorOrder.HEAD_MAJOR, List.of(blocks)));
        LayerLayout wholeHeads = layer(0, 4, 32, 32, DType.Q4_1, DType.Q8_0, 0);
        new SubCache("kv", positions, TensorOrder.HEAD_MAJOR, TensorOrder.HEAD_MAJOR, List.of(wholeHeads));
    }

    @Test
    void sizesAddUpExactlyOrOverflowLoudly() {
        SubCache sub = new SubCache("kv", Positions.sequential(5), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, List.of(f16(2, 4, 3), f16(1, 8, 0)));
        assertEquals(5 * (16 + 12 + 16), sub.bytes());
        CacheLayout layout = new CacheLayout(5, List.of(sub, sub), List.of(new CacheLayout.Blob("a", 7), new CacheLayout.Blob("b", 0)), Map.of());
        assertEquals(2 * 5 * (16 + 12 + 16), layout.tensorBytes());
        assertEquals(7, layout.blobBytes());
        assertEquals(4, layout.layers());
        CacheLayout huge = new CacheLayout(5, List.of(), List.of(new CacheLayout.Blob("a", Long.MAX_VALUE), new CacheLayout.Blob("b", 1)), Map.of());
        assertThrows(ArithmeticException.class, huge::blobBytes);
        assertThrows(IllegalArgumentException.class, () -> new CacheLayout(-1, List.of(), List.of(), Map.of()));
        assertThrows(IllegalArgumentException.class, () -> new CacheLayout.Blob("a", -1));
    }

    @Test
    void labelsOfOrdersAreReadBack() {
        for (TensorOrder order : TensorOrder.values()) {
            assertEquals(order, TensorOrder.ofLabel(order.label()));
        }
        assertThrows(IllegalArgumentException.class, () -> TensorOrder.ofLabel("layer"));
    }
}
