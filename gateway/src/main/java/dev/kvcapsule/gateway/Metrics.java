package dev.kvcapsule.gateway;

import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.OptionalDouble;

/** What the gateway counts, for Prometheus. Labels are operations and codes, never whose anything is. */
final class Metrics {
    private final PrometheusRegistry registry = new PrometheusRegistry();
    private final Counter requests = Counter.builder().name("kvcapsule_requests").help("Requests answered, by operation and status.").labelNames("operation", "status").register(registry);
    private final Counter refusals = Counter.builder().name("kvcapsule_refusals").help("Requests and capsules refused, by the true reason.").labelNames("code").register(registry);
    private final Counter stateBytes = Counter.builder().name("kvcapsule_state_bytes").help("Bytes of slot states, before encoding or after decoding.").labelNames("operation").register(registry);
    private final Counter capsuleBytes = Counter.builder().name("kvcapsule_capsule_bytes").help("Bytes of capsules.").labelNames("operation").register(registry);
    private final Counter chunks = Counter.builder().name("kvcapsule_chunks").help("Chunks of incremental exports: made, or not made since the client had them.").labelNames("outcome").register(registry);
    private final Gauge ratio = Gauge.builder().name("kvcapsule_last_ratio").help("State bytes by the bytes that were sent of the last export.").register(registry);
    private final Counter reused = Counter.builder().name("kvcapsule_prompt_tokens_reused").help("Prompt tokens that the server did not evaluate, by its own timings.").labelNames("operation").register(registry);
    private final Counter evaluated = Counter.builder().name("kvcapsule_prompt_tokens_evaluated").help("Prompt tokens that the server evaluated, by its own timings.").labelNames("operation").register(registry);
    private final Gauge prefill = Gauge.builder().name("kvcapsule_prefill_tokens_per_second").help("Measured prefill rate of the server.").register(registry);
    private final Gauge active = Gauge.builder().name("kvcapsule_requests_active").help("Requests under way.").register(registry);
    private final Histogram seconds = Histogram.builder().name("kvcapsule_operation_seconds").help("Duration of exports and restores.").labelNames("operation").register(registry);

    void answered(String operation, int status) {
        requests.labelValues(operation, Integer.toString(status)).inc();
    }

    void refused(String code) {
        refusals.labelValues(code).inc();
    }

    void exported(long state, long capsule, double took) {
        stateBytes.labelValues("export").inc(state);
        capsuleBytes.labelValues("export").inc(capsule);
        ratio.set((double) state / capsule);
        seconds.labelValues("export").observe(took);
    }

    void chunks(long made, long reused) {
        chunks.labelValues("made").inc(made);
        chunks.labelValues("reused").inc(reused);
    }

    void restored(long state, long capsule, double took) {
        stateBytes.labelValues("restore").inc(state);
        capsuleBytes.labelValues("restore").inc(capsule);
        seconds.labelValues("restore").observe(took);
    }

    void evaluated(String operation, LlamaServer.Evaluation evaluation, OptionalDouble rate) {
        reused.labelValues(operation).inc(evaluation.reused());
        evaluated.labelValues(operation).inc(evaluation.evaluated());
        rate.ifPresent(prefill::set);
    }

    void begun() {
        active.inc();
    }

    void ended() {
        active.dec();
    }

    /** Everything in Prometheus' text format. */
    byte[] text() {
        try {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            new PrometheusTextFormatWriter(false).write(out, registry.scrape());
            return out.toByteArray();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static String contentType() {
        return PrometheusTextFormatWriter.CONTENT_TYPE;
    }
}
