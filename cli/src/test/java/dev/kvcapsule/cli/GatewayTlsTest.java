package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.gateway.recorded.RecordedServer;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.gateway.ClientTls;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import dev.kvcapsule.sessions.gateway.GatewayException;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A gateway that speaks TLS, and clients that show certificates: processes of their own. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(value = 2, unit = TimeUnit.MINUTES)
class GatewayTlsTest {
    @TempDir
    private static Path work;

    private Path home;
    private RecordedServer server;
    private Child gateway;
    private URI address;
    private Certificates ours;
    private Certificates others;
    private byte[] state;

    @BeforeAll
    void start() throws Exception {
        home = work.resolve("home");
        ours = new Certificates(Files.createDirectory(work.resolve("ours")), "ca").issue("gateway", "EC").issue("ann", "RSA").issue("unknown", "Ed25519");
        others = new Certificates(Files.createDirectory(work.resolve("others")), "ca").issue("eve", "EC");
        try (InputStream in = Samples.smollm2Code512()) {
            state = in.readAllBytes();
        }
        server = new RecordedServer(Files.createDirectory(work.resolve("slots")), 2, state);
        Files.createFile(work.resolve("tokens.yaml"), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        String all = "{org: acme, user: ann, permissions: [infer, export, restore, manage, metrics]}\n";
        Files.writeString(work.resolve("tokens.yaml"), "cert:" + ours.fingerprint("ann") + ": " + all + "cert:" + others.fingerprint("eve") + ": " + all + "ann-token-0123456789: " + all);
        try (Child keys = Child.capsule(work, home, 64, "keys", "new", "--tenant", "acme")) {
            assertEquals(0, keys.await(), keys.err());
        }
        gateway = Child.gateway(work, home, 64, "--upstream", "http://127.0.0.1:" + server.port(), "--slot-dir", work.resolve("slots"), "--tokens", work.resolve("tokens.yaml"), "--profile", "exact",
                "--tls-cert", ours.certificate("gateway"), "--tls-key", ours.key("gateway"), "--client-ca", ours.certificate("ca"));
        address = URI.create("https://127.0.0.1:" + gateway.address().getPort());
        complete();
    }

    @AfterAll
    void stop() {
        if (gateway != null) {
            gateway.close();
        }
        server.close();
    }

    private void complete() throws Exception {
        try (HttpClient client = HttpClient.newBuilder().sslContext(ours.trusting()).version(HttpClient.Version.HTTP_1_1).build()) {
            HttpRequest request = HttpRequest.newBuilder(address.resolve("/completion")).header("Authorization", "Bearer ann-token-0123456789")
                    .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\",\"id_slot\":0}")).build();
            assertEquals(200, client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode());
        }
    }

    private GatewayClient client(Optional<String> token, ClientTls tls) throws IOException {
        return new GatewayClient(address, token, tls, Duration.ofMinutes(1));
    }

    private static ClientTls tls(Certificates authority, Certificates own, String name) {
        return new ClientTls(Optional.of(authority.certificate("ca")), Optional.of(new ClientTls.Identity(own.certificate(name), own.key(name))));
    }

    private String code(Optional<String> token, ClientTls tls) throws IOException {
        try (GatewayClient client = client(token, tls)) {
            return assertThrows(GatewayException.class, () -> client.export(0, "s1", OptionalLong.empty(), work.resolve("none.kvc"))).code();
        }
    }

    @Test
    void aCertificateStandsForItsUser() throws Exception {
        try (Child made = Child.capsule(work, home, 64, "checkpoint", "--session", "s1", "--objective", "x", "--workspace", work, "--gateway", address, "--ca", ours.certificate("ca"), "--cert",
                ours.certificate("ann"), "--cert-key", ours.key("ann"), "--json")) {
            assertEquals(0, made.await(), made.err());
            assertEquals("fetched", ((Map<?, ?>) Json.readObject(made.out()).get("capsule")).get("verdict"), made.err());
        }
        try (Child back = Child.capsule(work, home, 64, "resume", "s1", "--slot", "1", "--json")) {
            assertEquals(0, back.await(), back.err());
            assertEquals("restored", Json.readObject(back.out()).get("verdict"), back.out() + back.err());
        }
        assertArrayEquals(state, server.slot(1));
    }

    @Test
    void nobodyElseGetsIn() throws Exception {
        ClientTls trusting = new ClientTls(Optional.of(ours.certificate("ca")), Optional.empty());
        assertEquals("token", code(Optional.empty(), trusting), "neither");
        assertEquals("token", code(Optional.empty(), tls(ours, ours, "unknown")), "of the right authority, and nobody's");
        assertEquals("unreachable", code(Optional.empty(), tls(ours, others, "eve")), "listed, and of an authority that is not asked for");
        assertEquals("token", code(Optional.of("no-token-0123456789"), tls(ours, ours, "ann")), "a wrong token is not made up for");
        assertEquals("unreachable", code(Optional.of("ann-token-0123456789"), ClientTls.NONE), "the gateway is not known");
        assertEquals("unreachable", code(Optional.of("ann-token-0123456789"), new ClientTls(Optional.of(others.certificate("ca")), Optional.empty())), "nor known to that authority");
        try (HttpClient plain = HttpClient.newHttpClient()) {
            assertThrows(IOException.class, () -> plain.send(HttpRequest.newBuilder(gateway.address().resolve("/health")).build(), HttpResponse.BodyHandlers.discarding()));
        }
        try (GatewayClient client = client(Optional.of("ann-token-0123456789"), trusting)) {
            assertTrue(client.export(0, "s1", OptionalLong.empty(), work.resolve("a.kvc")).bytes() > 0, "a token does");
        }
    }

    @Test
    void filesThatAreNoneAreNamed() throws Exception {
        Path key = ours.key("gateway");
        Path certificate = ours.certificate("gateway");
        Path exposed = Files.copy(key, work.resolve("exposed.key"));
        Files.setPosixFilePermissions(exposed, PosixFilePermissions.fromString("rw-r--r--"));
        Object[][] wrong = {{certificate, certificate, 3}, {key, key, 3}, {work.resolve("none"), key, 5}, {certificate, exposed, 5}};
        for (Object[] one : wrong) {
            try (Child serve = Child.capsule(work, home, 64, "serve", "--upstream", "http://127.0.0.1:1", "--slot-dir", Files.createTempDirectory(work, "slots"), "--tokens",
                    work.resolve("tokens.yaml"), "--listen", "127.0.0.1:0", "--store", Files.createTempDirectory(work, "store"), "--tls-cert", one[0], "--tls-key", one[1])) {
                assertEquals(one[2], serve.await(), serve.err());
                assertTrue(serve.err().contains(one[one[0].equals(certificate) ? 1 : 0].toString()), serve.err());
            }
        }
        assertThrows(IOException.class, () -> client(Optional.empty(), new ClientTls(Optional.of(key), Optional.empty())));
        assertThrows(IOException.class, () -> client(Optional.empty(), new ClientTls(Optional.empty(), Optional.of(new ClientTls.Identity(certificate, certificate)))));
        assertThrows(IOException.class, () -> client(Optional.empty(), new ClientTls(Optional.empty(), Optional.of(new ClientTls.Identity(certificate, ours.key("ann"))))));
        assertThrows(IllegalArgumentException.class, () -> new GatewayClient(URI.create("http://127.0.0.1:1"), Optional.empty(), tls(ours, ours, "ann"), Duration.ofMinutes(1)));
    }
}
