package dev.kvcapsule.sessions.permission.ogx;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * Where verdicts come from.
 *
 * @param check which contract, and its address
 * @param tokenFile file of the bearer token, if it wants one
 * @param timeLimit of one verdict
 */
public record OgxSettings(Check check, Optional<Path> tokenFile, Duration timeLimit) {
    /** One of two contracts. */
    public sealed interface Check {}

    /**
     * {@code POST /v1/safety/run-shield} of Llama Stack 0.7.
     *
     * @param url of the server, without {@code /v1}
     * @param shield its id there
     */
    public record Shield(URI url, String shield) implements Check {}

    /**
     * The moderation endpoint, as OGX 1.x has it in its own setting {@code moderation_endpoint}: OGX 1.5 serves none itself. Llama Stack 0.7 serves one at {@code /v1/moderations}.
     *
     * @param endpoint its whole address
     * @param model that is asked for; empty leaves it to the endpoint
     */
    public record Moderation(URI endpoint, Optional<String> model) implements Check {}
}
