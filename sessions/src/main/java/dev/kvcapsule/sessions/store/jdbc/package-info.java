/**
 * Sessions in a database: {@link dev.kvcapsule.sessions.store.jdbc.SessionDatabase}, in a file of H2's or a PostgreSQL server, by the same statements.
 */
package dev.kvcapsule.sessions.store.jdbc;
