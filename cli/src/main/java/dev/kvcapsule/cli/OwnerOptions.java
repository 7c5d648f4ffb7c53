package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.store.SessionOwner;
import java.io.IOException;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Whose sessions, and where they are. */
final class OwnerOptions extends OutputOptions {
    @Option(names = "--as", paramLabel = "org=O,user=U", description = "Whose sessions: of a gateway's user (default: those of this command).")
    private String owner;

    @Mixin
    private DatabaseOptions database;

    /** Whose they are. */
    SessionOwner owner() {
        if (owner == null) {
            return SessionOwner.LOCAL;
        }
        Pairs pairs = new Pairs("--as", owner, List.of("org", "user"));
        return new SessionOwner(pairs.required("org"), pairs.required("user"));
    }

    boolean isLocal() {
        return owner == null;
    }

    DatabaseOptions.Sessions open() throws IOException {
        return database.of(owner(), err());
    }

    /** To be looked at. */
    DatabaseOptions.Sessions existing() throws IOException {
        return database.existing(owner(), err());
    }
}
