package dev.kvcapsule.sessions.store;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.Session;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A change of a session, as one step.
 *
 * @param session the row as it is to be; counters are the store's business
 * @param appended messages behind those that are there
 * @param resolved messages that are there, with other content
 * @param removal messages that go
 * @param ledger what is noted with it
 * @param traces what its history says beside the messages
 */
public record SessionEdit(Session session, List<Message> appended, List<Message> resolved, Optional<Removal> removal, List<LedgerEntry> ledger, List<Trace> traces) {
    /**
     * Messages that go.
     *
     * @param ids in order
     * @param summary what comes in the place of the first; empty for nothing
     */
    public record Removal(List<String> ids, Optional<Message> summary) {}

    /** A change of the row only. */
    public static SessionEdit of(Session session) {
        return new SessionEdit(session, List.of(), List.of(), Optional.empty(), List.of(), List.of());
    }

    /** With another row. */
    public SessionEdit with(Session row) {
        return new SessionEdit(row, appended, resolved, removal, ledger, traces);
    }

    /** With these messages behind the others. */
    public SessionEdit append(List<Message> messages) {
        return new SessionEdit(session, List.copyOf(messages), resolved, removal, ledger, traces);
    }

    /** With this message in the place of the one of its id. */
    public SessionEdit resolve(Message message) {
        return new SessionEdit(session, appended, List.of(message), removal, ledger, traces);
    }

    /** Without these messages. */
    public SessionEdit remove(List<String> ids, Optional<Message> summary) {
        return new SessionEdit(session, appended, resolved, Optional.of(new Removal(List.copyOf(ids), summary)), ledger, traces);
    }

    /** With that noted. */
    public SessionEdit note(LedgerEntry entry) {
        List<LedgerEntry> all = new ArrayList<>(ledger);
        all.add(entry);
        return new SessionEdit(session, appended, resolved, removal, List.copyOf(all), traces);
    }

    /** With that in its history. */
    public SessionEdit trace(String kind, Map<String, Object> payload) {
        List<Trace> all = new ArrayList<>(traces);
        all.add(Trace.of(session.id(), kind, payload));
        return new SessionEdit(session, appended, resolved, removal, ledger, List.copyOf(all));
    }

    /** Whether it leaves a session as it is: then nothing is written, and its version stays. */
    public boolean isNothing(Session before) {
        return session.equals(before) && appended.isEmpty() && resolved.isEmpty() && removal.isEmpty() && ledger.isEmpty() && traces.isEmpty();
    }

    /** All that its history is to say, in order. */
    public List<Trace> history() {
        List<Trace> all = new ArrayList<>();
        for (Message message : appended) {
            all.add(Trace.of(session.id(), Trace.MESSAGE, message.toMap()));
        }
        for (Message message : resolved) {
            all.add(Trace.of(session.id(), Trace.RESOLVED, message.toMap()));
        }
        removal.ifPresent(gone -> {
            gone.summary().ifPresent(message -> all.add(Trace.of(session.id(), Trace.MESSAGE, message.toMap())));
            all.add(Trace.of(session.id(), Trace.REMOVED, Map.of("message_ids", gone.ids())));
        });
        all.addAll(traces);
        return all;
    }
}
