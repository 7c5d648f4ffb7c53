package dev.kvcapsule.serving.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Finds room for labels beside their points: never over a marker or another label, and over a line only if there is no better place. */
final class LabelPlacer {
    /** Of the style sheet's font at 11 pixels; digits are narrower. */
    private static final double CHARACTER_WIDTH = 6.3;
    private static final double HEIGHT = 12;
    private static final double GAP = 2;

    private final Box area;
    private final List<Box> taken = new ArrayList<>();
    private final List<double[]> lines = new ArrayList<>();

    /** Where a label goes: the left end of its baseline. */
    record Place(double x, double y) {}

    /** @param area nothing is placed outside */
    LabelPlacer(Box area) {
        this.area = area;
    }

    void addMarker(double x, double y) {
        taken.add(Box.around(x, y, Marker.RADIUS));
    }

    void addLine(double x1, double y1, double x2, double y2) {
        lines.add(new double[] {x1, y1, x2, y2});
    }

    static double width(String text) {
        return CHARACTER_WIDTH * text.length();
    }

    /** Takes the best place there is for a text beside a point; empty if all are taken. */
    Optional<Place> place(String text, double x, double y) {
        double width = width(text);
        double away = Marker.RADIUS + GAP;
        // Above and to the right first; further away last.
        double[][] corners = {
            {x + away, y - HEIGHT / 2}, {x - width / 2, y - away - HEIGHT}, {x - away - width, y - HEIGHT / 2}, {x - width / 2, y + away},
            {x + away - 3, y - away - HEIGHT + 3}, {x + away - 3, y + away - 3}, {x - away - width + 3, y - away - HEIGHT + 3}, {x - away - width + 3, y + away - 3},
        };
        Box best = null;
        int fewest = Integer.MAX_VALUE;
        for (double[] corner : corners) {
            Box box = new Box(corner[0], corner[1], corner[0] + width, corner[1] + HEIGHT);
            if (!area.holds(box) || taken.stream().anyMatch(box::meets)) {
                continue;
            }
            int crossed = (int) lines.stream().filter(l -> box.crosses(l[0], l[1], l[2], l[3])).count();
            if (crossed < fewest) {
                best = box;
                fewest = crossed;
            }
        }
        if (best == null) {
            return Optional.empty();
        }
        taken.add(best);
        return Optional.of(new Place(best.left(), best.bottom() - GAP - 1));
    }
}
