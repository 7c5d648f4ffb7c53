package dev.kvcapsule.gateway;

import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.compaction.TemplateTokenizer;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.OptionalLong;

/** What the gateway itself asks of the llama-server. Blocks. */
final class LlamaServer implements TemplateTokenizer.Server {
    private static final Duration CONNECT = Duration.ofSeconds(5);

    /** Longest answer to what is asked here that is quoted to operators. */
    private static final int QUOTED = 300;

    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(CONNECT).build();
    private final URI upstream;
    private final Duration total;
    private volatile OptionalLong contextTokens = OptionalLong.empty();

    LlamaServer(URI upstream, Duration total) {
        this.upstream = upstream;
        this.total = total;
    }

    /** The server answered that it does not do what it was asked. */
    static final class ServerRefusedException extends IOException {
        private static final long serialVersionUID = 1L;

        ServerRefusedException(String message) {
            super(message);
        }
    }

    /** What evaluating a prompt took. @param evaluated tokens that were evaluated. @param reused tokens that were there already. @param promptSeconds for those that were evaluated */
    record Evaluation(long evaluated, long reused, double promptSeconds) {
        /** Whether all that could be reused was: llama-server evaluates one token of any prompt. Half a prompt that is evaluated again is no restored one. */
        boolean isReuse() {
            return evaluated <= 1;
        }
    }

    /** Whether its model is loaded and it takes requests. */
    boolean isReady() throws InterruptedException {
        try {
            HttpRequest request = HttpRequest.newBuilder(upstream.resolve("/health")).timeout(CONNECT).build();
            return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode() == 200;
        } catch (IOException e) {
            return false;
        }
    }

    /** How many slots it has. */
    int slots() throws IOException {
        JsonObject props = props();
        Integer slots = props.getInteger("total_slots");
        if (slots == null || slots < 1) {
            throw new IOException("the server does not say how many slots it has: is it a llama-server?");
        }
        contextTokens = props.getValue("default_generation_settings") instanceof JsonObject settings && settings.getValue("n_ctx") instanceof Number count && count.longValue() > 0
                ? OptionalLong.of(count.longValue()) : OptionalLong.empty();
        return slots;
    }

    /** How many tokens a slot takes, as it was when the server last told of its slots; empty if it did not say. */
    OptionalLong contextTokens() {
        return contextTokens;
    }

    private JsonObject props() throws IOException {
        try {
            HttpRequest request = HttpRequest.newBuilder(upstream.resolve("/props")).timeout(CONNECT).build();
            return json(client.send(request, HttpResponse.BodyHandlers.ofString()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    /** Writes a slot's state to a file in its slot folder. @return tokens in it */
    long save(int slot, String file) throws IOException, InterruptedException {
        return number(slot(slot, "save", file), "n_saved");
    }

    /** Replaces a slot's state by that of a file. @return tokens in it */
    long restore(int slot, String file) throws IOException, InterruptedException {
        return number(slot(slot, "restore", file), "n_restored");
    }

    /** Makes a slot forget its tokens. */
    void erase(int slot) throws IOException, InterruptedException {
        number(slot(slot, "erase", ""), "n_erased");
    }

    private JsonObject slot(int slot, String action, String file) throws IOException, InterruptedException {
        return post("/slots/" + slot + "?action=" + action, new JsonObject().put("filename", file));
    }

    /** Evaluates a prompt in a slot as far as its tokens are not there, and generates nothing. */
    Evaluation evaluate(int slot, int[] tokens) throws IOException, InterruptedException {
        JsonArray prompt = new JsonArray();
        for (int token : tokens) {
            prompt.add(token);
        }
        JsonObject timings = post("/completion", new JsonObject().put("prompt", prompt).put("id_slot", slot).put("n_predict", 0).put("cache_prompt", true)).getJsonObject("timings");
        if (timings == null) {
            throw new IOException("the server answers without timings");
        }
        return new Evaluation(number(timings, "prompt_n"), number(timings, "cache_n"), timings.getDouble("prompt_ms", 0.0) / 1000);
    }

    private static long number(JsonObject object, String name) throws IOException {
        if (object.getValue(name) instanceof Number number && number.longValue() >= 0) {
            return number.longValue();
        }
        throw new IOException("the server answers without " + name);
    }

    @Override
    public Map<String, Object> post(String path, Map<String, Object> body) throws IOException {
        try {
            return Json.readObject(posted(path, Json.line(body)).body());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while the server was asked", e);
        }
    }

    private HttpResponse<String> posted(String path, String body) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(upstream.resolve(path)).timeout(total).header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body)).build();
        return succeeded(client.send(request, HttpResponse.BodyHandlers.ofString()));
    }

    private JsonObject post(String path, JsonObject body) throws IOException, InterruptedException {
        return json(posted(path, body.encode()));
    }

    private static HttpResponse<String> succeeded(HttpResponse<String> response) throws ServerRefusedException {
        if (response.statusCode() != 200) {
            String text = response.body();
            throw new ServerRefusedException("the server answers " + response.statusCode() + ": " + text.substring(0, Math.min(QUOTED, text.length())));
        }
        return response;
    }

    private static JsonObject json(HttpResponse<String> response) throws IOException {
        try {
            return new JsonObject(succeeded(response).body());
        } catch (DecodeException e) {
            throw new IOException("the server's answer is not JSON", e);
        }
    }
}
