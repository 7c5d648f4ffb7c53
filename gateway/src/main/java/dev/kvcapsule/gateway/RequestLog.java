package dev.kvcapsule.gateway;

import io.vertx.core.json.JsonObject;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/**
 * One JSON object a line: what was asked, by whom, and what came of it. Never a token, a key, a header, a query or a body: nothing of what users and models say.
 */
final class RequestLog {
    private final PrintWriter out;

    /** @param out where lines go; shared with others */
    RequestLog(PrintWriter out) {
        this.out = out;
    }

    /** @param fields beside time and event, in order */
    void event(String event, JsonObject fields) {
        JsonObject line = new JsonObject().put("time", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString()).put("event", event);
        fields.forEach(field -> line.put(field.getKey(), field.getValue()));
        synchronized (out) {
            out.println(line.encode());
            out.flush();
        }
    }
}
