package dev.kvcapsule.serving.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class LogAxisTest {
    @Test
    void ticksAreAtOneTwoAndFive() {
        LogAxis axis = new LogAxis(0.9, 60, 0, 100);
        assertEquals(List.of(1.0, 2.0, 5.0, 10.0, 20.0, 50.0), axis.ticks());
        assertEquals(axis.ticks(), axis.labelled());
        assertEquals(List.of(0.002, 0.005, 0.01, 0.02), new LogAxis(0.0015, 0.03, 0, 1).ticks());
    }

    @Test
    void manyTicksAreLabelledAtPowersOfTenAlone() {
        LogAxis axis = new LogAxis(1e-6, 10, 0, 100);
        assertEquals(22, axis.ticks().size());
        assertEquals(List.of(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0), axis.labelled());
    }

    @Test
    void valuesLieBetweenTheEndsInProportionToTheirLogarithms() {
        LogAxis axis = LogAxis.of(new double[] {1, 10, 100}, 0, 300);
        assertTrue(axis.at(1) > 0 && axis.at(100) < 300);
        assertEquals(150, axis.at(10), 1e-9);
        assertEquals(axis.at(10) - axis.at(1), axis.at(100) - axis.at(10), 1e-9);
    }

    @Test
    void oneValueOrNoneStillHaveAnAxisWithTicks() {
        for (double value : new double[] {1, 1.4, 3, 7, 0.00042, 123_456}) {
            LogAxis axis = LogAxis.of(new double[] {value}, 0, 100);
            assertEquals(50, axis.at(value), 1e-9);
            assertTrue(axis.ticks().size() >= 2, axis.toString());
        }
        assertTrue(LogAxis.of(new double[0], 0, 100).ticks().size() >= 2);
    }
}
