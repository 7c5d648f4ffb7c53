package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.gateway.ClientTls;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import dev.kvcapsule.testdata.TinyGguf;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What a real llama-server reuses of a restored slot where not every layer attends to all tokens: models of a few layers, a prompt, a capsule of it, another server. What it can reuse is reused, and
 * goes on with the same tokens; what it cannot is said.
 */
@Tag("real-model")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class OtherModelsRealServerTest {
    private static final String TOKEN = "ann-token-0123456789";
    private static final int TOKENS = 300;
    private static final List<Long> PROMPT = LongStream.range(0, TOKENS).map(i -> 4 + i * i * 7 % 59).boxed().toList();

    @TempDir
    private static Path work;
    private String binary;
    private Path home;

    @BeforeAll
    void start() throws Exception {
        binary = RealParts.fetch(work).get("CAPSULE_TEST_SERVER");
        home = work.resolve("home");
        Files.createDirectory(work.resolve("slots"));
        Files.createFile(work.resolve("tokens.yaml"), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(work.resolve("tokens.yaml"), TOKEN + ": {org: acme, user: ann, permissions: [infer, export, restore]}\n");
        try (Child keys = Child.capsule(work, home, 64, "keys", "new", "--tenant", "acme")) {
            assertEquals(0, keys.await(), keys.err());
        }
    }

    private Child server(Path model, int port, List<String> more) throws Exception {
        List<Object> command = new ArrayList<>(List.of(binary, "-m", model, "-ngl", 0, "-t", 1, "-c", 1024, "-np", 1, "--host", "127.0.0.1", "--port", port, "--slot-save-path", work.resolve("slots"),
                "--cache-ram", 0));
        command.addAll(more);
        Child server = Child.start(work, "llama-server", Map.of("LD_LIBRARY_PATH", Path.of(binary).getParent().toString()), command);
        server.awaitReady(URI.create("http://127.0.0.1:" + port + "/health"));
        return server;
    }

    private static Path model(String name) throws IOException {
        TinyGguf model = switch (name) {
            case "gemma3" -> TinyGguf.gemma3();
            case "lfm2" -> TinyGguf.lfm2();
            default -> TinyGguf.llama();
        };
        return model.withTokenizer().write(work.resolve(name + ".gguf"));
    }

    private static Map<String, Object> complete(HttpClient client, URI gateway, List<Long> prompt, int predict) throws Exception {
        String body = "{\"prompt\":" + prompt + ",\"n_predict\":" + predict + ",\"temperature\":0,\"ignore_eos\":true,\"return_tokens\":true,\"id_slot\":0}";
        HttpRequest request = HttpRequest.newBuilder(gateway.resolve("/completion")).header("Authorization", "Bearer " + TOKEN).POST(HttpRequest.BodyPublishers.ofString(body)).build();
        HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
        assertEquals(200, response.statusCode(), response.body());
        return Json.readObject(response.body());
    }

    @ParameterizedTest
    @CsvSource({"llama, '', restored", "lfm2, '', restored", "gemma3, --swa-full, restored", "gemma3, '', prefill"})
    void aRestoredSlotGoesOnWhereTheServerCan(String name, String option, String verdict) throws Exception {
        Path model = model(name);
        List<String> more = option.isEmpty() ? List.of() : List.of(option);
        int port = Child.freePort();
        List<Long> longer = new ArrayList<>(PROMPT);
        longer.addAll(List.of(9L, 8L, 7L, 6L, 5L, 9L, 9L, 4L));
        Path capsule = work.resolve(name + option + ".kvc");
        Object uninterrupted;
        try (Child first = server(model, port, more); HttpClient client = HttpClient.newHttpClient();
                Child gateway = Child.gateway(work, home, 48, "--upstream", "http://127.0.0.1:" + port, "--slot-dir", work.resolve("slots"), "--tokens", work.resolve("tokens.yaml"), "--model", model,
                        "--profile", "exact");
                GatewayClient sessions = new GatewayClient(gateway.address(), Optional.of(TOKEN), ClientTls.NONE, Duration.ofMinutes(1))) {
            complete(client, gateway.address(), PROMPT, 0);
            sessions.export(0, "s1", OptionalLong.empty(), capsule);
            uninterrupted = complete(client, gateway.address(), longer, 12).get("tokens");
            first.kill();
            try (Child second = server(model, port, more)) {
                GatewayClient.Restored restored = sessions.restore(new GatewayClient.Wanted(OptionalInt.of(0), "s1", false, Optional.empty()), capsule);
                assertEquals(verdict, restored.verdict(), restored::toString);
                assertEquals(verdict.equals("restored") ? "ok" : "not-reused", restored.code());
                assertEquals(verdict.equals("restored") ? TOKENS : 0, restored.tokensReused().orElseThrow());
                Map<String, Object> answer = complete(client, gateway.address(), longer, 12);
                // What the verdict left in the slot is of use either way.
                assertEquals((long) TOKENS, ((Map<?, ?>) answer.get("timings")).get("cache_n"), second.err());
                assertEquals(uninterrupted, answer.get("tokens"), "token for token");
            }
        }
    }
}
