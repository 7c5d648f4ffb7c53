/** What durable sessions cost in a database, by the length of their conversation. */
package dev.kvcapsule.bench.sessions;
