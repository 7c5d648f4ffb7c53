/**
 * Durable agent sessions: their rows and messages in a database, what waits in them, compaction, forks; what a coding agent knows of its work, and the capsule of its model's
 * cache, from a gateway.
 */
@SuppressWarnings("requires-automatic") // the drivers and Flyway have no descriptors
module dev.kvcapsule.sessions {
    requires transitive dev.kvcapsule.serving;
    requires transitive dev.kvcapsule.store;
    requires com.h2database;
    requires com.nimbusds.jose.jwt;
    requires com.zaxxer.hikari;
    requires flyway.core;
    requires java.net.http;
    requires java.sql;
    requires org.postgresql.jdbc;
    requires org.snakeyaml.engine;

    exports dev.kvcapsule.sessions;
    exports dev.kvcapsule.sessions.chunks;
    exports dev.kvcapsule.sessions.compaction;
    exports dev.kvcapsule.sessions.fields;
    exports dev.kvcapsule.sessions.gateway;
    exports dev.kvcapsule.sessions.pending;
    exports dev.kvcapsule.sessions.permission.config;
    exports dev.kvcapsule.sessions.permission.kagenti;
    exports dev.kvcapsule.sessions.permission.ogx;
    exports dev.kvcapsule.sessions.permission.rules;
    exports dev.kvcapsule.sessions.permission;
    exports dev.kvcapsule.sessions.row;
    exports dev.kvcapsule.sessions.store.jdbc;
    exports dev.kvcapsule.sessions.store;
    exports dev.kvcapsule.sessions.workspace;
}
