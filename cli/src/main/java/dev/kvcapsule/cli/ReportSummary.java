package dev.kvcapsule.cli;

import dev.kvcapsule.serving.llamacpp.runtime.CacheJudge.Verdict;
import dev.kvcapsule.serving.report.FidelityReport;
import dev.kvcapsule.serving.report.Measurement;
import dev.kvcapsule.serving.report.ReportFields;
import dev.kvcapsule.serving.report.StateFidelity;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A report's figures on standard output.
 *
 * @param report what was measured
 * @param options whether JSON is wanted
 */
record ReportSummary(FidelityReport report, CommonOptions options) {
    private static final String COLUMNS = "%-34s  %7s  %9s  %9s  %9s  %9s  %10s  %10s";

    /** @param page where the page is; null if it went to standard output itself */
    void print(Path page, long bytes, double seconds) {
        if (page == null) {
            return;
        }
        if (options.json()) {
            json(page, seconds);
            return;
        }
        for (StateFidelity state : report.states()) {
            options.out().printf(Locale.ROOT, "%s: %d tokens, %d layers, %s%n", state.name(), state.tokens(), state.layers(), Sizes.text(state.rawBytes()));
            options.out().println(String.format(Locale.ROOT, COLUMNS, "codec", "ratio", "KL next", "KL recall", "error K", "error V", "encode", "decode"));
            state.measurements().forEach(this::row);
            state.skipped().forEach(s -> options.out().println(s.codec() + " left out: " + s.reason()));
        }
        options.out().printf(Locale.ROOT, "%s: %s, %.1f s%n", page, Sizes.text(bytes), seconds);
    }

    private void row(Measurement m) {
        String codec = m.codec().toString().replaceAll("([0-9a-f]{8})[0-9a-f]{56}", "$1...");
        options.out().println(String.format(Locale.ROOT, COLUMNS, codec, String.format(Locale.ROOT, "%.2fx", m.ratio()), divergence(m.continuation()), divergence(m.recall()),
                error(m.keyError()), error(m.valueError()), Sizes.text((long) m.encodeRate()) + "/s", Sizes.text((long) m.decodeRate()) + "/s"));
    }

    private static String divergence(Optional<Verdict> verdict) {
        return verdict.map(v -> v.meanKl() == 0 ? "0" : String.format(Locale.ROOT, "%.5f", v.meanKl())).orElse("-");
    }

    private static String error(double relative) {
        return relative == 0 ? "0" : String.format(Locale.ROOT, "%.2e", relative);
    }

    /** What concerns one capsule is that of the highest ratio, as everywhere that there are several. */
    private void json(Path page, double seconds) {
        List<Measurement> all = report.states().stream().flatMap(state -> state.measurements().stream()).toList();
        Measurement best = all.stream().max(Comparator.comparingDouble(Measurement::ratio)).orElseThrow();
        JsonReport json = new JsonReport()
                .put("tokens", report.states().stream().mapToLong(StateFidelity::tokens).sum())
                .put("layers", report.states().getFirst().layers())
                .put("raw_bytes", report.states().stream().mapToLong(StateFidelity::rawBytes).sum())
                .put("capsule_bytes", best.capsuleBytes())
                .put("ratio", best.ratio())
                .put("seconds", seconds)
                .put("codec", best.codec().toString())
                .put("report", page.toString())
                .put("origin", report.origin().facts())
                .put("states", ReportFields.of(report));
        if (report.states().size() > 1) {
            json.put("means", ReportFields.codecs(report.means()));
        }
        options.out().println(json);
    }
}
