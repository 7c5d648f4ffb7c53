package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.engine.cache.DType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ElementTypeTest {
    @ParameterizedTest
    @EnumSource
    void whatKernelsReadHasAFormatAndNothingElse(DType type) {
        if (ElementType.has(type)) {
            assertEquals(type.name(), ElementType.of(type).name());
            assertEquals(type.blockBytes(), ElementType.of(type).bytes());
        } else {
            assertThrows(IllegalArgumentException.class, () -> ElementType.of(type));
        }
    }
}
