package dev.kvcapsule.gateway;

import java.net.URI;
import java.time.Duration;
import java.util.Optional;

/**
 * Who writes summaries when sessions are compacted over HTTP.
 *
 * @param writer whom to ask
 * @param endpoint of a model of its own, compatible with OpenAI's chat completions; empty for the others
 * @param token for it
 * @param model its name there
 * @param maxTokens of a summary
 * @param total how long one may take
 */
public record SummarizerOptions(Writer writer, Optional<URI> endpoint, Optional<String> token, String model, int maxTokens, Duration total) {
    /** Whom to ask. */
    public enum Writer {
        /** The llama-server behind the gateway, in a slot of the caller's, whose contents are put back. */
        UPSTREAM,
        /** An endpoint of its own. */
        ENDPOINT,
        /** No model: lines are taken over. */
        EXTRACTIVE
    }

    private static final int USUAL_TOKENS = 512;
    private static final Duration USUAL_TOTAL = Duration.ofMinutes(5);

    /** The llama-server behind the gateway. */
    public static final SummarizerOptions UPSTREAM = new SummarizerOptions(Writer.UPSTREAM, Optional.empty(), Optional.empty(), "default", USUAL_TOKENS, USUAL_TOTAL);

    /** @throws IllegalArgumentException if an endpoint is missing or too much, or a summary has no room */
    public SummarizerOptions {
        if (endpoint.isPresent() != (writer == Writer.ENDPOINT)) {
            throw new IllegalArgumentException("a summarizer's address is for one that is neither the upstream nor without a model");
        }
        if (endpoint.isPresent() && (endpoint.get().getHost() == null || !"http".equals(endpoint.get().getScheme()) && !"https".equals(endpoint.get().getScheme()))) {
            throw new IllegalArgumentException("a summarizer's address is http://HOST:PORT or https://HOST:PORT");
        }
        if (maxTokens < 1) {
            throw new IllegalArgumentException("a summary has at least one token");
        }
    }
}
