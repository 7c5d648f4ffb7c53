package dev.kvcapsule.sessions.gateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

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
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 1, unit = TimeUnit.MINUTES)
class GatewayClientTest {
    @TempDir
    private Path folder;

    /** The time limit is one of the whole answer: a gateway that falls silent behind its first bytes holds nobody up. */
    @Test
    void anExportThatStallsIsGivenUp() throws IOException {
        Path file = folder.resolve("capsule.kvc");
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Thread gateway = Thread.ofVirtual().start(() -> beginAndStall(server));
            URI address = URI.create("http://" + server.getInetAddress().getHostAddress() + ":" + server.getLocalPort());
            try (GatewayClient client = new GatewayClient(address, Optional.of("token"), ClientTls.NONE, Duration.ofSeconds(1))) {
                assertEquals("interrupted", assertThrows(GatewayException.class, () -> client.export(0, "s1", OptionalLong.empty(), file)).code());
            } finally {
                gateway.interrupt();
            }
        }
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(List.of(), left.toList());
        }
    }

    private static void beginAndStall(ServerSocket server) {
        try (Socket client = server.accept()) {
            client.getInputStream().read(new byte[4096]);
            client.getOutputStream().write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n".getBytes(StandardCharsets.US_ASCII));
            Thread.sleep(Duration.ofMinutes(5));
        } catch (InterruptedException e) {
            // The client has given up, as it should.
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
