package dev.kvcapsule.sessions.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.row.CostData;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/** What databases promise beside the contract of all stores: owners, and a schema that grows. */
abstract class DatabaseContract extends SessionStoreContract {
    abstract SessionDatabase database();

    /** Of the same database, as another program has it. */
    abstract SessionDatabase another() throws IOException;

    /** For statements of the test's own. */
    abstract String address();

    @Override
    SessionStore store() {
        return database().sessions(SessionOwner.LOCAL);
    }

    private void execute(String... statements) throws Exception {
        try (Connection connection = DriverManager.getConnection(address()); Statement statement = connection.createStatement()) {
            for (String one : statements) {
                statement.execute(one);
            }
        }
    }

    private static String migration(String name) throws IOException {
        try (InputStream in = SessionDatabase.class.getResourceAsStream("migration/" + name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    @Test
    void ownersDoNotSeeEachOther() throws IOException {
        SessionStore ann = database().sessions(new SessionOwner("acme", "ann"));
        SessionStore bob = database().sessions(new SessionOwner("acme", "bob"));
        ann.create(Session.fresh("s1"));
        ann.edit("s1", OptionalLong.empty(), locked -> SessionEdit.of(locked.session().expiring(Optional.of(Instant.EPOCH))).append(List.of(Message.user("secret"))));
        assertEquals(Optional.empty(), bob.load("s1"));
        assertEquals(List.of(), bob.list(10));
        assertEquals(List.of(), bob.messages("s1"));
        assertEquals(List.of(), bob.traces().list("s1"));
        assertEquals(Optional.empty(), bob.traces().get(ann.traces().list("s1").getFirst().id()));
        assertThrows(NoSuchSessionException.class, () -> bob.updateCost("s1", CostData.NONE));
        assertThrows(NoSuchSessionException.class, () -> bob.fork("s1", Optional.empty(), "s2"));
        assertThrows(NoSuchSessionException.class, () -> bob.changesSince("s1", 0));
        assertEquals(false, bob.delete("s1"));
        assertEquals(List.of(), bob.deleteBefore(Instant.now().plusSeconds(60)));
        bob.create(Session.fresh("s1"));
        assertEquals(1, ann.messages("s1").size());
        assertEquals(List.of(new SessionDatabase.Outdated(new SessionOwner("acme", "ann"), "s1")), database().expired(Instant.now()));
    }

    /** What an older program made is brought up to date, with its sessions; each migration can be run twice. */
    @Test
    void migrationsAddToWhatIsThere() throws Exception {
        for (int round = 0; round < 2; round++) {
            execute(migration("V1__sessions.sql"));
        }
        execute("INSERT INTO session (owner_org, owner_user, session_id, version, view_version, message_count, next_seq, created_at, updated_at, cost_data, open_tool_calls,"
                + " pending_subagent_calls, compaction_state) VALUES ('', '', 'old', 1, 1, 0, 0, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, '{}', '[]', '[]', '{}')");
        assertEquals(1, store().load("old").orElseThrow().version());
        store().edit("old", OptionalLong.of(1), locked -> SessionEdit.of(locked.session().expiring(Optional.of(Instant.EPOCH))).note(new LedgerEntry(LedgerEntry.Kind.REQUEST, "k", Map.of())));
        execute(migration("V1__sessions.sql"), migration("V2__once_and_expiry.sql"));
        assertEquals(List.of("old"), store().expired(Instant.now()));
    }

    @Test
    void aNewerSchemaIsRefused() throws Exception {
        store().create(Session.fresh("s1"));
        database().close();
        execute("INSERT INTO \"flyway_schema_history\" (\"installed_rank\", \"version\", \"description\", \"type\", \"script\", \"installed_by\", \"installed_on\","
                + " \"execution_time\", \"success\") VALUES (99, '99', 'later', 'SQL', 'V99__later.sql', 'a newer program', CURRENT_TIMESTAMP, 0, TRUE)");
        try (SessionDatabase newer = another()) {
            SessionStore store = newer.sessions(SessionOwner.LOCAL);
            String message = assertThrows(MalformedDataException.class, () -> store.load("s1")).getMessage();
            assertTrue(message.contains("schema 99") && message.contains("a newer one wrote it"), message);
        }
    }

    @Test
    void twoProgramsWriteOneDatabase() throws Exception {
        try (SessionDatabase other = another()) {
            store().create(Session.fresh("s1"));
            Session read = other.sessions(SessionOwner.LOCAL).load("s1").orElseThrow();
            store().save(read, List.of(Message.user("first")));
            assertThrows(VersionConflictException.class, () -> other.sessions(SessionOwner.LOCAL).save(read, List.of(Message.user("second"))));
            assertEquals(1, other.sessions(SessionOwner.LOCAL).messages("s1").size());
        }
    }
}
