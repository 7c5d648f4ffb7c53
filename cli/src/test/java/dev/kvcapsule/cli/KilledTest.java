package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.gateway.recorded.RecordedServer;
import dev.kvcapsule.sessions.OpenSession;
import dev.kvcapsule.sessions.Resume;
import dev.kvcapsule.sessions.ResumeNote;
import dev.kvcapsule.sessions.SessionFolder;
import dev.kvcapsule.sessions.SessionState;
import dev.kvcapsule.sessions.chunks.LocalChunks;
import dev.kvcapsule.sessions.chunks.PartsSource;
import dev.kvcapsule.sessions.gateway.ClientTls;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import dev.kvcapsule.sessions.gateway.GatewayException;
import dev.kvcapsule.store.ChunkStore;
import dev.kvcapsule.store.StoreReader;
import dev.kvcapsule.testdata.Samples;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Clients and gateways that are killed at any moment of a checkpoint or a resume, and many clients at once: processes of their own, in front of a recorded server. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class KilledTest {
    private static final String TOKEN = "ann-token-0123456789";

    @TempDir
    private Path work;
    private Path home;
    private RecordedServer server;
    private Child gateway;
    private Path tokenFile;
    private byte[] state;

    @BeforeEach
    void start() throws Exception {
        home = work.resolve("home");
        try (InputStream in = Samples.smollm2Code512()) {
            state = in.readAllBytes();
        }
        server = new RecordedServer(Files.createDirectory(work.resolve("slots")), 4, state);
        tokenFile = Files.writeString(work.resolve("token"), TOKEN + "\n");
        Files.createFile(work.resolve("tokens.yaml"), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(work.resolve("tokens.yaml"), TOKEN + ": {org: acme, user: ann, permissions: [infer, export, restore, manage, sessions, metrics]}\n");
        try (Child keys = Child.capsule(work, home, 64, "keys", "new", "--tenant", "acme")) {
            assertEquals(0, keys.await(), keys.err());
        }
        startGateway();
        complete();
    }

    private void startGateway() throws Exception {
        gateway = Child.gateway(work, home, 48, "--upstream", "http://127.0.0.1:" + server.port(), "--slot-dir", work.resolve("slots"), "--tokens", work.resolve("tokens.yaml"),
                "--profile", "exact", "--rate", 10_000);
    }

    @AfterEach
    void stop() {
        if (gateway != null) {
            gateway.close();
        }
        server.close();
    }

    private HttpResponse<String> send(HttpClient client, String path, String body) throws Exception {
        return client.send(HttpRequest.newBuilder(gateway.address().resolve(path)).header("Authorization", "Bearer " + TOKEN).POST(HttpRequest.BodyPublishers.ofString(body)).build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private void complete() throws Exception {
        try (HttpClient client = HttpClient.newHttpClient()) {
            assertEquals(200, send(client, "/completion", "{\"prompt\":\"x\",\"id_slot\":0}").statusCode());
        }
    }

    private Child checkpoint(String objective) throws Exception {
        return Child.capsule(work, home, 48, "checkpoint", "--session", "s1", "--objective", objective, "--workspace", work, "--gateway", gateway.address(), "--token-file", tokenFile);
    }

    private GatewayClient client() throws Exception {
        return new GatewayClient(gateway.address(), Optional.of(TOKEN), ClientTls.NONE, Duration.ofMinutes(1));
    }

    /** What is offered is whole: the state parses, and its capsule restores the very bytes. */
    private SessionState whole() throws Exception {
        try (OpenSession session = LocalSessions.in(home).open("s1"); GatewayClient client = client()) {
            SessionState found = session.read().orElseThrow();
            Resume resume = Resume.of(session, found, new Resume.Wish(Optional.of(client), OptionalInt.of(1), true, true, false));
            assertEquals(ResumeNote.RESTORED, resume.outcome().verdict(), resume.outcome()::toString);
            assertArrayEquals(state, server.slot(1));
            assertEquals(List.of(), slotFiles());
            return found;
        }
    }

    private List<Path> slotFiles() throws Exception {
        try (Stream<Path> files = Files.list(work.resolve("slots"))) {
            return files.filter(file -> !file.getFileName().toString().startsWith(".")).toList();
        }
    }

    private void eventuallyNoSlotFiles() throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!slotFiles().isEmpty()) {
            assertTrue(System.nanoTime() < end, () -> "left behind");
            Thread.sleep(50);
        }
    }

    /** Killed at any moment of a session's removal, a gateway has removed nothing, or the next one removes all: no copy of a capsule opens any more. */
    @Test
    void aRemovalThatAKilledGatewayHasBegunIsEnded() throws Exception {
        for (int millis : new int[] {0, 5, 15, 40, 80, 150}) {
            String id = "removed-" + millis;
            Path copy = work.resolve(id);
            try (HttpClient client = HttpClient.newHttpClient(); GatewayClient sessions = client()) {
                assertEquals(201, send(client, "/capsule/v1/sessions", "{\"session_id\":\"" + id + "\"}").statusCode());
                assertEquals(201, send(client, "/capsule/v1/slots/0/export?keep=true&session=" + id, "").statusCode());
                sessions.export(0, id, OptionalLong.empty(), copy);
                var removal = client.sendAsync(request("/capsule/v1/sessions/" + id).DELETE().build(), HttpResponse.BodyHandlers.ofString());
                Thread.sleep(millis);
                gateway.kill();
                removal.handle((answer, cut) -> "either").get();
            }
            startGateway();
            complete();
            try (HttpClient client = HttpClient.newHttpClient()) {
                if (client.send(request("/capsule/v1/sessions/" + id).build(), HttpResponse.BodyHandlers.ofString()).statusCode() == 200) {
                    assertEquals(200, restored(client, id, copy).statusCode(), "it had not begun");
                    client.send(request("/capsule/v1/sessions/" + id).DELETE().build(), HttpResponse.BodyHandlers.discarding());
                }
                long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
                while (!restored(client, id, copy).body().contains("revoked")) {
                    assertTrue(System.nanoTime() < end, "not ended, killed after " + millis + " ms");
                    Thread.sleep(50);
                }
                assertEquals("{\"capsules\":[]}", client.send(request("/capsule/v1/capsules").build(), HttpResponse.BodyHandlers.ofString()).body());
            }
        }
    }

    private HttpRequest.Builder request(String path) throws Exception {
        return HttpRequest.newBuilder(gateway.address().resolve(path)).header("Authorization", "Bearer " + TOKEN);
    }

    private HttpResponse<String> restored(HttpClient client, String id, Path capsule) throws Exception {
        return client.send(request("/capsule/v1/slots/1/restore?fork=true&session=" + id).POST(HttpRequest.BodyPublishers.ofFile(capsule)).build(), HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void aKilledClientLosesNothingThatWasAcknowledged() throws Exception {
        long start = System.nanoTime();
        try (Child first = checkpoint("0")) {
            assertEquals(0, first.await(), first.err());
        }
        long whole = (System.nanoTime() - start) / 1_000_000;
        String acknowledged = "0";
        for (int point = 1; point <= 9; point++) {
            String next = Integer.toString(point);
            try (Child child = checkpoint(next)) {
                Thread.sleep(whole * (point + 2) / 11);
                child.kill();
                if (child.out().contains("checkpoint written")) {
                    acknowledged = next;
                }
            }
            String found = whole().notes().objective().orElseThrow();
            assertTrue(found.equals(next) || found.equals(acknowledged), "acknowledged " + acknowledged + ", found " + found);
            acknowledged = found;
        }
        try (Stream<Path> files = Files.list(home.resolve("sessions/s1"))) {
            assertEquals(2, files.count(), "capsule and lock: what killed clients left is gone");
        }
        try (StoreReader store = LocalSessions.in(home).chunks().read()) {
            assertEquals(List.of(), store.verify().damaged(), "each chunk is whole or not there");
        }
    }

    @Test
    void aClientKilledDuringAResumeLeavesTheSessionAsItWas() throws Exception {
        try (Child first = checkpoint("0")) {
            assertEquals(0, first.await(), first.err());
        }
        long start = System.nanoTime();
        try (Child resume = resume()) {
            assertEquals(0, resume.await(), resume.err());
        }
        long whole = (System.nanoTime() - start) / 1_000_000;
        for (int point = 1; point <= 5; point++) {
            try (Child resume = resume()) {
                Thread.sleep(whole * (point + 1) / 7);
                resume.kill();
            }
            assertEquals("0", whole().notes().objective().orElseThrow());
            eventuallyNoSlotFiles();
        }
    }

    private Child resume() throws Exception {
        return Child.capsule(work, home, 48, "resume", "s1", "--slot", 1);
    }

    @Test
    void aKilledGatewayLeavesNoHalfCapsuleAndNoState() throws Exception {
        try (Child first = checkpoint("0")) {
            assertEquals(0, first.await(), first.err());
        }
        for (int millis : new int[] {40, 150, 400, 60, 200}) {
            // Export at the first points, restore at the last ones.
            boolean export = millis != 60 && millis != 200;
            boolean incremental = millis != 150;
            Path file = work.resolve("part.kvc");
            try (GatewayClient client = client(); ExecutorService one = Executors.newVirtualThreadPerTaskExecutor()) {
                Future<Boolean> done = one.submit(() -> attempt(client, export, incremental, file));
                Thread.sleep(millis);
                gateway.kill();
                boolean succeeded = done.get();
                assertEquals(export && succeeded, Files.exists(file), "what did not arrive whole is not there");
                Files.deleteIfExists(file);
            }
            startGateway();
            assertEquals(List.of(), slotFiles());
            assertEquals("0", whole().notes().objective().orElseThrow());
        }
    }

    private boolean attempt(GatewayClient client, boolean export, boolean incremental, Path file) throws Exception {
        try {
            if (export && incremental) {
                LocalChunks chunks = new LocalChunks(home.resolve("sessions"), home.resolve("chunks"));
                try (ChunkStore store = chunks.write(LocalChunks.MOST_BYTES)) {
                    client.export(0, "s2", OptionalLong.empty(), List.of(), store, file);
                }
            } else if (export) {
                client.export(0, "s2", OptionalLong.empty(), file);
            } else {
                SessionFolder sessions = LocalSessions.in(home);
                try (PartsSource parts = PartsSource.open(sessions.capsule("s1", sessions.read("s1").orElseThrow().capsule().orElseThrow()), sessions.chunks()).orElseThrow()) {
                    client.restore(new GatewayClient.Wanted(OptionalInt.of(1), "s1", true, Optional.empty()), parts);
                }
            }
            return true;
        } catch (GatewayException e) {
            return false;
        }
    }

    @Test
    void thirtyTwoClientsAtOnceInAHeapOfFortyEightMegabytes() throws Exception {
        Path capsule = work.resolve("one.kvc");
        try (GatewayClient client = client()) {
            client.export(0, "s1", OptionalLong.empty(), capsule);
        }
        byte[] upload = Files.readAllBytes(capsule);
        List<Callable<Integer>> work32 = new ArrayList<>();
        try (HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build(); ExecutorService pool = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 32; i++) {
                int number = i;
                work32.add(() -> switch (number % 4) {
                    case 0 -> send(http, "/completion", "{\"prompt\":\"x\",\"stream\":true,\"n_predict\":50,\"piece\":4096,\"id_slot\":" + number % 3 + "}").statusCode();
                    case 1 -> http.send(request("/capsule/v1/slots/0/export?session=s1", new byte[0]), HttpResponse.BodyHandlers.discarding()).statusCode();
                    case 2 -> http.send(request("/capsule/v1/slots/" + number % 4 + "/restore?session=s1", upload), HttpResponse.BodyHandlers.discarding()).statusCode();
                    default -> http.send(request("/capsule/v1/slots/3/restore?session=s1", Arrays.copyOf(upload, upload.length / 2)), HttpResponse.BodyHandlers.discarding())
                            .statusCode();
                });
            }
            List<Integer> expected = new ArrayList<>();
            for (int i = 0; i < 32; i++) {
                expected.add(i % 4 == 3 ? 422 : 200);
            }
            List<Integer> found = new ArrayList<>();
            for (Future<Integer> one : pool.invokeAll(work32)) {
                found.add(one.get());
            }
            assertEquals(expected, found, gateway.err());
        }
        eventuallyNoSlotFiles();
        assertTrue(!gateway.err().contains("OutOfMemory"), gateway.err());
    }

    private HttpRequest request(String path, byte[] body) throws Exception {
        return HttpRequest.newBuilder(URI.create(gateway.address() + path)).header("Authorization", "Bearer " + TOKEN).POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
    }
}
