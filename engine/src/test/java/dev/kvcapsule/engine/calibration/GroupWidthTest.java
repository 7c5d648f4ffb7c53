package dev.kvcapsule.engine.calibration;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class GroupWidthTest {
    /** A sub-cache of layers with heads of 128 channels in K and in V. */
    private static SubCache sub(int layers, int heads) {
        return new SubCache("kv", Positions.sequential(9), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, IntStream.range(0, layers).mapToObj(l -> new LayerLayout(l, heads, 128, 128, DType.F16, DType.F16, Optional.empty(), 0)).toList());
    }

    private static int layersPerGroup(SubCache... subs) {
        return GroupWidth.layersPerGroup(new CacheLayout(9, List.of(subs), List.of(), Map.of()));
    }

    @Test
    void everythingTogetherWhereItFits() {
        assertEquals(0, layersPerGroup(sub(30, 2)));
        assertEquals(0, layersPerGroup(sub(8, 8)), "16,384 channels are not too many");
    }

    @Test
    void equalGroupsWhereItDoesNot() {
        assertEquals(8, layersPerGroup(sub(32, 8)));
        assertEquals(5, layersPerGroup(sub(9, 8)), "5 and 4 rather than 8 and 1");
        assertEquals(1, layersPerGroup(sub(4, 100)), "a layer wider than that is a group of its own");
    }

    @Test
    void theWidestSubCacheDecides() {
        assertEquals(6, layersPerGroup(sub(4, 2), sub(18, 8)));
        assertEquals(1, layersPerGroup(sub(18, 8), sub(4, 100)));
    }
}
