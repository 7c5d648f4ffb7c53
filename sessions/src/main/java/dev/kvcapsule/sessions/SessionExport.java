package dev.kvcapsule.sessions;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.store.NoSuchSessionException;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.sessions.store.Trace;
import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;

/** A session as JSON Lines: its row, then the messages of its view, then its history. Each line says by {@code type} what it is. */
public final class SessionExport {
    private SessionExport() {}

    /** Takes a line. */
    public interface Lines {
        /** @param json without an end of line */
        void add(String json) throws IOException;
    }

    /**
     * Writes one.
     *
     * @throws NoSuchSessionException if there is none
     */
    public static void write(SessionStore store, String id, Lines lines) throws IOException {
        SessionStore.Changes all = store.changesSince(id, 0);
        lines.add(line("session", all.session().toMap()));
        for (Message message : all.messages()) {
            lines.add(line("message", message.toMap()));
        }
        for (Trace trace : store.traces().list(id)) {
            lines.add(line("trace", trace.toMap()));
        }
    }

    private static String line(String type, Map<String, Object> fields) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", type);
        map.putAll(fields);
        return Json.line(map);
    }
}
