package dev.kvcapsule.gateway;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** Listens to an answer that passes through, for the timings that llama-server puts at its end. Keeps the last part of it only. */
final class TimingsTap {
    private static final int KEPT = 64 << 10;
    private static final String FIELD = "\"timings\":";

    private Buffer tail = Buffer.buffer();

    void add(Buffer piece) {
        tail.appendBuffer(piece);
        if (tail.length() > 2 * KEPT) {
            tail = tail.getBuffer(tail.length() - KEPT, tail.length());
        }
    }

    /** The last timings; empty if there are none. */
    Optional<LlamaServer.Evaluation> timings() {
        String text = tail.toString(StandardCharsets.ISO_8859_1);
        int field = text.lastIndexOf(FIELD);
        int open = field < 0 ? -1 : text.indexOf('{', field);
        // Timings are numbers only: the next brace closes them.
        int close = open < 0 ? -1 : text.indexOf('}', open);
        if (close < 0) {
            return Optional.empty();
        }
        try {
            JsonObject timings = new JsonObject(text.substring(open, close + 1));
            if (timings.getValue("prompt_n") instanceof Number evaluated && timings.getValue("cache_n") instanceof Number reused
                    && timings.getValue("prompt_ms") instanceof Number millis) {
                return Optional.of(new LlamaServer.Evaluation(evaluated.longValue(), reused.longValue(), millis.doubleValue() / 1000));
            }
        } catch (DecodeException e) {
            // Text of the model's that looked like timings.
        }
        return Optional.empty();
    }
}
