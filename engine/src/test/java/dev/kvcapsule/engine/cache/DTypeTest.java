package dev.kvcapsule.engine.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class DTypeTest {
    @ParameterizedTest
    @CsvSource({"F32, 128, 512", "F16, 128, 256", "BF16, 128, 256", "F8_E4M3, 128, 128", "Q8_0, 128, 136", "Q4_0, 128, 72", "Q4_1, 128, 80", "Q5_0, 128, 88",
        "Q5_1, 128, 96", "IQ4_NL, 128, 72", "F16, 0, 0", "Q8_0, 0, 0", "F16, 3, 6"})
    void rowBytesAreThoseOfGgml(DType type, int width, long bytes) {
        assertEquals(bytes, type.rowBytes(width));
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void labelsAreReadBack(DType type) {
        assertSame(type, DType.ofLabel(type.label()));
    }

    @Test
    void anUnknownLabelIsNamed() {
        String message = assertThrows(IllegalArgumentException.class, () -> DType.ofLabel("f12")).getMessage();
        assertEquals("unknown element type 'f12'", message);
    }

    @Property
    void rowsAreWholeBlocksOrRefused(@ForAll DType type, @ForAll @IntRange(min = -64, max = 1 << 17) int width) {
        if (width < 0 || width % type.blockElements() != 0) {
            String message = assertThrows(IllegalArgumentException.class, () -> type.rowBytes(width)).getMessage();
            assertTrue(message.contains(type.label()) && message.contains(Integer.toString(width)), message);
        } else {
            assertEquals((long) width * type.blockBytes(), type.rowBytes(width) * type.blockElements());
        }
    }

    @Test
    void aRowOfTheWidestIntegerDoesNotOverflow() {
        assertEquals(4L * Integer.MAX_VALUE, DType.F32.rowBytes(Integer.MAX_VALUE));
    }
}
