package dev.kvcapsule.serving.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A report as one HTML page that needs nothing else: no script, no network. It is well-formed XML too. */
public final class ReportPage {
    private static final String STYLE = "report.css";

    private final FidelityReport report;
    private final Map<CodecFamily, Integer> families;
    private final Markup out = new Markup();

    private ReportPage(FidelityReport report) {
        this.report = report;
        List<Measurement> all = new ArrayList<>();
        report.states().forEach(state -> all.addAll(state.measurements()));
        this.families = CodecFamily.numbered(all);
    }

    /** The page, to be written in UTF-8. */
    public static String of(FidelityReport report) {
        return new ReportPage(report).page();
    }

    private String page() {
        String title = report.states().size() == 1 ? report.states().getFirst().name() : report.states().size() + " states";
        out.open("html", "xmlns", "http://www.w3.org/1999/xhtml", "lang", "en").line().open("head").line();
        out.empty("meta", "charset", "utf-8").line();
        out.empty("meta", "name", "viewport", "content", "width=device-width, initial-scale=1").line();
        out.empty("meta", "name", "color-scheme", "content", "light dark").line();
        out.element("title", "Ratio against damage: " + title).line();
        out.style(style());
        out.closeLine().open("body").open("main").line();
        out.open("header").element("h1", "Ratio against damage").element("p", title, "class", "lead").closeLine();
        meaning();
        if (report.states().size() > 1) {
            out.open("section").element("h2", "Mean over " + report.states().size() + " states").line();
            figures(report.means());
            out.closeLine();
        }
        report.states().forEach(this::state);
        origin();
        out.close().close().closeLine();
        return "<!DOCTYPE html>\n" + out;
    }

    private void meaning() {
        boolean judged = report.states().stream().anyMatch(state -> !state.judged().isEmpty());
        out.element("p", judged
                ? "Each point is one codec: to the right the capsule's file is smaller, every byte counted, and further down the model's predictions after the decoded cache are nearer to those "
                    + "after the untouched one (Kullback-Leibler divergence, 0 if nothing changed). Top-1 is the share of tokens whose likeliest successor stayed the same, and recall asks the model for words "
                    + "of its own context, which it can only find in the cache."
                : "Each point is one codec: to the right the capsule's file is smaller, every byte counted, and further down what is decoded is nearer to the original. "
                    + "No model was asked: attention outputs are those of made-up queries, and their error is a hint at what a model would notice, not a measure of it.").line();
        out.open("p", "class", "legend-note");
        FidelityTable.swatch(out, 0, true);
        out.text("filled: on the Pareto frontier, no other codec is both smaller and nearer (in tables: by the first plot)");
        FidelityTable.swatch(out, 0, false);
        out.text("hollow: beaten by another").closeLine();
    }

    private void state(StateFidelity state) {
        out.open("section").element("h2", state.name()).line();
        out.element("p", state.tokens() + " tokens, " + state.layers() + " layers, " + Numbers.bytes(state.rawBytes()) + ". " + state.judged(), "class", "facts").line();
        if (!state.measurements().isEmpty()) {
            figures(state.measurements());
        }
        if (!state.skipped().isEmpty()) {
            out.open("ul", "class", "skipped");
            state.skipped().forEach(s -> out.open("li").element("code", CodecFamily.shortened(s.codec())).text(" left out: " + s.reason()).close());
            out.closeLine();
        }
        out.closeLine();
    }

    private void figures(List<Measurement> measurements) {
        for (Metric metric : Metric.shown(measurements)) {
            out.open("figure").element("h3", metric.title()).line();
            new ScatterPlot(measurements, metric, families, ScatterPlot.WIDE).write(out);
            new ScatterPlot(measurements, metric, families, ScatterPlot.NARROW).write(out);
            legend(measurements);
            out.closeLine();
        }
        new FidelityTable(measurements, families).write(out);
    }

    private void legend(List<Measurement> measurements) {
        Map<CodecFamily, Integer> shown = new LinkedHashMap<>();
        families.forEach((family, number) -> {
            if (measurements.stream().anyMatch(m -> CodecFamily.of(m.codec()).equals(family))) {
                shown.put(family, number);
            }
        });
        out.open("figcaption").open("ul", "class", "legend");
        shown.forEach((family, number) -> {
            out.open("li");
            FidelityTable.swatch(out, number, true);
            out.text(family.name());
            if (!family.rates().isEmpty()) {
                out.element("span", " by " + family.rates(), "class", "rates");
            }
            out.close();
        });
        out.close().closeLine();
    }

    private void origin() {
        out.open("section", "class", "origin").element("h2", "How it was measured").open("dl").line();
        report.origin().facts().forEach((name, value) -> out.element("dt", name).element("dd", value).line());
        out.close().closeLine();
    }

    private static String style() {
        try (InputStream in = ReportPage.class.getResourceAsStream(STYLE)) {
            if (in == null) {
                throw new IllegalStateException("the program has no " + STYLE);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
