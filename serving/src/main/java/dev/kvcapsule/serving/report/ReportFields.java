package dev.kvcapsule.serving.report;

import dev.kvcapsule.serving.llamacpp.runtime.CacheJudge.Verdict;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A report's figures as maps and lists, for whoever writes JSON. */
public final class ReportFields {
    private ReportFields() {}

    /** One object a state. */
    public static List<Object> of(FidelityReport report) {
        List<Object> states = new ArrayList<>();
        for (StateFidelity state : report.states()) {
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("state", state.name());
            fields.put("tokens", state.tokens());
            fields.put("layers", state.layers());
            fields.put("raw_bytes", state.rawBytes());
            fields.put("judged", state.judged().isEmpty() ? null : state.judged());
            fields.put("codecs", codecs(state.measurements()));
            List<Object> skipped = new ArrayList<>();
            for (StateFidelity.Skipped s : state.skipped()) {
                Map<String, Object> one = new LinkedHashMap<>();
                one.put("codec", s.codec().toString());
                one.put("reason", s.reason());
                skipped.add(one);
            }
            fields.put("skipped", skipped);
            states.add(fields);
        }
        return states;
    }

    /** One object a codec; whether it is on the frontier is by what the first plot shows. */
    public static List<Object> codecs(List<Measurement> measurements) {
        Set<Measurement> frontier = measurements.isEmpty() ? Set.of() : ParetoFrontier.of(measurements, Metric.shown(measurements).getFirst());
        List<Object> codecs = new ArrayList<>();
        for (Measurement m : measurements) {
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("codec", m.codec().toString());
            fields.put("capsule_bytes", m.capsuleBytes());
            fields.put("ratio", m.ratio());
            fields.put("k_error", m.keyError());
            fields.put("v_error", m.valueError());
            fields.put("attention_error", m.attentionError());
            fields.put("encode_seconds", m.encodeSeconds());
            fields.put("decode_seconds", m.decodeSeconds());
            fields.put("encode_mb_s", m.encodeRate() / 1e6);
            fields.put("decode_mb_s", m.decodeRate() / 1e6);
            fields.put("continuation", m.continuation().map(ReportFields::fields).orElse(null));
            fields.put("recall", m.recall().map(ReportFields::fields).orElse(null));
            fields.put("pareto", frontier.contains(m));
            codecs.add(fields);
        }
        return codecs;
    }

    private static Map<String, Object> fields(Verdict verdict) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("tokens", verdict.tokens());
        fields.put("kl_mean", verdict.meanKl());
        fields.put("kl_p99", verdict.p99Kl());
        fields.put("kl_max", verdict.maxKl());
        fields.put("top1", verdict.top1());
        fields.put("perplexity_untouched", verdict.referencePerplexity());
        fields.put("perplexity", verdict.perplexity());
        return fields;
    }
}
