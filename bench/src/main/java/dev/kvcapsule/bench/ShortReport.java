package dev.kvcapsule.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.kvcapsule.bench.ShortRunner.Series;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.serving.report.Processor;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Prints what was measured. */
final class ShortReport {
    private final Workload workload;
    private final Map<ShortCase, Series> measured;
    private final double seconds;

    ShortReport(Workload workload, Map<ShortCase, Series> measured, double seconds) {
        this.workload = workload;
        this.measured = measured;
        this.seconds = seconds;
    }

    /** As a table. */
    void print(PrintWriter out) {
        out.printf(Locale.ROOT, "%s, %d processors, Java %s, vectors of %d bits%n", Processor.name(), Runtime.getRuntime().availableProcessors(), Runtime.version(),
                Kernels.vectorBits());
        out.printf(Locale.ROOT, "%d tokens, %d layers, %.1f MB of 16-bit floats; medians, one process, %.0f s, load %.1f%n%n", workload.tokens(), workload.layers(), workload.bytes() / 1e6,
                seconds, Machine.load());
        if (Machine.load() > 1.5 * Runtime.getRuntime().availableProcessors()) {
            out.println("Other programs kept the processors busy: capsules, which are timed by the clock, seem slower than they are; all share caches.");
            out.println();
        }
        out.printf(Locale.ROOT, "%-52s %14s %8s %7s%n", "what", "speed", "of copy", "ratio");
        measured.forEach((one, series) -> out.printf(Locale.ROOT, "%-52s %7.3f %-6s %7.2fx %7s%n", one.name(), series.rate(), one.unit(), series.ofCopy(),
                Double.isNaN(series.ratio()) ? "" : String.format(Locale.ROOT, "%.3f", series.ratio())));
        List<Verdict> verdicts = Verdict.of(measured);
        if (!verdicts.isEmpty()) {
            out.printf(Locale.ROOT, "%n%-52s %-32s %8s%n", "target", "at least", "is");
            for (Verdict verdict : verdicts) {
                out.printf(Locale.ROOT, "%-52s %-32s %8.2f  %s%n", verdict.name(), verdict.target().text(verdict.unit()), verdict.value(),
                        verdict.reached() ? "reached" : "MISSED");
            }
        }
        out.flush();
    }

    /** As one JSON object on one line. The fields that every command has speak of the case whose ratio is best, if there is any. */
    String json() throws IOException {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
            json.writeStartObject();
            json.writeNumberField("tokens", workload.tokens());
            json.writeNumberField("layers", workload.layers());
            json.writeNumberField("raw_bytes", workload.bytes());
            best(json);
            json.writeNumberField("seconds", seconds);
            json.writeStringField("processor", Processor.name());
            json.writeNumberField("processors", Runtime.getRuntime().availableProcessors());
            json.writeNumberField("load", Machine.load());
            json.writeStringField("java", Runtime.version().toString());
            json.writeNumberField("vector_bits", Kernels.vectorBits());
            json.writeArrayFieldStart("results");
            for (Map.Entry<ShortCase, Series> entry : measured.entrySet()) {
                result(json, entry.getKey(), entry.getValue());
            }
            json.writeEndArray();
            json.writeArrayFieldStart("targets");
            for (Verdict verdict : Verdict.of(measured)) {
                json.writeStartObject();
                json.writeStringField("name", verdict.name());
                json.writeStringField("at_least", verdict.target().text(verdict.unit()));
                json.writeNumberField("least", verdict.target().least());
                json.writeNumberField("value", verdict.value());
                json.writeBooleanField("reached", verdict.reached());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        }
        return text.toString();
    }

    private void best(JsonGenerator json) throws IOException {
        ShortCase best = null;
        for (Map.Entry<ShortCase, Series> entry : measured.entrySet()) {
            if (entry.getKey().owner() instanceof EndToEndBenchmark && (best == null || entry.getValue().ratio() > measured.get(best).ratio())) {
                best = entry.getKey();
            }
        }
        if (best == null) {
            json.writeNullField("capsule_bytes");
            json.writeNullField("ratio");
            json.writeNullField("codec");
            return;
        }
        double ratio = measured.get(best).ratio();
        json.writeNumberField("capsule_bytes", Math.round(workload.bytes() / ratio));
        json.writeNumberField("ratio", ratio);
        json.writeStringField("codec", ((EndToEndBenchmark) best.owner()).codec);
    }

    private static void result(JsonGenerator json, ShortCase one, Series series) throws IOException {
        json.writeStartObject();
        json.writeStringField("name", one.name());
        json.writeStringField("unit", one.unit());
        json.writeNumberField("speed", series.rate());
        json.writeNumberField("of_copy", series.ofCopy());
        if (!Double.isNaN(series.ratio())) {
            json.writeNumberField("ratio", series.ratio());
        }
        json.writeNumberField("rounds", series.rates().length);
        json.writeEndObject();
    }
}
