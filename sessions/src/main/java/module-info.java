/** Durable agent sessions: what a coding agent knows of its work, on disk, and the capsule of its model's cache, from a gateway. */
module dev.kvcapsule.sessions {
    requires transitive dev.kvcapsule.serving;
    requires transitive dev.kvcapsule.store;
    requires java.net.http;
    requires org.snakeyaml.engine;

    exports dev.kvcapsule.sessions;
    exports dev.kvcapsule.sessions.chunks;
    exports dev.kvcapsule.sessions.gateway;
    exports dev.kvcapsule.sessions.workspace;
}
