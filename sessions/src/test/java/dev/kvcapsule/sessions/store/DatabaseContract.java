package dev.kvcapsule.sessions.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.row.CompactionMarker;
import dev.kvcapsule.sessions.row.CostData;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.MessageKind;
import dev.kvcapsule.sessions.row.Role;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import dev.kvcapsule.sessions.store.jdbc.SessionPurges;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What databases promise beside the contract of all stores: owners, and a schema that grows. */
abstract class DatabaseContract extends SessionStoreContract {
    abstract SessionDatabase database();

    /** Of the same database, as another program has it. */
    abstract SessionDatabase another() throws IOException;

    /** Opens the database again, after it has been closed. */
    abstract void reopen() throws Exception;

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
        assertEquals(List.of(new SessionDatabase.Outdated(new SessionOwner("acme", "ann"), "s1")), database().outdated(Instant.now(), Optional.empty()));
    }

    /** A removal that has begun and not ended, as where another program is to end it, means the capsules that were there when it began. */
    @Test
    void whatIsSealedForAnotherSessionOfTheNameIsNotRevokedWithTheFirst() throws IOException {
        SessionOwner ann = new SessionOwner("acme", "ann");
        SessionPurges purges = database().purges();
        Instant later = Instant.now().plusSeconds(3600);
        String first = "a".repeat(32);
        String second = "b".repeat(32);
        purges.sealed(ann, "s1", first, later);
        purges.sealed(ann, "s2", "c".repeat(32), later);
        purges.begin(ann, "s1");
        purges.sealed(ann, "s1", second, later);
        assertEquals(Set.of(first), purges.begun(ann, "s1").getFirst().capsules());
        assertEquals(List.of(), purges.begun(new SessionOwner("acme", "bob"), "s1"));
        purges.end(purges.begun().getFirst());
        assertEquals(List.of(), purges.begun());
        purges.begin(ann, "s1");
        assertEquals(Set.of(second), purges.begun(ann, "s1").getFirst().capsules(), "its own removal revokes it");
    }

    /** What an older program made is brought up to date, with its sessions; each migration can be run twice. */
    @Test
    void migrationsAddToWhatIsThere() throws Exception {
        for (int round = 0; round < 2; round++) {
            execute(migration("V1__sessions.sql"));
        }
        execute("INSERT INTO session (owner_org, owner_user, session_id, version, view_version, message_count, next_seq, created_at, updated_at, cost_data, open_tool_calls,"
                + " pending_subagent_calls, compaction_state) VALUES ('', '', 'old', 1, 1, 1, 1, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, '{}', '[]', '[]', '{}')");
        execute("INSERT INTO message (session_key, seq, message_id, row_version, role, body) SELECT session_key, 0, '01KB0000000000000000000000', 1, 'user',"
                + " '{\"id\":\"01KB0000000000000000000000\",\"role\":\"user\",\"content\":\"of old\",\"created_at\":\"2026-11-22T12:00:00Z\"}' FROM session");
        assertEquals(1, store().load("old").orElseThrow().version());
        assertEquals("of old", store().messages("old").getFirst().content());
        store().edit("old", OptionalLong.of(1), locked -> SessionEdit.of(locked.session().expiring(Optional.of(Instant.EPOCH))).note(new LedgerEntry(LedgerEntry.Kind.REQUEST, "k", Map.of())));
        execute(migration("V1__sessions.sql"), migration("V2__once_and_expiry.sql"), migration("V3__segments.sql"));
        assertEquals(List.of("old"), store().expired(Instant.now()));
        assertEquals(1, store().messages("old").size());
        requireNothingUnseen();
    }

    private long number(String query) throws Exception {
        try (Connection connection = DriverManager.getConnection(address()); Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(query)) {
            row.next();
            return row.getLong(1);
        }
    }

    /** No message is kept that no session sees: what was deleted or taken away is gone, whoever shared it before. */
    private void requireNothingUnseen() throws Exception {
        database().close();
        assertEquals(0, number("SELECT COUNT(*) FROM segment_message m WHERE NOT EXISTS (SELECT 1 FROM session_segment s WHERE s.segment_key = m.segment_key AND m.seq <= s.last_seq)"));
        assertEquals(0, number("SELECT COUNT(*) FROM segment g WHERE NOT EXISTS (SELECT 1 FROM session_segment s WHERE s.segment_key = g.segment_key)"));
        assertEquals(0, number("SELECT COUNT(*) FROM message"));
        reopen();
    }

    /** A fork writes no messages, and no message is copied until one of the two changes it; then no more than what is behind the change. */
    @Test
    void aForkSharesItsMessagesUntilTheyDiffer() throws Exception {
        Session session = store().create(Session.fresh("s1"));
        List<Message> all = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            all.add(Message.user("message " + i));
        }
        store().save(session, all);
        store().fork("s1", Optional.empty(), "a");
        store().fork("s1", Optional.of(all.get(499).id()), "b");
        store().fork("a", Optional.empty(), "c");
        assertEquals(all, store().messages("c"));
        assertEquals(all.subList(0, 500), store().messages("b"));
        database().close();
        assertEquals(1000, number("SELECT COUNT(*) FROM segment_message"), "shared by four");
        reopen();
        Message more = Message.user("b's own");
        store().edit("b", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).append(List.of(more)));
        store().edit("a", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).resolve(new Message(all.get(998).id(), all.get(998).role(), all.get(998).kind(), "a's", List.of(),
                Optional.empty(), OptionalLong.empty(), Optional.empty(), all.get(998).createdAt())));
        assertThrows(IllegalArgumentException.class, () -> store().edit("b", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).append(List.of(all.get(3)))), "ids are set once");
        database().close();
        assertEquals(1003, number("SELECT COUNT(*) FROM segment_message"), "one of b's, two of a's");
        reopen();
        assertEquals(all, store().messages("s1"));
        assertEquals("a's", store().messages("a").get(998).content());
        assertTrue(store().delete("s1"));
        assertEquals(all, store().messages("c"), "a parent's end is not its child's");
        assertTrue(store().delete("c"));
        requireNothingUnseen();
        assertEquals(1000, store().messages("a").size());
        assertTrue(store().delete("a"));
        requireNothingUnseen();
        database().close();
        assertEquals(501, number("SELECT COUNT(*) FROM segment_message"), "what only those had seen that are gone is gone");
        reopen();
        assertEquals(all.subList(0, 500), store().messages("b").subList(0, 500));
        assertTrue(store().delete("b"));
        database().close();
        assertEquals(0, number("SELECT COUNT(*) FROM segment_message"));
        reopen();
    }

    /** Trees of forks, changed at random: every session is what it is in a store that shares nothing, and readers that know a version learn what has changed. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void treesOfForksAreThoseOfAStoreThatSharesNothing(long seed) throws Exception {
        Random random = new Random(seed);
        SessionStore model = new MemorySessionStore();
        Map<String, List<Message>> readers = new HashMap<>();
        Map<String, Long> known = new HashMap<>();
        List<String> ids = new ArrayList<>(List.of("s0"));
        for (SessionStore one : List.of(model, store())) {
            one.create(Session.fresh("s0"));
        }
        for (int step = 0; step < 150; step++) {
            String id = ids.get(random.nextInt(ids.size()));
            List<Message> view = model.messages(id);
            int at = view.isEmpty() ? 0 : random.nextInt(view.size());
            int kind = random.nextInt(10);
            String newId = "s" + (step + 1);
            List<Message> added = new ArrayList<>();
            for (int i = 0; i <= random.nextInt(6); i++) {
                added.add(Message.user(step + "." + i));
            }
            Message summary = Message.summary("sum " + step, new CompactionMarker("sum", Optional.empty(), List.of(), Optional.empty(), 0, List.of(), Instant.EPOCH));
            List<String> gone = view.stream().skip(at).filter(message -> random.nextInt(4) > 0).map(Message::id).toList();
            for (SessionStore one : List.of(model, store())) {
                if (view.isEmpty() || kind < 4) {
                    one.edit(id, OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).append(added));
                } else if (kind < 6) {
                    one.fork(id, at % 3 == 0 ? Optional.empty() : Optional.of(view.get(at).id()), newId);
                } else if (kind == 6) {
                    one.revert(id, OptionalLong.empty(), view.get(at).id());
                } else if (kind == 7 && !gone.isEmpty()) {
                    one.edit(id, OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).remove(gone, gone.size() % 3 == 0 ? Optional.empty() : Optional.of(summary)).append(added));
                } else if (kind == 8) {
                    one.edit(id, OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).resolve(new Message(view.get(at).id(), Role.USER, MessageKind.PLAIN, "resolved in step " + newId,
                            List.of(), Optional.empty(), OptionalLong.empty(), Optional.empty(), view.get(at).createdAt())));
                } else if (kind == 9 && ids.size() > 1) {
                    one.delete(id);
                }
            }
            if (!model.exists(id)) {
                ids.remove(id);
                known.remove(id);
            }
            if (model.exists(newId)) {
                ids.add(newId);
            }
            for (String seen : ids) {
                assertEquals(model.messages(seen), store().messages(seen), "step " + step);
                assertEquals(model.load(seen).orElseThrow().messageCount(), store().load(seen).orElseThrow().messageCount());
                catchUp(seen, readers, known);
                assertEquals(model.messages(seen), readers.get(seen), "a reader of " + seen + " behind step " + step);
            }
            if (step % 50 == 49) {
                requireNothingUnseen();
            }
        }
    }

    private void catchUp(String id, Map<String, List<Message>> readers, Map<String, Long> known) throws IOException {
        SessionStore.Changes changes = store().changesSince(id, known.getOrDefault(id, 0L));
        if (changes.isWhole() || !known.containsKey(id)) {
            readers.put(id, new ArrayList<>(changes.messages()));
        } else {
            List<Message> view = readers.get(id);
            for (Message message : changes.messages()) {
                int there = 0;
                while (there < view.size() && !view.get(there).id().equals(message.id())) {
                    there++;
                }
                if (there < view.size()) {
                    view.set(there, message);
                } else {
                    view.add(message);
                }
            }
        }
        known.put(id, changes.session().version());
    }

    /** Forks, deletions and changes of a family by many at once: nothing waits for ever, and nothing unseen stays. */
    @Test
    void aFamilyIsForkedAndDeletedByManyAtOnce() throws Exception {
        Session session = store().create(Session.fresh("root"));
        List<Message> all = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            all.add(Message.user("m" + i));
        }
        store().save(session, all);
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Void>> done = new ArrayList<>();
            for (int thread = 0; thread < 8; thread++) {
                int number = thread;
                done.add(threads.submit(() -> {
                    for (int round = 0; round < 5; round++) {
                        String child = "c" + number + "." + round;
                        store().fork("root", Optional.of(all.get(10 + number).id()), child);
                        store().edit("root", OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).append(List.of(Message.user("more"))));
                        store().fork(child, Optional.empty(), child + "x");
                        store().revert(child, OptionalLong.empty(), all.get(5).id());
                        store().delete(child);
                        assertEquals(11 + number, store().messages(child + "x").size());
                        if (round % 2 == 0) {
                            store().delete(child + "x");
                        }
                    }
                    return null;
                }));
            }
            for (Future<Void> one : done) {
                one.get();
            }
        }
        assertEquals(60, store().messages("root").size());
        requireNothingUnseen();
        store().deleteBefore(Instant.now().plusSeconds(60));
        database().close();
        assertEquals(0, number("SELECT COUNT(*) FROM segment_message"));
        reopen();
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
