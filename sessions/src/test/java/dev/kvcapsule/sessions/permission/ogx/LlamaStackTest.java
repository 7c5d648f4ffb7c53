package dev.kvcapsule.sessions.permission.ogx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.Arguments;
import dev.kvcapsule.sessions.permission.Identity;
import dev.kvcapsule.sessions.permission.Ruling;
import dev.kvcapsule.sessions.permission.ToolCall;
import dev.kvcapsule.sessions.permission.platform.TestPlatform;
import dev.kvcapsule.sessions.permission.platform.TestPlatform.Reply;
import dev.kvcapsule.sessions.permission.rules.Rules;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Verdicts of a real Llama Stack 0.7.3, whose shield asks a moderation service that runs here. Skipped, with the reason, where {@code scripts/llama-stack.sh} cannot get it.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class LlamaStackTest {
    private static final int UNAVAILABLE = 69;

    /** The server's own settings: nothing but safety, and one shield. */
    private static final String SETTINGS = """
            version: 2
            distro_name: shield
            apis: [safety]
            providers:
              safety:
              - {provider_id: passthrough, provider_type: "remote::passthrough", config: {base_url: MODERATION}}
            storage:
              backends:
                kv_default: {type: kv_sqlite, db_path: FOLDER/kv.db}
                sql_default: {type: sql_sqlite, db_path: FOLDER/sql.db}
              stores:
                metadata: {backend: kv_default, namespace: registry}
                conversations: {backend: sql_default, table_name: conversations}
                inference: {backend: sql_default, table_name: inference, max_write_queue_size: 10, num_writers: 1}
                prompts: {backend: kv_default, namespace: prompts}
            registered_resources:
              shields:
              - {shield_id: guard, provider_id: passthrough, provider_shield_id: guard}
            server: {host: 127.0.0.1, port: PORT}
            """;

    @TempDir
    private static Path folder;

    private TestPlatform moderation;
    private Process server;
    private URI url;

    @BeforeAll
    void start() throws Exception {
        String llama = fetched();
        moderation = new TestPlatform(LlamaStackTest::moderate);
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        url = URI.create("http://127.0.0.1:" + port);
        Path settings = Files.writeString(folder.resolve("stack.yaml"), SETTINGS.replace("MODERATION", moderation.url() + "/v1").replace("FOLDER", folder.toString()).replace("PORT", "" + port));
        ProcessBuilder builder = new ProcessBuilder(llama, "stack", "run", settings.toString(), "--port", "" + port).directory(folder.toFile()).redirectErrorStream(true)
                .redirectOutput(folder.resolve("log").toFile());
        builder.environment().put("HOME", folder.toString());
        server = builder.start();
        long end = System.nanoTime() + Duration.ofMinutes(3).toNanos();
        while (!isListening(port)) {
            assertTrue(server.isAlive() && System.nanoTime() < end, () -> "Llama Stack does not start:\n" + log());
            Thread.sleep(200);
        }
    }

    @AfterAll
    void stop() throws Exception {
        if (server != null) {
            server.destroy();
            if (!server.waitFor(20, TimeUnit.SECONDS)) {
                server.destroyForcibly().waitFor();
            }
        }
        if (moderation != null) {
            moderation.close();
        }
    }

    private static String fetched() throws Exception {
        Path root = Path.of("").toAbsolutePath();
        while (!Files.exists(root.resolve("scripts/llama-stack.sh"))) {
            root = root.getParent();
        }
        Process script = new ProcessBuilder("bash", root.resolve("scripts/llama-stack.sh").toString()).redirectErrorStream(true).start();
        String said = new String(script.getInputStream().readAllBytes()).strip();
        int exit = script.waitFor();
        if (exit == UNAVAILABLE) {
            System.out.println("LlamaStackTest is skipped: " + said);
        }
        Assumptions.assumeTrue(exit != UNAVAILABLE, said);
        assertEquals(0, exit, said);
        return said.lines().filter(line -> line.startsWith("CAPSULE_LLAMA_STACK=")).findFirst().orElseThrow().substring("CAPSULE_LLAMA_STACK=".length()).replace("\\", "");
    }

    private static boolean isListening(int port) {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 500);
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private static String log() {
        try {
            return Files.readString(folder.resolve("log"));
        } catch (IOException e) {
            return e.toString();
        }
    }

    /** A moderation service that flags one word, and one that is broken at another. */
    private static Reply moderate(TestPlatform.Request request) {
        try {
            String input = (String) Json.readObject(request.body()).get("input");
            if (input.contains("broken")) {
                return new Reply(500, "{}");
            }
            boolean harm = input.contains("rm -rf");
            return Reply.ok("{\"id\":\"modr-1\",\"model\":\"guard\",\"results\":[{\"flagged\":" + harm + ",\"categories\":{\"harm\":" + harm + "},\"category_scores\":{\"harm\":0.5}}]}");
        } catch (MalformedDataException e) {
            return new Reply(400, "{}");
        }
    }

    private Ruling ask(OgxSettings.Check check, String command) throws MalformedDataException {
        try (OgxPolicy policy = new OgxPolicy(new OgxSettings(check, Optional.empty(), Duration.ofSeconds(60)), new Rules(List.of()))) {
            return policy.rule(new ToolCall("s", Identity.of("ann"), "shell", Arguments.of(Map.of("command", command))));
        }
    }

    @Test
    void aShieldDecides() throws MalformedDataException {
        OgxSettings.Shield guard = new OgxSettings.Shield(url, "guard");
        assertEquals(new Ruling(Action.ALLOW, "ogx:shield:clear", "the shield finds no violation"), ask(guard, "ls"));
        assertEquals(new Ruling(Action.DENY, "ogx:shield:error", "the shield finds a violation", Map.of("categories", List.of("harm"))), ask(guard, "rm -rf /"));
        assertEquals("ogx:status-500", ask(guard, "broken").ruleId());
        assertEquals("ogx:status-400", ask(new OgxSettings.Shield(url, "none"), "ls").ruleId());
    }

    @Test
    void theModerationEndpointDecides() throws MalformedDataException {
        OgxSettings.Moderation guard = new OgxSettings.Moderation(URI.create(url + "/v1/moderations"), Optional.of("guard"));
        assertEquals(new Ruling(Action.ALLOW, "ogx:moderation:clear", "the moderation flags nothing"), ask(guard, "ls"));
        assertEquals(new Ruling(Action.DENY, "ogx:moderation:flagged", "the moderation flags it", Map.of("categories", List.of("harm"))), ask(guard, "rm -rf /"));
        assertEquals("ogx:status-500", ask(guard, "broken").ruleId());
        assertEquals("ogx:status-400", ask(new OgxSettings.Moderation(guard.endpoint(), Optional.empty()), "ls").ruleId());
    }

    /** As of OGX 1.5 itself, which serves no moderation. */
    @Test
    void anAddressThatServesNoModerationDenies() throws MalformedDataException {
        assertEquals("ogx:status-404", ask(new OgxSettings.Moderation(URI.create(url + "/v2/moderations"), Optional.empty()), "ls").ruleId());
    }
}
