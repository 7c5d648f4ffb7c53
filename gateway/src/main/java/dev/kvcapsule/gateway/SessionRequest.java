package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.fields.Fields;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.Branch;
import dev.kvcapsule.sessions.store.LedgerEntry;
import dev.kvcapsule.sessions.store.LockedSession;
import dev.kvcapsule.sessions.store.NoSuchSessionException;
import dev.kvcapsule.sessions.store.SessionEdit;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.sessions.store.VersionConflictException;
import io.vertx.core.buffer.Buffer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;

/** A request that changes one session: the version that it names, and the key that makes it happen once. */
final class SessionRequest {
    private static final String DIGEST = "digest";
    private static final String ANSWER = "answer";

    private final Exchange exchange;
    private final SessionStore store;
    private final String id;
    private final Fields body;
    private final OptionalLong version;
    private final Optional<String> key;
    private final String digest;

    /** @param verb what is to happen; with the body it makes a request the same as another one */
    SessionRequest(Exchange exchange, SessionStore store, String id, String verb, Buffer raw) throws MalformedDataException {
        this.exchange = exchange;
        this.store = store;
        this.id = id;
        this.body = new Fields(raw.length() == 0 ? Map.of() : Json.readObject(raw.toString()), "body");
        this.version = version(exchange.request().getHeader("If-Match"));
        this.key = key(exchange.request().getHeader("Idempotency-Key"));
        this.digest = digest(verb, raw);
    }

    private static OptionalLong version(String match) {
        if (match == null || match.equals("*")) {
            return OptionalLong.empty();
        }
        if (!match.matches("\"[0-9]{1,18}\"")) {
            throw new RequestException(400, "usage", "If-Match takes an ETag of a session");
        }
        return OptionalLong.of(Long.parseLong(match.substring(1, match.length() - 1)));
    }

    private static Optional<String> key(String text) {
        if (text != null && !text.matches("[\\x20-\\x7e]{1,256}")) {
            throw new RequestException(400, "usage", "an Idempotency-Key is 1 to 256 characters of printable ASCII");
        }
        return Optional.ofNullable(text);
    }

    private static String digest(String verb, Buffer raw) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            sha256.update(verb.getBytes(StandardCharsets.UTF_8));
            sha256.update((byte) 0);
            return HexFormat.of().formatHex(sha256.digest(raw.getBytes()));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }

    static String etag(Session session) {
        return "\"" + session.version() + "\"";
    }

    String id() {
        return id;
    }

    SessionStore store() {
        return store;
    }

    Fields body() {
        return body;
    }

    /** What was answered to the same request before. */
    private Optional<Map<String, Object>> replay(LockedSession locked) throws IOException {
        Optional<LedgerEntry> entry = key.isEmpty() ? Optional.empty() : locked.ledger(LedgerEntry.Kind.REQUEST, key.get());
        if (entry.isEmpty()) {
            return Optional.empty();
        }
        if (!digest.equals(entry.get().value().get(DIGEST))) {
            throw new RequestException(422, "idempotency-key", "another request has used that Idempotency-Key");
        }
        return Optional.of(answerOf(entry.get()));
    }

    @SuppressWarnings("unchecked") // as it was noted
    private static Map<String, Object> answerOf(LedgerEntry entry) {
        return (Map<String, Object>) entry.value().get(ANSWER);
    }

    private Optional<LedgerEntry> entry(Map<String, Object> answer) {
        return key.map(name -> {
            Map<String, Object> value = new LinkedHashMap<>();
            value.put(DIGEST, digest);
            value.put(ANSWER, answer);
            return new LedgerEntry(LedgerEntry.Kind.REQUEST, name, value);
        });
    }

    /** As it is now. */
    void requireVersion() throws IOException {
        requireVersion(store.load(id).orElseThrow(() -> new NoSuchSessionException(id)));
    }

    /** Not the store's own check: a request that happened before is answered as it was, whatever the version is now. */
    private void requireVersion(Session session) throws VersionConflictException {
        if (version.isPresent() && version.getAsLong() != session.version()) {
            throw new VersionConflictException(id, version.getAsLong(), session.version());
        }
    }

    /** Changes the session, and answers with its row and more. */
    void change(Map<String, Object> more, SessionStore.Edit edit) throws IOException {
        change(after -> more, edit);
    }

    /** The same, where what is answered depends on what becomes of the session. */
    void change(Function<Session, Map<String, Object>> more, SessionStore.Edit edit) throws IOException {
        AtomicReference<Optional<Map<String, Object>>> replayed = new AtomicReference<>(Optional.empty());
        AtomicReference<Map<String, Object>> fresh = new AtomicReference<>(Map.of());
        Session after = store.edit(id, OptionalLong.empty(), locked -> {
            replayed.set(replay(locked));
            if (replayed.get().isPresent()) {
                return SessionEdit.of(locked.session());
            }
            requireVersion(locked.session());
            SessionEdit change = edit.of(locked);
            fresh.set(more.apply(change.session()));
            Optional<LedgerEntry> entry = entry(fresh.get());
            return entry.isEmpty() ? change : change.note(entry.get());
        });
        if (replayed.get().isPresent()) {
            exchange.response().putHeader("Idempotency-Replayed", "true");
        }
        Map<String, Object> answer = after.toMap();
        answer.putAll(replayed.get().orElse(fresh.get()));
        exchange.response().putHeader("ETag", etag(after));
        answer(200, answer);
    }

    /**
     * What was answered to the same request before, for work that is no single change of the row; empty if it is new.
     *
     * @throws RequestException if another request has used its key
     */
    Optional<Map<String, Object>> before() throws IOException {
        AtomicReference<Optional<Map<String, Object>>> replayed = new AtomicReference<>(Optional.empty());
        store.edit(id, OptionalLong.empty(), locked -> {
            replayed.set(replay(locked));
            return SessionEdit.of(locked.session());
        });
        if (replayed.get().isPresent()) {
            exchange.response().putHeader("Idempotency-Replayed", "true");
        }
        return replayed.get();
    }

    /** Notes what is answered, if the request has a key. */
    void done(Map<String, Object> answer) throws IOException {
        Optional<LedgerEntry> entry = entry(answer);
        if (entry.isPresent()) {
            store.edit(id, OptionalLong.empty(), locked -> SessionEdit.of(locked.session()).note(entry.get()));
        }
    }

    /** Takes messages away. */
    void revert(String to) throws IOException {
        change(Map.of(), locked -> SessionStore.reverted(locked, to));
    }

    /** Makes another session of this one. */
    void fork(Optional<String> at, String newId) throws IOException {
        AtomicReference<String> replayed = new AtomicReference<>();
        Session child;
        try {
            child = store.branch(id, locked -> {
                Optional<Map<String, Object>> before = replay(locked);
                if (before.isPresent()) {
                    replayed.set((String) before.get().get("session_id"));
                    throw new ReplayedException();
                }
                requireVersion(locked.session());
                Branch branch = SessionStore.forked(locked, at, newId);
                Optional<LedgerEntry> entry = entry(Map.of("session_id", newId));
                return entry.isEmpty() ? branch : branch.note(entry.get());
            });
        } catch (ReplayedException e) {
            exchange.response().putHeader("Idempotency-Replayed", "true");
            child = store.load(replayed.get()).orElseThrow(() -> new NoSuchSessionException(replayed.get()));
        }
        exchange.response().putHeader("ETag", etag(child));
        answer(201, child.toMap());
    }

    /** Ends a transaction that has nothing to do. */
    private static final class ReplayedException extends IOException {
        private static final long serialVersionUID = 1L;
    }

    void answer(int status, Map<String, Object> answer) {
        exchange.answer(status, "application/json", Buffer.buffer(Json.line(answer)));
    }
}
