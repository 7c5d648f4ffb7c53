package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.SessionFolder;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import java.io.IOException;
import java.nio.file.Path;

/** The sessions that the command sees, from the tests' own program: it holds the database for a moment only. */
final class LocalSessions {
    private LocalSessions() {}

    static SessionFolder in(Path home) throws IOException {
        return new SessionFolder(home.resolve("sessions"), SessionDatabase.file(home.resolve("database/sessions")).sessions(SessionOwner.LOCAL));
    }
}
