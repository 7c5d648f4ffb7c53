package dev.kvcapsule.sessions.store.jdbc;

import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.store.SessionEdit;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;

/**
 * The messages that one session sees, in one transaction. They lie in segments, in the order of their numbers; all but the last one may be others', too, and are never written to: a
 * change there makes what comes behind it this session's own, without what the change takes away. Every row of a segment is seen by some session; what none sees any more goes.
 * Whoever changes something holds the lock of the session's row, and takes those of segments behind it, in order.
 */
final class MessageSegments {
    private static final long OWN = Long.MAX_VALUE;
    private static final String DUPLICATE = "23505";

    /**
     * What a session sees of one segment.
     *
     * @param first number of a message that may be in it
     * @param last number that is seen; {@link #OWN} of the session's own
     * @param asVersion the session's version since which it has seen all of it; empty where each row's own is the session's
     */
    private record Part(long segment, long first, long last, OptionalLong asVersion) {}

    /** A message and its number. */
    private record Changed(long seq, Message message) {}

    /** A message's place. */
    private record Place(Part part, long seq, String id) {}

    private final Transaction tx;
    private final long session;
    private List<Part> parts;

    /** @param session the key of its row */
    MessageSegments(Transaction tx, long session) {
        this.tx = tx;
        this.session = session;
    }

    /** In order; the session's own, if it has one, is the last. */
    private List<Part> parts() throws SQLException {
        if (parts == null) {
            List<Part> found = new ArrayList<>();
            for (Part part : tx.list("SELECT segment_key, last_seq, as_version FROM session_segment WHERE session_key = ? ORDER BY last_seq", MessageSegments::part, session)) {
                found.add(new Part(part.segment, found.isEmpty() ? 0 : found.getLast().last + 1, part.last, part.asVersion));
            }
            parts = found;
        }
        return parts;
    }

    private static Part part(ResultSet row) throws SQLException {
        long version = row.getLong(3);
        OptionalLong asVersion = row.wasNull() ? OptionalLong.empty() : OptionalLong.of(version);
        return new Part(row.getLong(1), 0, row.getLong(2), asVersion);
    }

    /** All messages, in order. */
    List<Message> all() throws SQLException {
        List<Message> all = new ArrayList<>();
        for (Part part : parts()) {
            all.addAll(tx.list("SELECT body FROM segment_message WHERE segment_key = ? AND seq <= ? ORDER BY seq", JdbcSessionStore::message, part.segment, part.last));
        }
        return all;
    }

    /** New ones and resolved ones since a version, in order. */
    List<Message> since(long version) throws SQLException {
        List<Message> changed = new ArrayList<>();
        for (Part part : parts()) {
            if (part.asVersion.isEmpty()) {
                // Sorted here: asked to sort, a database may rather read all of the segment in that order.
                tx.list("SELECT seq, body FROM segment_message WHERE segment_key = ? AND row_version > ?", row -> new Changed(row.getLong(1), JdbcSessionStore.message(row)), part.segment, version)
                        .stream().filter(one -> one.seq <= part.last).sorted(Comparator.comparingLong(Changed::seq)).forEach(one -> changed.add(one.message));
            } else if (part.asVersion.getAsLong() > version) {
                changed.addAll(tx.list("SELECT body FROM segment_message WHERE segment_key = ? AND seq <= ? ORDER BY seq", JdbcSessionStore::message, part.segment, part.last));
            }
        }
        return changed;
    }

    private Optional<Place> find(String id) throws SQLException {
        for (Part part : parts().reversed()) {
            Optional<Long> seq = tx.one("SELECT seq FROM segment_message WHERE segment_key = ? AND message_id = ? AND seq <= ?", row -> row.getLong(1), part.segment, id, part.last);
            if (seq.isPresent()) {
                return Optional.of(new Place(part, seq.get(), id));
            }
        }
        return Optional.empty();
    }

    /** The number of a message; empty if the session does not see it. */
    Optional<Long> seq(String id) throws SQLException {
        return find(id).map(Place::seq);
    }

    Optional<Message> message(String id) throws SQLException {
        Optional<Place> place = find(id);
        return place.isEmpty() ? Optional.empty()
                : tx.one("SELECT body FROM segment_message WHERE segment_key = ? AND seq = ?", JdbcSessionStore::message, place.get().part.segment, place.get().seq);
    }

    Optional<Message> last() throws SQLException {
        for (Part part : parts().reversed()) {
            Optional<Message> found = tx.one("SELECT body FROM segment_message WHERE segment_key = ? AND seq <= ? ORDER BY seq DESC LIMIT 1", JdbcSessionStore::message, part.segment, part.last);
            if (found.isPresent()) {
                return found;
            }
        }
        return Optional.empty();
    }

    Optional<Message> after(String id) throws SQLException {
        Optional<Place> place = find(id);
        for (Part part : place.isEmpty() ? List.<Part>of() : parts()) {
            Optional<Message> found = tx.one("SELECT body FROM segment_message WHERE segment_key = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT 1", JdbcSessionStore::message, part.segment,
                    place.get().seq, part.last);
            if (found.isPresent()) {
                return found;
            }
        }
        return Optional.empty();
    }

    List<String> idsAfter(String id) throws SQLException {
        Optional<Place> place = find(id);
        return place.isEmpty() ? List.of() : placesFrom(place.get().seq + 1).stream().map(Place::id).toList();
    }

    private List<Place> placesFrom(long seq) throws SQLException {
        List<Place> places = new ArrayList<>();
        for (Part part : parts()) {
            if (part.last >= seq) {
                places.addAll(tx.list("SELECT seq, message_id FROM segment_message WHERE segment_key = ? AND seq >= ? AND seq <= ? ORDER BY seq",
                        row -> new Place(part, row.getLong(1), row.getString(2)), part.segment, seq, part.last));
            }
        }
        return places;
    }

    /** How many messages there are up to a number. */
    long count(long seq) throws SQLException {
        long count = 0;
        for (Part part : parts()) {
            count += tx.one("SELECT COUNT(*) FROM segment_message WHERE segment_key = ? AND seq <= ?", row -> row.getLong(1), part.segment, Math.min(seq, part.last)).orElseThrow();
        }
        return count;
    }

    /** Adds messages behind the others. @param seq of the first. @throws IllegalArgumentException if one of their ids is there already */
    void append(long seq, long version, List<Message> messages) throws SQLException {
        if (messages.isEmpty()) {
            return;
        }
        long own = own();
        if (parts().size() > 1) {
            for (Message message : messages) {
                if (find(message.id()).isPresent()) {
                    throw duplicate();
                }
            }
        }
        List<Object[]> rows = new ArrayList<>();
        for (Message message : messages) {
            rows.add(row(own, seq + rows.size(), version, message));
        }
        insert(rows);
    }

    private static Object[] row(long segment, long seq, long version, Message message) {
        return new Object[] {segment, seq, message.id(), version, message.role().label(), Json.line(message.toMap())};
    }

    private void insert(List<Object[]> rows) throws SQLException {
        try {
            tx.updateAll("INSERT INTO segment_message (segment_key, seq, message_id, row_version, role, body) VALUES (?, ?, ?, ?, ?, ?)", rows);
        } catch (SQLException e) {
            if (DUPLICATE.equals(e.getSQLState())) {
                throw duplicate();
            }
            throw e;
        }
    }

    private static IllegalArgumentException duplicate() {
        return new IllegalArgumentException("a message of one of these ids is there already");
    }

    /** The segment that this session alone appends to: made, or taken back if nobody else sees it any more. */
    private long own() throws SQLException {
        if (!parts().isEmpty()) {
            Part last = parts().getLast();
            if (last.last == OWN) {
                return last.segment;
            }
            if (last.asVersion.isEmpty() && tx.one("SELECT COUNT(*) FROM session_segment WHERE segment_key = ?", row -> row.getLong(1), last.segment).orElseThrow() == 1) {
                see(last.segment, OWN);
                return last.segment;
            }
        }
        return made();
    }

    private long made() throws SQLException {
        long made = tx.insert("INSERT INTO segment (created_at) VALUES (?)", "segment_key", Instant.now());
        tx.update("INSERT INTO session_segment (session_key, segment_key, last_seq) VALUES (?, ?, ?)", session, made, OWN);
        parts = null;
        return made;
    }

    private void see(long segment, long last) throws SQLException {
        tx.update("UPDATE session_segment SET last_seq = ? WHERE session_key = ? AND segment_key = ?", last, session, segment);
        parts = null;
    }

    /** Gives a message other content. @throws IllegalArgumentException if there is none of its id */
    void resolve(long version, Message message) throws SQLException {
        Place place = find(message.id()).orElseThrow(() -> missing(message.id()));
        if (place.part.last != OWN) {
            detach(place.seq, Set.of());
        }
        tx.update("UPDATE segment_message SET body = ?, row_version = ? WHERE segment_key = ? AND seq = ?", Json.line(message.toMap()), version, own(), place.seq);
    }

    private static IllegalArgumentException missing(String id) {
        return new IllegalArgumentException("there is no message " + id);
    }

    /** Takes messages away. @return by how many the view becomes shorter. @throws IllegalArgumentException if one of them is not there */
    long remove(long version, SessionEdit.Removal removal) throws SQLException {
        if (removal.ids().isEmpty()) {
            return 0;
        }
        String one = removal.ids().getFirst();
        long first = find(one).orElseThrow(() -> missing(one)).seq;
        detach(first, new HashSet<>(removal.ids()));
        if (removal.summary().isPresent()) {
            insert(List.<Object[]>of(row(own(), first, version, removal.summary().get())));
        }
        return removal.ids().size() - (removal.summary().isPresent() ? 1 : 0);
    }

    /** Makes everything from a number on this session's own, except what goes. */
    private void detach(long from, Set<String> gone) throws SQLException {
        List<Part> before = List.copyOf(parts());
        List<Place> places = placesFrom(from);
        long found = places.stream().filter(place -> gone.contains(place.id)).count();
        if (found != gone.size()) {
            throw new IllegalArgumentException("one of the messages that are to go is not there, or not behind the first of them");
        }
        lock(before);
        Set<Long> affected = new TreeSet<>();
        List<Part> shared = before.stream().filter(part -> part.last != OWN && part.last >= from).toList();
        boolean copies = places.stream().anyMatch(place -> place.part.last != OWN && !gone.contains(place.id));
        // Not taken back from those that are let go of below.
        long own = before.getLast().last == OWN ? before.getLast().segment : copies ? made() : -1;
        for (int start = 0; start < places.size(); ) {
            Place place = places.get(start);
            boolean goes = gone.contains(place.id);
            int end = start + 1;
            while (end < places.size() && places.get(end).part.equals(place.part) && gone.contains(places.get(end).id) == goes) {
                end++;
            }
            long to = places.get(end - 1).seq;
            if (place.part.last == OWN && goes) {
                tx.update("DELETE FROM segment_message WHERE segment_key = ? AND seq BETWEEN ? AND ?", place.part.segment, place.seq, to);
            } else if (place.part.last != OWN && !goes) {
                copy(place.part, own, place.seq, to);
            }
            start = end;
        }
        for (Part part : shared) {
            if (part.first >= from) {
                tx.update("DELETE FROM session_segment WHERE session_key = ? AND segment_key = ?", session, part.segment);
            } else {
                see(part.segment, from - 1);
            }
            affected.add(part.segment);
        }
        parts = null;
        trim(tx, affected);
    }

    private void copy(Part part, long own, long from, long to) throws SQLException {
        String version = part.asVersion.isPresent() ? "CAST(" + part.asVersion.getAsLong() + " AS BIGINT)" : "row_version";
        tx.update("INSERT INTO segment_message (segment_key, seq, message_id, row_version, role, body) SELECT CAST(? AS BIGINT), seq, message_id, " + version
                + ", role, body FROM segment_message WHERE segment_key = ? AND seq BETWEEN ? AND ?", own, part.segment, from, to);
    }

    /**
     * Lets another session, which has no messages yet, see these up to a number.
     *
     * @param last the number; -1 for none
     * @param next the number of this session's next message
     */
    void share(long other, long last, long next) throws SQLException {
        List<Part> all = List.copyOf(parts());
        lock(all);
        for (Part part : all) {
            if (part.first > last) {
                break;
            }
            if (part.last == OWN) {
                // From now on nobody writes to it.
                see(part.segment, next - 1);
            }
            tx.update("INSERT INTO session_segment (session_key, segment_key, last_seq, as_version) VALUES (?, ?, ?, 1)", other, part.segment, Math.min(part.last, last));
        }
    }

    private void lock(List<Part> all) throws SQLException {
        lock(tx, new TreeSet<>(all.stream().map(Part::segment).toList()));
    }

    private static void lock(Transaction tx, Set<Long> segments) throws SQLException {
        for (long segment : segments) {
            tx.one("SELECT segment_key FROM segment WHERE segment_key = ? FOR UPDATE", row -> row.getLong(1), segment);
        }
    }

    /** Removes a session's row, and of its messages those that no other session sees. */
    static void delete(Transaction tx, long session) throws SQLException {
        Set<Long> segments = new TreeSet<>(tx.list("SELECT segment_key FROM session_segment WHERE session_key = ?", row -> row.getLong(1), session));
        lock(tx, segments);
        tx.update("DELETE FROM session WHERE session_key = ?", session);
        trim(tx, segments);
    }

    /** Removes what nobody sees any more. */
    private static void trim(Transaction tx, Set<Long> segments) throws SQLException {
        for (long segment : segments) {
            Optional<Long> last = tx.one("SELECT MAX(last_seq) FROM session_segment WHERE segment_key = ? HAVING COUNT(*) > 0", row -> row.getLong(1), segment);
            if (last.isEmpty()) {
                tx.update("DELETE FROM segment WHERE segment_key = ?", segment);
            } else if (last.get() != OWN) {
                tx.update("DELETE FROM segment_message WHERE segment_key = ? AND seq > ?", segment, last.get());
            }
        }
    }
}
