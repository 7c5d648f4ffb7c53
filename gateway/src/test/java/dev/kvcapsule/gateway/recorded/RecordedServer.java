package dev.kvcapsule.gateway.recorded;

import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Answers as a llama-server does, in the words of one that was recorded (build 10068): slots whose state goes to and from files, completions with timings, streams. A slot's
 * state is a real one; what it generates is not.
 */
public final class RecordedServer implements AutoCloseable {
    private static final byte[] EMPTY = new byte[0];

    private final Vertx vertx = Vertx.vertx();
    private final Path slotDir;
    private final byte[] state;
    private final List<byte[]> slots = new ArrayList<>();
    private final HttpServer http;

    /** Bodies of completions, as they arrived. */
    public final List<JsonObject> completions = new CopyOnWriteArrayList<>();
    /** Bodies of chat completions. */
    public final List<JsonObject> chats = new CopyOnWriteArrayList<>();
    /** Whether prompts of chats are too long for it. */
    public volatile boolean dumb;
    /** Numbers of slots that were erased. */
    public final List<Integer> erased = new CopyOnWriteArrayList<>();
    /** Answers that the other side cut off. */
    public final AtomicInteger cancelled = new AtomicInteger();
    /** Restores that were asked for. */
    public final AtomicInteger restores = new AtomicInteger();
    /** Headers of the last request that passed through. */
    public volatile String lastAuthorization;
    /** Pieces of a stream that were written. */
    public final AtomicInteger pieces = new AtomicInteger();
    /** Whether it evaluates everything anew, as a server does for a model with a sliding window. */
    public volatile boolean forgetful;
    /** What it was asked to do to slots and did not answer. */
    public final List<String> asked = new CopyOnWriteArrayList<>();
    /** Tokens that it evaluates although they are there, beside the last one. */
    public volatile int forgotten;
    /** What it refuses to do to a slot, such as {@code erase 0}. */
    public volatile String refused = "";
    /** What it does not answer, such as {@code save 0}; a save has written its file then, an erase has erased nothing. */
    public volatile String unanswered = "";

    /** @param state what a slot holds after a completion: a file of llama.cpp's */
    public RecordedServer(Path slotDir, int slotCount, byte[] state) {
        this.slotDir = slotDir;
        this.state = state;
        for (int i = 0; i < slotCount; i++) {
            slots.add(EMPTY);
        }
        http = vertx.createHttpServer().requestHandler(this::handle).listen(0, "127.0.0.1").toCompletionStage().toCompletableFuture().join();
    }

    public int port() {
        return http.actualPort();
    }

    /** The state of a slot; empty if it holds none. */
    public synchronized byte[] slot(int number) {
        return slots.get(number);
    }

    private synchronized void setSlot(int number, byte[] bytes) {
        slots.set(number, bytes);
    }

    private void handle(HttpServerRequest request) {
        lastAuthorization = request.getHeader("Authorization");
        request.body().onSuccess(body -> answer(request, body));
    }

    private void answer(HttpServerRequest request, Buffer body) {
        HttpServerResponse response = request.response();
        String path = request.path();
        if (path.equals("/health")) {
            json(response, 200, new JsonObject().put("status", "ok"));
        } else if (path.equals("/props")) {
            json(response, 200, new JsonObject().put("total_slots", slots.size()).put("default_generation_settings", new JsonObject().put("n_ctx", 4096)));
        } else if (path.startsWith("/slots/")) {
            slot(response, Integer.parseInt(path.substring("/slots/".length())), request.getParam("action"), new JsonObject(body).getString("filename"));
        } else if (path.equals("/completion")) {
            completion(response, new JsonObject(body));
        } else if (path.equals("/tokenize")) {
            JsonArray ids = new JsonArray();
            // Words stand for tokens.
            for (String word : new JsonObject(body).getString("content", "").split("\\s+")) {
                ids.add(word.hashCode() & 0xffff);
            }
            json(response, 200, new JsonObject().put("tokens", ids));
        } else if (path.equals("/apply-template")) {
            StringBuilder prompt = new StringBuilder();
            new JsonObject(body).getJsonArray("messages").forEach(one -> prompt.append(((JsonObject) one).getString("role")).append(" : ").append(((JsonObject) one).getString("content")).append('\n'));
            json(response, 200, new JsonObject().put("prompt", prompt.toString()));
        } else if (path.equals("/v1/chat/completions")) {
            chat(response, new JsonObject(body));
        } else {
            json(response, 404, new JsonObject().put("error", new JsonObject().put("code", 404).put("message", "File Not Found").put("type", "not_found_error")));
        }
    }

    private void slot(HttpServerResponse response, int number, String action, String filename) {
        JsonObject answer = new JsonObject().put("id_slot", number).put("filename", filename);
        String what = action + " " + number;
        if (what.equals(refused)) {
            json(response, 500, new JsonObject().put("error", new JsonObject().put("code", 500).put("message", "Unable to " + action + " slot")));
            return;
        }
        try {
            if (what.equals(unanswered)) {
                if (action.equals("save")) {
                    Files.write(slotDir.resolve(filename), slot(number));
                }
                asked.add(what);
                return;
            }
            switch (action) {
                case "save" -> {
                    Files.write(slotDir.resolve(filename), slot(number));
                    json(response, 200, answer.put("n_saved", slot(number).length == 0 ? 0 : 40).put("n_written", slot(number).length));
                }
                case "restore" -> {
                    restores.incrementAndGet();
                    if (!Files.exists(slotDir.resolve(filename))) {
                        json(response, 400, new JsonObject().put("error", new JsonObject().put("code", 400).put("message", "Unable to restore slot")));
                        return;
                    }
                    setSlot(number, Files.readAllBytes(slotDir.resolve(filename)));
                    json(response, 200, answer.put("n_restored", 40).put("n_read", slot(number).length));
                }
                default -> {
                    erased.add(number);
                    setSlot(number, EMPTY);
                    json(response, 200, new JsonObject().put("id_slot", number).put("n_erased", 40));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void chat(HttpServerResponse response, JsonObject body) {
        chats.add(body);
        if (dumb) {
            json(response, 400, new JsonObject().put("error", new JsonObject().put("code", 400).put("message", "the request exceeds the available context size").put("type", "exceed_context_size_error")));
            return;
        }
        setSlot(body.getInteger("id_slot", 0), new byte[] {1});
        json(response, 200, new JsonObject().put("choices", new JsonArray().add(new JsonObject().put("message", new JsonObject().put("role", "assistant").put("content", "They asked.")))));
    }

    private void completion(HttpServerResponse response, JsonObject body) {
        completions.add(body);
        int number = body.getInteger("id_slot", 0);
        int tokens = body.getValue("prompt") instanceof JsonArray ids ? ids.size() : 100;
        int reused = slot(number).length == 0 || forgetful ? 0 : tokens - 1 - forgotten;
        JsonObject timings = new JsonObject().put("cache_n", reused).put("prompt_n", tokens - reused).put("prompt_ms", 10.0 * (tokens - reused)).put("prompt_per_second", 100.0)
                .put("predicted_n", 3);
        setSlot(number, state);
        response.closeHandler(v -> {
            if (!response.ended()) {
                cancelled.incrementAndGet();
            }
        });
        if (body.getBoolean("silent", false)) {
            return;
        }
        if (body.getBoolean("stream", false)) {
            response.setChunked(true).putHeader("Content-Type", "text/event-stream");
            stream(response, body.getInteger("n_predict", 3), body.getInteger("piece", 0), timings);
        } else {
            json(response, 200, new JsonObject().put("content", " it.").put("id_slot", number).put("stop", true).put("timings", timings));
        }
    }

    private void stream(HttpServerResponse response, int left, int piece, JsonObject timings) {
        if (response.closed()) {
            return;
        }
        if (left == 0) {
            response.end("data: " + new JsonObject().put("content", "").put("stop", true).put("timings", timings).encode() + "\n\n");
            return;
        }
        pieces.incrementAndGet();
        // As llama-server does, the next one when this one is in the socket.
        response.write("data: " + new JsonObject().put("content", "a".repeat(Math.max(1, piece))).put("stop", false).encode() + "\n\n")
                .onSuccess(v -> vertx.setTimer(1, t -> stream(response, left - 1, piece, timings)));
    }

    private static void json(HttpServerResponse response, int status, JsonObject body) {
        response.setStatusCode(status).putHeader("Content-Type", "application/json; charset=utf-8").end(body.toBuffer());
    }

    @Override
    public void close() {
        vertx.close().toCompletionStage().toCompletableFuture().join();
    }
}
