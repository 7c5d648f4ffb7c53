package dev.kvcapsule.sessions.permission.platform;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 1, unit = TimeUnit.MINUTES)
class PlatformClientTest {
    private static final Duration LIMIT = Duration.ofSeconds(20);

    private static String code(URI address, Duration within) {
        try (PlatformClient client = new PlatformClient(1000)) {
            return assertThrows(PlatformException.class, () -> client.post(address, Optional.empty(), Map.of(), within)).code();
        }
    }

    private static String code(TestPlatform.Behaviour behaviour, Duration within) throws IOException {
        try (TestPlatform platform = new TestPlatform(behaviour)) {
            return code(URI.create(platform.url() + "/x"), within);
        }
    }

    @Test
    void onlyAnObjectOfStatus200IsAnAnswer() throws IOException {
        assertEquals("status-500", code(request -> new TestPlatform.Reply(500, "{\"violation\":null}"), LIMIT));
        assertEquals("status-201", code(request -> new TestPlatform.Reply(201, "{}"), LIMIT));
        assertEquals("status-307", code(request -> request.path().equals("/x") ? new TestPlatform.Reply(307, "{}") : TestPlatform.Reply.ok("{}"), LIMIT));
        for (String body : new String[] {"", "null", "[]", "{", "{}{}", "<html>", "{\"a\":1,\"a\":2}", "{\"a\":" + "[".repeat(400) + "]".repeat(400) + ",}"}) {
            assertEquals("malformed", code(request -> TestPlatform.Reply.ok(body), LIMIT), body);
        }
    }

    @Test
    void anAnswerIsBounded() throws IOException {
        assertEquals("too-large", code(request -> TestPlatform.Reply.ok("{\"a\":\"" + "x".repeat(2000) + "\"}"), LIMIT));
    }

    @Test
    void nobodyThereIsSaid() throws IOException {
        int port;
        try (ServerSocket closed = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = closed.getLocalPort();
        }
        assertEquals("unreachable", code(URI.create("http://127.0.0.1:" + port), LIMIT));
        assertEquals("timeout", code(URI.create("http://127.0.0.1:" + port), Duration.ZERO));
    }

    /** Before the head, and behind it: the JDK's own limit would end with the head. */
    @Test
    void silenceIsGivenUp() throws IOException {
        assertTimeout(Duration.ofSeconds(15), () -> assertEquals("timeout", code(request -> null, Duration.ofMillis(500))));
        for (String begun : new String[] {"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"violation\":", "HTTP/1.1 200"}) {
            try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                Thread platform = Thread.ofVirtual().start(() -> beginAndStall(server, begun));
                assertTimeout(Duration.ofSeconds(15), () -> assertEquals("timeout", code(URI.create("http://127.0.0.1:" + server.getLocalPort()), Duration.ofMillis(500))));
                platform.interrupt();
            }
        }
    }

    private static void beginAndStall(ServerSocket server, String begun) {
        try (Socket client = server.accept()) {
            client.getOutputStream().write(begun.getBytes(StandardCharsets.US_ASCII));
            client.getOutputStream().flush();
            Thread.sleep(Duration.ofMinutes(5));
        } catch (InterruptedException e) {
            // The client has given up, as it should.
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void aTokenIsSentAndNeverShown(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("token"), "hunter2hunter2\n");
        try (TestPlatform platform = new TestPlatform(request -> TestPlatform.Reply.ok("{}")); PlatformClient client = new PlatformClient(1000)) {
            BearerToken token = BearerToken.read(file);
            client.get(URI.create(platform.url() + "/x"), Optional.of(token), LIMIT);
            assertEquals("Bearer hunter2hunter2", platform.requests().getFirst().authorization());
            assertFalse(token.toString().contains("hunter2"));
        }
        for (String bad : new String[] {"", "two lines\nof it", "caf\u00e9"}) {
            Files.writeString(file, bad);
            PlatformException refused = assertThrows(PlatformException.class, () -> BearerToken.read(file));
            assertEquals("token", refused.code());
        }
        assertEquals("token", assertThrows(PlatformException.class, () -> BearerToken.read(folder.resolve("none"))).code());
    }
}
