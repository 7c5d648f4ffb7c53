package dev.kvcapsule.serving.report;

import dev.kvcapsule.serving.llamacpp.runtime.CacheJudge.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/** All figures of some measurements, by ratio. */
final class FidelityTable {
    private static final List<String> VERDICT = List.of("mean KL", "p99 KL", "top-1 %", "perplexity");

    private final List<Measurement> measurements;
    private final Map<CodecFamily, Integer> families;
    private final List<Group> groups = new ArrayList<>();
    private final Set<Measurement> frontier;

    /** Columns under one heading. */
    private record Group(String heading, List<String> columns, Function<Measurement, List<String>> cells) {}

    FidelityTable(List<Measurement> measurements, Map<CodecFamily, Integer> families) {
        this.measurements = measurements;
        this.families = families;
        List<Metric> shown = Metric.shown(measurements);
        frontier = ParetoFrontier.of(measurements, shown.getFirst());
        groups.add(new Group("", List.of("ratio", "capsule"), m -> List.of(Numbers.ratio(m.ratio()), Numbers.bytes(m.capsuleBytes()))));
        if (shown.contains(Metric.CONTINUATION)) {
            groups.add(new Group("next in the text" + untouched(Measurement::continuation), VERDICT, m -> verdict(m.continuation())));
        }
        if (shown.contains(Metric.RECALL)) {
            groups.add(new Group("recall" + untouched(Measurement::recall), VERDICT, m -> verdict(m.recall())));
        }
        groups.add(new Group("relative error", List.of("K", "V", "attention"),
                m -> List.of(Numbers.figure(m.keyError()), Numbers.figure(m.valueError()), Numbers.figure(m.attentionError()))));
        groups.add(new Group("encode", List.of("s", "MB/s"), m -> List.of(Numbers.figure(m.encodeSeconds()), Numbers.rate(m.encodeRate()))));
        groups.add(new Group("decode", List.of("s", "MB/s"), m -> List.of(Numbers.figure(m.decodeSeconds()), Numbers.rate(m.decodeRate()))));
    }

    /** Perplexity before is the same for every codec, so that it stands in the heading. */
    private String untouched(Function<Measurement, Optional<Verdict>> which) {
        return measurements.stream().map(which).flatMap(Optional::stream).findFirst()
                .map(v -> ": " + v.tokens() + " tokens, perplexity " + Numbers.figure(v.referencePerplexity()) + " untouched").orElse("");
    }

    private static List<String> verdict(Optional<Verdict> verdict) {
        return verdict.map(v -> List.of(Numbers.figure(v.meanKl()), Numbers.figure(v.p99Kl()), Numbers.percent(v.top1()), Numbers.figure(v.perplexity())))
                .orElse(List.of("–", "–", "–", "–"));
    }

    void write(Markup out) {
        out.open("div", "class", "scroll", "tabindex", "0").open("table").open("thead").open("tr").element("th", "codec", "rowspan", "2", "scope", "col");
        for (Group group : groups) {
            out.element("th", group.heading(), "colspan", String.valueOf(group.columns().size()), "class", "group", "scope", "colgroup");
        }
        out.closeLine().open("tr");
        for (Group group : groups) {
            for (int i = 0; i < group.columns().size(); i++) {
                out.element("th", group.columns().get(i), "class", i == 0 ? "first" : "", "scope", "col");
            }
        }
        out.close().closeLine().open("tbody").line();
        measurements.forEach(m -> row(out, m));
        out.close().close().closeLine();
    }

    private void row(Markup out, Measurement m) {
        out.open("tr", "class", frontier.contains(m) ? "best" : "").open("th", "scope", "row", "title", m.codec().toString());
        int family = families.get(CodecFamily.of(m.codec()));
        swatch(out, family, frontier.contains(m));
        out.text(CodecFamily.shortened(m.codec())).close();
        for (Group group : groups) {
            List<String> cells = group.cells().apply(m);
            for (int i = 0; i < cells.size(); i++) {
                out.element("td", cells.get(i), "class", i == 0 ? "first" : "");
            }
        }
        out.closeLine();
    }

    /** A family's marker in a line of text. */
    static void swatch(Markup out, int family, boolean best) {
        out.open("svg", "class", "swatch " + Marker.colour(family) + (best ? " best" : ""), "viewBox", "-8 -8 16 16", "width", "14", "height", "14", "aria-hidden", "true");
        out.empty("path", "class", "marker", "d", Marker.of(family).path()).close();
    }
}
