/** The gateway in front of a llama-server: everything passes through, and slots leave and come back as sealed capsules. */
@SuppressWarnings("requires-automatic") // Prometheus' client has no descriptors
module dev.kvcapsule.gateway {
    requires transitive dev.kvcapsule.serving;
    requires transitive dev.kvcapsule.sessions;
    requires com.fasterxml.jackson.core;
    requires io.prometheus.metrics.core;
    requires io.prometheus.metrics.model;
    requires io.prometheus.writer.text;
    requires io.vertx.core;
    requires java.net.http;

    exports dev.kvcapsule.gateway;
}
