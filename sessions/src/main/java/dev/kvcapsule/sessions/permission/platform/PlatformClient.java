package dev.kvcapsule.sessions.permission.platform;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Requests whose answer is one JSON object. Follows no redirects. Safe for use by many threads. */
public final class PlatformClient implements AutoCloseable {
    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).followRedirects(HttpClient.Redirect.NEVER).build();
    private final int maxBytes;

    /** @param maxBytes of an answer */
    public PlatformClient(int maxBytes) {
        this.maxBytes = maxBytes;
    }

    /**
     * Gets an object.
     *
     * @param within time for all of it, the answer's body included
     * @throws PlatformException if anything but status 200 and an object comes, or nothing in time
     */
    public Map<String, Object> get(URI address, Optional<BearerToken> token, Duration within) throws PlatformException {
        return object(address, text(address, token, Optional.empty(), within));
    }

    /** The same by POST, with an object. */
    public Map<String, Object> post(URI address, Optional<BearerToken> token, Map<String, Object> body, Duration within) throws PlatformException {
        return object(address, text(address, token, Optional.of(Json.line(body)), within));
    }

    /** The text of an answer of status 200. */
    public String text(URI address, Optional<BearerToken> token, Duration within) throws PlatformException {
        return text(address, token, Optional.empty(), within);
    }

    private String text(URI address, Optional<BearerToken> token, Optional<String> body, Duration within) throws PlatformException {
        if (!within.isPositive()) {
            throw new PlatformException("timeout", where(address) + ": no time was left to ask");
        }
        HttpRequest.Builder request = HttpRequest.newBuilder(address).header("Accept", "application/json");
        token.ifPresent(secret -> request.header("Authorization", "Bearer " + secret.reveal()));
        body.ifPresent(json -> request.header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(json)));
        HttpResponse<byte[]> response = answer(address, request.build(), within);
        if (response.statusCode() != 200) {
            throw new PlatformException("status-" + response.statusCode(), where(address) + " answers with status " + response.statusCode());
        }
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(response.body())).toString();
        } catch (CharacterCodingException e) {
            throw new PlatformException("malformed", where(address) + " answers with something else than UTF-8");
        }
    }

    /** Asynchronously, since a request's own time limit ends with the answer's head. */
    private HttpResponse<byte[]> answer(URI address, HttpRequest request, Duration within) throws PlatformException {
        CompletableFuture<HttpResponse<byte[]>> answer = client.sendAsync(request, HttpResponse.BodyHandlers.limiting(HttpResponse.BodyHandlers.ofByteArray(), maxBytes));
        try {
            return answer.get(within.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            answer.cancel(true);
            throw new PlatformException("timeout", where(address) + " gives no whole answer within " + within.toMillis() + " ms");
        } catch (InterruptedException e) {
            answer.cancel(true);
            Thread.currentThread().interrupt();
            throw new PlatformException("interrupted", "interrupted");
        } catch (ExecutionException e) {
            // The JDK's message may quote what came: its class has to do, and the one that a bound on bytes has.
            Throwable cause = e.getCause();
            if (cause.getMessage() != null && cause.getMessage().startsWith("body exceeds capacity")) {
                throw new PlatformException("too-large", where(address) + " answers with more than " + maxBytes + " bytes");
            }
            throw new PlatformException("unreachable", where(address) + " gives no answer (" + cause.getClass().getSimpleName() + ")");
        }
    }

    private static Map<String, Object> object(URI address, String text) throws PlatformException {
        try {
            return Json.readObject(text);
        } catch (MalformedDataException e) {
            throw new PlatformException("malformed", where(address) + " answers with something else than a JSON object");
        }
    }

    private static String where(URI address) {
        return address.getScheme() + "://" + address.getAuthority() + address.getRawPath();
    }

    @Override
    public void close() {
        client.shutdownNow();
    }
}
