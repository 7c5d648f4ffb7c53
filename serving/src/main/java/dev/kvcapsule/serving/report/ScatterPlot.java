package dev.kvcapsule.serving.report;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Ratio against one kind of damage as SVG, both axes logarithmic. What does no damage at all has no logarithm: it stands on a line of its own below.
 */
final class ScatterPlot {
    /** For screens that are wide enough. */
    static final Size WIDE = new Size("wide", 880, 480);

    /** For phones: as many units as they have pixels, so that letters stay readable. */
    static final Size NARROW = new Size("narrow", 380, 430);

    private static final double LEFT = 56;
    private static final double RIGHT = 20;
    private static final double TOP = 28;
    private static final double BOTTOM = 44;
    private static final double ZERO_BAND = 34;
    private static final double ZERO_UP = 14;
    private static final double TICK_GAP = 8;

    private final List<Measurement> points;
    private final Metric metric;
    private final Map<CodecFamily, Integer> families;
    private final Set<Measurement> frontier;
    private final Size size;
    private final boolean hasZero;
    private final LogAxis x;
    private final LogAxis y;

    /**
     * How large, in the units of its coordinates.
     *
     * @param name the style sheet's class that shows it
     */
    record Size(String name, double width, double height) {}

    /** @param all points without a value are left out */
    ScatterPlot(List<Measurement> all, Metric metric, Map<CodecFamily, Integer> families, Size size) {
        this.points = all.stream().filter(m -> Double.isFinite(metric.of(m))).sorted(Measurement.BY_RATIO).toList();
        this.metric = metric;
        this.families = families;
        this.frontier = ParetoFrontier.of(all, metric);
        this.size = size;
        this.hasZero = points.stream().anyMatch(m -> metric.of(m) == 0);
        this.x = LogAxis.of(points.stream().mapToDouble(Measurement::ratio).toArray(), LEFT, size.width() - RIGHT);
        this.y = LogAxis.of(points.stream().mapToDouble(metric::of).filter(v -> v > 0).toArray(), bottom() - (hasZero ? ZERO_BAND : 0), TOP);
    }

    private double bottom() {
        return size.height() - BOTTOM;
    }

    /** The rectangle between the axes. */
    Box area() {
        return new Box(LEFT, TOP, size.width() - RIGHT, bottom());
    }

    double x(Measurement m) {
        return x.at(m.ratio());
    }

    double y(Measurement m) {
        return metric.of(m) == 0 ? bottom() - ZERO_UP : y.at(metric.of(m));
    }

    void write(Markup out) {
        out.open("svg", "xmlns", "http://www.w3.org/2000/svg", "class", "plot " + size.name(), "viewBox", "0 0 " + Numbers.pixel(size.width()) + " " + Numbers.pixel(size.height()),
                "role", "img", "aria-label", metric.title() + ": " + metric.axis() + " against ratio, " + points.size() + " codecs").line();
        axes(out);
        LabelPlacer placer = new LabelPlacer(area());
        points.forEach(m -> placer.addMarker(x(m), y(m)));
        frontier(out);
        for (Map.Entry<CodecFamily, Integer> family : families.entrySet()) {
            line(out, placer, family.getKey(), family.getValue());
        }
        // Steep ends of lines have the least choice of room, so the outermost points come first.
        for (Measurement m : points.stream().sorted(Comparator.comparingDouble((Measurement p) -> -p.ratio())).toList()) {
            point(out, m, placer.place(CodecFamily.member(m.codec()), x(m), y(m)));
        }
        out.closeLine();
    }

    private void axes(Markup out) {
        String top = Numbers.pixel(TOP);
        String bottom = Numbers.pixel(bottom());
        for (double tick : x.ticks()) {
            String at = Numbers.pixel(x.at(tick));
            out.empty("line", "class", "grid", "x1", at, "x2", at, "y1", top, "y2", bottom);
            if (x.labelled().contains(tick)) {
                out.element("text", Numbers.tick(tick) + "×", "class", "tick", "x", at, "y", Numbers.pixel(bottom() + 16), "text-anchor", "middle");
            }
            out.line();
        }
        for (double tick : y.ticks()) {
            horizontal(out, "grid", y.at(tick), y.labelled().contains(tick) ? Numbers.tick(tick) : "");
        }
        if (hasZero) {
            out.empty("line", "class", "break", "x1", Numbers.pixel(LEFT), "x2", Numbers.pixel(size.width() - RIGHT), "y1", Numbers.pixel(bottom() - ZERO_BAND + 3), "y2",
                    Numbers.pixel(bottom() - ZERO_BAND + 3)).line();
            horizontal(out, "grid", bottom() - ZERO_UP, "0");
        }
        out.empty("path", "class", "axis", "d", "M" + Numbers.pixel(LEFT) + " " + top + "V" + bottom + "H" + Numbers.pixel(size.width() - RIGHT)).line();
        out.element("text", metric.axis() + " ↓ better", "class", "caption", "x", "4", "y", "15").line();
        out.element("text", "ratio: state bytes / capsule bytes → better", "class", "caption", "x", Numbers.pixel(size.width() - RIGHT), "y", Numbers.pixel(size.height() - 8),
                "text-anchor", "end").line();
    }

    private void horizontal(Markup out, String style, double at, String label) {
        out.empty("line", "class", style, "x1", Numbers.pixel(LEFT), "x2", Numbers.pixel(size.width() - RIGHT), "y1", Numbers.pixel(at), "y2", Numbers.pixel(at));
        if (!label.isEmpty()) {
            out.element("text", label, "class", "tick", "x", Numbers.pixel(LEFT - TICK_GAP), "y", Numbers.pixel(at + 4), "text-anchor", "end");
        }
        out.line();
    }

    private void frontier(Markup out) {
        List<Measurement> drawn = points.stream().filter(m -> frontier.contains(m) && metric.of(m) > 0).toList();
        if (drawn.size() > 1) {
            out.empty("polyline", "class", "frontier", "points", coordinates(drawn)).line();
        }
    }

    private void line(Markup out, LabelPlacer placer, CodecFamily family, int number) {
        List<Measurement> members = points.stream().filter(m -> CodecFamily.of(m.codec()).equals(family)).toList();
        if (members.size() < 2) {
            return;
        }
        out.empty("polyline", "class", "line " + Marker.colour(number), "points", coordinates(members)).line();
        for (int i = 1; i < members.size(); i++) {
            placer.addLine(x(members.get(i - 1)), y(members.get(i - 1)), x(members.get(i)), y(members.get(i)));
        }
    }

    private String coordinates(List<Measurement> members) {
        StringBuilder text = new StringBuilder();
        for (Measurement m : members) {
            text.append(text.isEmpty() ? "" : " ").append(Numbers.pixel(x(m))).append(',').append(Numbers.pixel(y(m)));
        }
        return text.toString();
    }

    private void point(Markup out, Measurement m, Optional<LabelPlacer.Place> label) {
        int family = families.get(CodecFamily.of(m.codec()));
        out.open("g", "class", "point " + Marker.colour(family) + (frontier.contains(m) ? " best" : ""));
        out.element("title", title(m));
        out.empty("circle", "class", "hit", "cx", Numbers.pixel(x(m)), "cy", Numbers.pixel(y(m)), "r", "12");
        out.empty("path", "class", "marker", "d", Marker.of(family).path(), "transform", "translate(" + Numbers.pixel(x(m)) + " " + Numbers.pixel(y(m)) + ")");
        label.ifPresent(place -> out.element("text", CodecFamily.member(m.codec()), "class", "label", "x", Numbers.pixel(place.x()), "y", Numbers.pixel(place.y())));
        out.closeLine();
    }

    private String title(Measurement m) {
        return CodecFamily.shortened(m.codec()) + "\nratio " + Numbers.ratio(m.ratio()) + ", " + metric.symbol() + " " + Numbers.figure(metric.of(m)) + "\n"
                + Numbers.bytes(m.capsuleBytes()) + ", encode " + Numbers.rate(m.encodeRate()) + " MB/s, decode " + Numbers.rate(m.decodeRate()) + " MB/s"
                + (frontier.contains(m) ? "\non the Pareto frontier" : "");
    }
}
