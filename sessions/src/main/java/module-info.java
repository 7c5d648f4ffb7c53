/** Durable agent sessions: what a coding agent knows of its work, on disk, and the capsule of its model's cache, from a gateway. */
module dev.kvcapsule.sessions {
    requires transitive dev.kvcapsule.serving;
    requires transitive dev.kvcapsule.store;
    requires com.nimbusds.jose.jwt;
    requires java.net.http;
    requires org.snakeyaml.engine;

    exports dev.kvcapsule.sessions;
    exports dev.kvcapsule.sessions.chunks;
    exports dev.kvcapsule.sessions.gateway;
    exports dev.kvcapsule.sessions.permission;
    exports dev.kvcapsule.sessions.permission.config;
    exports dev.kvcapsule.sessions.permission.kagenti;
    exports dev.kvcapsule.sessions.permission.ogx;
    exports dev.kvcapsule.sessions.permission.rules;
    exports dev.kvcapsule.sessions.workspace;
}
