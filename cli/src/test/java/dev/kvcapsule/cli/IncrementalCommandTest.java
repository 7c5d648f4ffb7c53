package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.gateway.recorded.RecordedServer;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.testdata.Samples;
import java.io.InputStream;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints that go on from earlier ones, the store of their chunks, and what is made of them elsewhere: as scripts see them, in processes of their own. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class IncrementalCommandTest {
    private static final String TOKEN = "ann-token-0123456789";

    @TempDir
    private Path work;
    private Path home;
    private byte[] state;
    private RecordedServer server;
    private Child gateway;

    @BeforeEach
    void start() throws Exception {
        home = work.resolve("home");
        try (InputStream in = Samples.smollm2Code512()) {
            state = in.readAllBytes();
        }
        server = new RecordedServer(Files.createDirectory(work.resolve("slots")), 2, state);
        Files.writeString(work.resolve("token"), TOKEN + "\n");
        Files.createFile(work.resolve("tokens.yaml"), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(work.resolve("tokens.yaml"), TOKEN + ": {org: acme, user: ann, permissions: [infer, export, restore]}\n");
        assertEquals(0, exit("keys", "new", "--tenant", "acme"));
        gateway = Child.gateway(work, home, 48, "--upstream", "http://127.0.0.1:" + server.port(), "--slot-dir", work.resolve("slots"), "--tokens", work.resolve("tokens.yaml"), "--profile", "exact");
        try (HttpClient client = HttpClient.newHttpClient()) {
            HttpRequest prompt = HttpRequest.newBuilder(gateway.address().resolve("/completion")).header("Authorization", "Bearer " + TOKEN)
                    .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\",\"id_slot\":0}")).build();
            assertEquals(200, client.send(prompt, HttpResponse.BodyHandlers.discarding()).statusCode());
        }
    }

    @AfterEach
    void stop() {
        gateway.close();
        server.close();
    }

    private int exit(Object... args) throws Exception {
        try (Child child = Child.capsule(work, home, 64, args)) {
            return child.await();
        }
    }

    private Map<String, Object> json(Object... args) throws Exception {
        try (Child child = Child.capsule(work, home, 64, args)) {
            int code = child.await();
            assertTrue(code == 0 || code == 3, child.err());
            assertEquals("", child.err(), "neither the JVM nor a library has anything to say");
            return Json.readObject(child.out());
        }
    }

    private Map<String, Object> checkpoint(String session) throws Exception {
        return json("checkpoint", "--session", session, "--workspace", work, "--gateway", gateway.address(), "--token-file", work.resolve("token"), "--json");
    }

    @Test
    void chunksAreKeptOnceFoundMissingExportedAndCollected() throws Exception {
        Map<String, Object> first = checkpoint("s1");
        assertEquals(4L, first.get("chunks"));
        assertEquals(512L, first.get("tokens"));
        long whole = (Long) first.get("capsule_bytes");
        assertTrue((Long) first.get("written_bytes") <= whole && whole < state.length, first::toString);
        Map<String, Object> second = checkpoint("s1");
        assertTrue((Long) second.get("written_bytes") * 100 < whole, second::toString);
        assertTrue((Long) checkpoint("s2").get("written_bytes") * 100 < whole, "another session begins alike");
        assertEquals(4L, json("store", "status", "--json").get("chunks"));
        assertEquals("dry-run", json("resume", "s1", "--dry-run", "--json").get("code"));
        assertEquals("restored", json("resume", "s1", "--json").get("verdict"));
        assertArrayEquals(state, server.slot(0));

        Path file = work.resolve("s1.kvc");
        assertEquals(json("export", "s1", "-o", file, "--json").get("capsule_bytes"), Files.size(file));
        assertEquals(0, exit("decode", file, "-o", work.resolve("decoded"), "--as", "org=acme,user=ann,session=s1"));
        assertArrayEquals(state, Files.readAllBytes(work.resolve("decoded")));
        assertEquals(4, exit("decode", file, "-o", work.resolve("not"), "--as", "org=acme,user=bob,session=s1"));
        lookedAtInParts(file);

        damageAndRecover();

        Path sessions = home.resolve("sessions");
        for (String session : new String[] {"s1", "s2"}) {
            try (var files = Files.newDirectoryStream(sessions.resolve(session), "capsule-*.kvc")) {
                for (Path one : files) {
                    Files.delete(one);
                }
            }
        }
        assertEquals(0L, json("store", "gc", "--json").get("kept_chunks"));
        assertEquals(0L, json("store", "status", "--json").get("chunks"));
    }

    private void lookedAtInParts(Path file) throws Exception {
        Map<String, Object> inspected = json("inspect", file, "--json");
        assertEquals(512L, inspected.get("tokens"));
        assertEquals(Files.size(file), inspected.get("capsule_bytes"));
        assertEquals(4L, ((Map<?, ?>) inspected.get("seal")).get("chunks"));
        assertEquals(512L, json("verify", file, "--as", "org=acme,user=ann,session=s1", "--json").get("tokens"));
        assertEquals(0, exit("keys", "export", "-o", work.resolve("public.jwks")));
        assertEquals(inspected.get("raw_bytes"), json("verify", file, "--keys", work.resolve("public.jwks"), "--json").get("raw_bytes"));
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 1;
        Files.write(work.resolve("damaged.kvc"), bytes);
        assertEquals(4, exit("verify", work.resolve("damaged.kvc"), "--as", "org=acme,user=ann,session=s1"));
        assertEquals(4, exit("verify", work.resolve("damaged.kvc"), "--keys", work.resolve("public.jwks")));
        Files.write(work.resolve("cut.kvc"), Arrays.copyOf(bytes, bytes.length / 3));
        assertEquals(3, exit("inspect", work.resolve("cut.kvc")));
        assertEquals(3, exit("decode", file, "-o", work.resolve("not"), "--unsealed"));
        assertEquals(0, exit("decode", file, "-o", work.resolve("first"), "--as", "org=acme,user=ann,session=s1", "--tokens", "200"));
        assertEquals(0, exit("encode", work.resolve("decoded"), "-o", work.resolve("whole.kvc"), "--codec", "lossless", "--unsealed"));
        assertEquals(0, exit("decode", work.resolve("whole.kvc"), "-o", work.resolve("first-of-whole"), "--unsealed", "--tokens", "200"));
        assertArrayEquals(Files.readAllBytes(work.resolve("first-of-whole")), Files.readAllBytes(work.resolve("first")));
    }

    /** A chunk that is damaged costs one resume, and the next checkpoint makes it anew. */
    private void damageAndRecover() throws Exception {
        Path segment = home.resolve("chunks/00000001.seg");
        byte[] bytes = Files.readAllBytes(segment);
        bytes[5000] ^= 1;
        Files.write(segment, bytes);
        Map<String, Object> verified = json("store", "verify", "--json");
        assertEquals(3L, verified.get("whole_chunks"), verified::toString);
        assertEquals("lost", json("resume", "s1", "--dry-run", "--json").get("code"));
        assertEquals("lost", json("resume", "s1", "--json").get("code"));
        assertTrue((Long) checkpoint("s1").get("written_bytes") > state.length / 2, "nothing is gone on from that may be damaged");
        assertEquals("restored", json("resume", "s1", "--json").get("verdict"));
        Map<String, Object> full = json("checkpoint", "--session", "s1", "--workspace", work, "--full", "--json");
        assertEquals(0L, full.get("chunks"));
        assertEquals("restored", json("resume", "s1", "--json").get("verdict"));
        assertEquals(4L, checkpoint("s1").get("chunks"));
    }
}
