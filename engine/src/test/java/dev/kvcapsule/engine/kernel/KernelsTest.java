package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import jdk.incubator.vector.ByteVector;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@ExtendWith(AvailableWidth.class)
class KernelsTest {
    private final String before = System.getProperty(Kernels.PROPERTY);

    @BeforeEach
    void forceNothing() {
        System.clearProperty(Kernels.PROPERTY);
    }

    @AfterEach
    void forceWhatWasForced() {
        System.clearProperty(Kernels.PROPERTY);
        if (before != null) {
            System.setProperty(Kernels.PROPERTY, before);
        }
    }

    @Test
    void panamaIsTakenWhereItCanBeHad() {
        assertNull(Kernels.whyNotPanama());
        assertSame(Kernels.panama(), Kernels.best());
        assertEquals("panama", Kernels.best().name());
        assertFalse(Kernels.isForced());
    }

    @ParameterizedTest
    @ValueSource(strings = {"scalar", "Scalar", "panama", "PANAMA"})
    void forcedChoiceIsTaken(String choice) {
        System.setProperty(Kernels.PROPERTY, choice);
        assertTrue(choice.equalsIgnoreCase(Kernels.best().name()));
        assertTrue(Kernels.isForced());
    }

    @ParameterizedTest
    @ValueSource(strings = {"cuda", "scalar,panama", "default"})
    void unknownChoiceFailsAndSaysWhatIsPossible(String choice) {
        System.setProperty(Kernels.PROPERTY, choice);
        String message = assertThrows(IllegalStateException.class, Kernels::best).getMessage();
        assertTrue(message.contains(choice) && message.contains("scalar") && message.contains("panama"), message);
    }

    @Test
    void vectorsHaveTheWidthThatIsAskedFor() {
        int widest = ByteVector.SPECIES_PREFERRED.vectorBitSize();
        int expected = Integer.getInteger(VectorWidth.PROPERTY, Math.min(512, widest));
        assertEquals(expected, Kernels.vectorBits());
        assertEquals(expected, VectorWidth.FLOAT.vectorBitSize());
    }

    @Test
    void providersHaveKernelsOfTheirOwn() {
        Kernels scalar = Kernels.scalar();
        Kernels panama = Kernels.panama();
        assertTrue(scalar.convert() instanceof ScalarConvert && panama.convert() instanceof PanamaConvert);
        assertTrue(scalar.quant() instanceof ScalarQuant && panama.quant() instanceof PanamaQuant);
        assertTrue(scalar.hadamard() instanceof ScalarHadamard && panama.hadamard() instanceof PanamaHadamard);
        assertTrue(scalar.rope() instanceof ScalarRope && panama.rope() instanceof PanamaRope);
        assertTrue(scalar.bytePlane() instanceof ScalarBytePlane && panama.bytePlane() instanceof PanamaBytePlane);
        assertTrue(scalar.rans() instanceof ScalarRans && panama.rans() instanceof PanamaRans);
        assertTrue(scalar.transform() instanceof ScalarTransform && panama.transform() instanceof PanamaTransform);
        assertTrue(scalar.gemm() instanceof ScalarGemm && panama.gemm() instanceof PanamaGemm);
    }
}
