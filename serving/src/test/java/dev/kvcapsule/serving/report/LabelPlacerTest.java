package dev.kvcapsule.serving.report;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LabelPlacerTest {
    private static final Box AREA = new Box(0, 0, 300, 200);

    private static Box box(LabelPlacer.Place place, String text) {
        return new Box(place.x(), place.y() - 9, place.x() + LabelPlacer.width(text), place.y() + 3);
    }

    @Test
    void labelsNeverMeetMarkersOrOneAnotherAndStayInside() {
        Random random = new Random(3);
        for (int round = 0; round < 50; round++) {
            LabelPlacer placer = new LabelPlacer(AREA);
            List<double[]> points = new ArrayList<>();
            for (int i = 0; i < 25; i++) {
                double[] point = {8 + random.nextDouble() * 284, 8 + random.nextDouble() * 184};
                points.add(point);
                placer.addMarker(point[0], point[1]);
            }
            List<Box> taken = new ArrayList<>();
            points.forEach(point -> taken.add(Box.around(point[0], point[1], Marker.RADIUS)));
            for (double[] point : points) {
                placer.place("0.25", point[0], point[1]).ifPresent(place -> {
                    Box label = box(place, "0.25");
                    assertTrue(AREA.holds(label), label.toString());
                    assertFalse(taken.stream().anyMatch(label::meets), label.toString());
                    taken.add(label);
                });
            }
            assertTrue(taken.size() > 35, "only " + (taken.size() - 25) + " labels were placed");
        }
    }

    @Test
    void labelsAvoidLinesWhereTheyCan() {
        LabelPlacer placer = new LabelPlacer(AREA);
        placer.addMarker(100, 100);
        placer.addLine(100, 100, 200, 100);
        Optional<LabelPlacer.Place> place = placer.place("4", 100, 100);
        assertFalse(box(place.orElseThrow(), "4").crosses(100, 100, 200, 100));
    }

    @Test
    void thereMayBeNoRoom() {
        LabelPlacer placer = new LabelPlacer(new Box(90, 90, 110, 110));
        placer.addMarker(100, 100);
        assertTrue(placer.place("lossless", 100, 100).isEmpty());
    }
}
