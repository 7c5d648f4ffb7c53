package dev.kvcapsule.sessions.compaction;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.ToolCall;
import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Has a model write summaries, behind any endpoint that is compatible with OpenAI's chat completions. */
public final class EndpointSummarizer implements Summarizer, AutoCloseable {
    private static final int LONGEST_ANSWER = 4 << 20;
    private static final int LEAST_TOKENS = 16;
    private static final String TASK = "You summarize conversations of an agent with its user, so that the agent can go on without having read them. Keep the goal, decisions and their reasons, "
            + "facts that were found, names of files and identifiers, what failed, and what is to be done next. Leave out greetings. Write the summary only.";

    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10)).build();
    private final URI endpoint;
    private final Optional<String> token;
    private final String model;
    private final int maxTokens;
    private final Duration total;
    private final Map<String, Object> fields;

    /**
     * @param endpoint {@code http://HOST:PORT} or one with a path, to which {@code /v1/chat/completions} is added
     * @param token a bearer token
     * @param model its name there
     * @param maxTokens of a summary; fewer where what it stands for is short
     * @param total how long one may take
     * @throws IllegalArgumentException if the address is none
     */
    public EndpointSummarizer(URI endpoint, Optional<String> token, String model, int maxTokens, Duration total) {
        this(endpoint, token, model, maxTokens, total, Map.of());
    }

    /** The same with more fields in each request, such as the slot of a llama-server. */
    public EndpointSummarizer(URI endpoint, Optional<String> token, String model, int maxTokens, Duration total, Map<String, Object> fields) {
        if (endpoint.getHost() == null || !"http".equals(endpoint.getScheme()) && !"https".equals(endpoint.getScheme())) {
            throw new IllegalArgumentException("a summarizer's endpoint is http://HOST:PORT or https://HOST:PORT");
        }
        String base = endpoint.toString();
        this.endpoint = URI.create((base.endsWith("/") ? base.substring(0, base.length() - 1) : base) + "/v1/chat/completions");
        this.token = token;
        this.model = model;
        this.maxTokens = maxTokens;
        this.total = total;
        this.fields = Map.copyOf(fields);
    }

    @Override
    public String summarize(Request request) throws IOException {
        Map<String, Object> body = new LinkedHashMap<>(fields);
        body.put("model", model);
        body.put("messages", List.of(Map.of("role", "system", "content", TASK), Map.of("role", "user", "content", conversation(request))));
        body.put("max_tokens", room(request));
        body.put("temperature", 0);
        HttpRequest.Builder post = HttpRequest.newBuilder(endpoint).timeout(total).header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(Json.line(body)));
        token.ifPresent(text -> post.header("Authorization", "Bearer " + text));
        HttpResponse<InputStream> response;
        try {
            response = client.send(post.build(), HttpResponse.BodyHandlers.ofInputStream());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while a summary was written");
        }
        try (InputStream in = response.body()) {
            String answer = new String(in.readNBytes(LONGEST_ANSWER), StandardCharsets.UTF_8);
            if (response.statusCode() != 200) {
                throw new IOException("the summarizer at " + endpoint.getAuthority() + " answers with status " + response.statusCode());
            }
            return content(answer);
        }
    }

    /** Half of what a summary is to stand for, roughly: a longer one would be rejected, after all the time that it took. */
    private int room(Request request) {
        long characters = request.previous().map(String::length).orElse(0) + request.messages().stream().mapToLong(Message::characters).sum();
        return (int) Math.min(maxTokens, Math.max(LEAST_TOKENS, characters / CHARACTERS_A_TOKEN / 2));
    }

    @Override
    public String writer() {
        return "model";
    }

    private static String content(String answer) throws IOException {
        try {
            if (Json.readObject(answer).get("choices") instanceof List<?> choices && choices.getFirst() instanceof Map<?, ?> choice && choice.get("message") instanceof Map<?, ?> message
                    && message.get("content") instanceof String text) {
                return text.strip();
            }
        } catch (MalformedDataException e) {
            // Said below.
        }
        throw new IOException("the summarizer's answer has no choices[0].message.content");
    }

    private static String conversation(Request request) {
        StringBuilder text = new StringBuilder();
        request.originalGoal().ifPresent(goal -> text.append("The goal, in the user's words: ").append(goal).append("\n\n"));
        request.previous().ifPresent(summary -> text.append("Summary of what was before:\n").append(summary).append("\n\n"));
        text.append("The conversation:\n");
        for (Message message : request.messages()) {
            text.append(message.role().label()).append(": ").append(message.content()).append('\n');
            for (ToolCall call : message.toolCalls()) {
                text.append("  calls ").append(call.name()).append(' ').append(call.arguments()).append('\n');
            }
        }
        return text.append("\nSummarize all of it.").toString();
    }

    @Override
    public void close() {
        client.shutdownNow();
    }
}
