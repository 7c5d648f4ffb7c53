package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.pending.AgentSession;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.MessageKind;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.SessionStore;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The whole way with a real llama-server and a real model: a long prompt is evaluated, its session checkpointed, the server ended, another one started, the session resumed;
 * then a question is asked. Skipped, with the reason, where {@code scripts/real-model.sh server} cannot get them.
 */
@Tag("real-model")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class ResumeRealModelTest {
    private static final int TOKENS = 3000;
    private static final String TOKEN = "ann-token-0123456789";

    @TempDir
    private static Path work;

    private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private String model;
    private String binary;
    private int port;
    private Child server;
    private Child gateway;
    private Path home;
    private Path tokenFile;

    @BeforeAll
    void start() throws Exception {
        Map<String, String> found = RealParts.fetch(work);
        model = found.get("CAPSULE_TEST_MODEL");
        binary = found.get("CAPSULE_TEST_SERVER");
        home = work.resolve("home");
        Files.createDirectory(work.resolve("slots"));
        tokenFile = Files.writeString(work.resolve("token"), TOKEN + "\n");
        Files.createFile(work.resolve("tokens.yaml"), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(work.resolve("tokens.yaml"), TOKEN + ": {org: acme, user: ann, permissions: [infer, export, restore, manage, sessions, metrics]}\n");
        try (Child keys = Child.capsule(work, home, 64, "keys", "new", "--tenant", "acme")) {
            assertEquals(0, keys.await(), keys.err());
        }
        port = Child.freePort();
        startServer();
        // A heap that is smaller than the state: memory does not grow with the context.
        startGateway(48, "exact");
    }

    private void startGateway(int megabytes, String profile) throws Exception {
        gateway = Child.gateway(work, home, megabytes, "--upstream", "http://127.0.0.1:" + port, "--slot-dir", work.resolve("slots"), "--tokens", work.resolve("tokens.yaml"), "--model", model,
                "--profile", profile);
    }

    private void startServer() throws Exception {
        // One thread: two that wait for each other take far longer where other programs want the processors, too.
        server = Child.start(work, "llama-server", Map.of("LD_LIBRARY_PATH", Path.of(binary).getParent().toString()), List.of(binary, "-m", model, "-ngl", 0, "-t", 1, "-c", 4096, "-np", 1,
                "--host", "127.0.0.1", "--port", port, "--slot-save-path", work.resolve("slots"), "--cache-ram", 0));
        server.awaitReady(URI.create("http://127.0.0.1:" + port + "/health"));
    }

    @AfterAll
    void stop() {
        for (Child child : new Child[] {gateway, server}) {
            if (child != null) {
                child.close();
            }
        }
        client.close();
    }

    private Map<String, Object> post(String path, String body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(gateway.address().resolve(path)).header("Authorization", "Bearer " + TOKEN).POST(HttpRequest.BodyPublishers.ofString(body)).build();
        HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
        assertTrue(response.statusCode() / 100 == 2, response.body());
        return Json.readObject(response.body());
    }

    private List<Object> tokenize(String text) throws Exception {
        String quoted = new JsonReport().put("content", text).put("add_special", true).toString();
        return new ArrayList<>((List<?>) post("/tokenize", quoted).get("tokens"));
    }

    private Map<String, Object> complete(List<Object> prompt, int predict) throws Exception {
        return post("/completion", "{\"prompt\":" + prompt + ",\"n_predict\":" + predict + ",\"temperature\":0,\"return_tokens\":true,\"id_slot\":0}");
    }

    private static long timing(Map<String, Object> answer, String name) {
        return (Long) ((Map<?, ?>) answer.get("timings")).get(name);
    }

    private Map<String, Object> capsule(Object... args) throws Exception {
        try (Child child = Child.capsule(work, home, 48, args)) {
            assertEquals(0, child.await(), child.err());
            return Json.readObject(child.out());
        }
    }

    private List<Path> slotFiles() throws IOException {
        try (Stream<Path> files = Files.list(work.resolve("slots"))) {
            return files.filter(file -> !file.getFileName().toString().startsWith(".")).toList();
        }
    }

    @Test
    void aResumedSessionEvaluatesItsNewTokensOnlyAndAnswersTheSame() throws Exception {
        List<Object> prompt = tokenize(Files.readString(RealParts.root().resolve("docs/format.md"))).subList(0, TOKENS);
        List<Object> question = tokenize("\n\nIn one sentence, what is a tile?").subList(1, 9);
        List<Object> both = new ArrayList<>(prompt);
        both.addAll(question);
        assertEquals(TOKENS, timing(complete(prompt, 0), "prompt_n"));

        Map<String, Object> made = capsule("checkpoint", "--session", "s1", "--objective", "Know what a tile is", "--workspace", work, "--gateway", gateway.address(), "--token-file",
                tokenFile, "--json");
        assertEquals((long) TOKENS, made.get("tokens"));
        assertEquals("fetched", ((Map<?, ?>) made.get("capsule")).get("verdict"));
        assertEquals(TOKENS / 128L, made.get("chunks"));
        Object uninterrupted = complete(both, 24).get("tokens");

        server.kill();
        Map<String, Object> without = capsule("resume", "s1", "--json");
        assertEquals("prefill", without.get("verdict"), "a server that is not there fails no resume");
        startServer();

        Map<String, Object> resumed = capsule("resume", "s1", "--json");
        assertEquals("restored", resumed.get("verdict"), resumed::toString);
        assertEquals((long) TOKENS, resumed.get("tokens_reused"));
        assertEquals(1L, resumed.get("tokens_evaluated"), "the one that measures it");
        assertTrue((Double) resumed.get("prefill_seconds_saved") > 0, resumed::toString);
        assertEquals(List.of(), slotFiles());

        Map<String, Object> answer = complete(both, 24);
        assertEquals((long) TOKENS, timing(answer, "cache_n"));
        assertEquals((long) question.size(), timing(answer, "prompt_n"));
        assertEquals(uninterrupted, answer.get("tokens"), "token for token");

        smallDivergesLate(both, uninterrupted);
        laterCheckpointWritesWhatIsNew(made, both);
        serverKilledDuringRestore();
    }

    /** What the smallest profile costs the text: its greedy answer leaves the uninterrupted one somewhere, and that is told. */
    private void smallDivergesLate(List<Object> both, Object uninterrupted) throws Exception {
        gateway.close();
        startGateway(256, "small");
        assertEquals("restored", capsule("resume", "s1", "--gateway", gateway.address(), "--json").get("verdict"));
        Map<String, Object> made = capsule("checkpoint", "--session", "s2", "--workspace", work, "--gateway", gateway.address(), "--token-file", tokenFile, "--json");
        assertTrue((Double) made.get("ratio") > 6, made::toString);
        Map<String, Object> resumed = capsule("resume", "s2", "--json");
        assertEquals("restored", resumed.get("verdict"), resumed::toString);
        assertEquals((long) TOKENS, resumed.get("tokens_reused"));
        List<?> expected = (List<?>) uninterrupted;
        List<?> answer = (List<?>) complete(both, expected.size()).get("tokens");
        int same = 0;
        while (same < expected.size() && expected.get(same).equals(answer.get(same))) {
            same++;
        }
        System.out.printf("profile small, %.1fx smaller: %d of %d greedy tokens are those of the uninterrupted session%n", made.get("ratio"), same, expected.size());
        assertTrue(same > 0, () -> expected + ", " + answer);
        gateway.close();
        startGateway(48, "exact");
        assertEquals("restored", capsule("resume", "s1", "--gateway", gateway.address(), "--json").get("verdict"));
    }

    /** The conversation has gone on by a few tokens: all chunks are there, and the state that is put together is the one that answers. */
    private void laterCheckpointWritesWhatIsNew(Map<String, Object> first, List<Object> both) throws Exception {
        complete(both, 4);
        Map<String, Object> later = capsule("checkpoint", "--session", "s1", "--workspace", work, "--gateway", gateway.address(), "--token-file", tokenFile, "--json");
        assertEquals(first.get("chunks"), later.get("chunks"));
        assertTrue((Long) later.get("tokens") > TOKENS, later::toString);
        assertTrue((Long) later.get("written_bytes") * 3 < (Long) later.get("capsule_bytes"), later::toString);
    }

    /** Killed at any moment of a restore, the server leaves a verdict, and the next one takes the same capsule. */
    private void serverKilledDuringRestore() throws Exception {
        for (int millis : new int[] {400, 900, 1300}) {
            try (Child resume = Child.capsule(work, home, 48, "resume", "s1", "--gateway", gateway.address(), "--json")) {
                Thread.sleep(millis);
                server.kill();
                assertEquals(0, resume.await(), resume.err());
                assertTrue(List.of("restored", "prefill").contains(Json.readObject(resume.out()).get("verdict")));
            }
            assertEquals(List.of(), slotFiles());
            startServer();
        }
        assertEquals("restored", capsule("resume", "s1", "--gateway", gateway.address(), "--json").get("verdict"));
        Map<String, Object> status = capsule("status", "s1", "--json");
        assertEquals("usable", ((Map<?, ?>) status.get("capsule")).get("verdict"));
        assertEquals("restored", ((Map<?, ?>) status.get("last_resume")).get("verdict"));
    }

    private List<Object> prompt(List<Message> messages) throws Exception {
        String body = Json.line(Map.of("messages", messages.stream().map(ResumeRealModelTest::chat).toList()));
        return tokenize((String) post("/apply-template", body).get("prompt"));
    }

    /**
     * A conversation is compacted by the real model; its capsule, in parts and whole, is cut where the old prompt and the new one part, and put back: the frozen prefix is not
     * evaluated again, the summary and the tail are, by the server's own timings. The next checkpoint is the compacted conversation's own.
     */
    @Test
    void aCompactedConversationKeepsTheCacheOfItsFrozenPrefix() throws Exception {
        compactedAndResumed("s3", false);
        compactedAndResumed("s4", true);
    }

    /** Over HTTP the model behind the gateway writes the summary, in the conversation's own slot: its frozen prefix is there again when the conversation goes on, without any capsule. */
    @Test
    void theSlotOfASessionThatIsCompactedOverHttpKeepsItsFrozenPrefix() throws Exception {
        List<Message> conversation = conversation();
        post("/capsule/v1/sessions", "{\"session_id\":\"s5\"}");
        post("/capsule/v1/sessions/s5/messages", Json.line(Map.of("messages", conversation.stream().map(Message::toMap).toList())));
        List<Object> before = prompt(conversation);
        complete(before, 0);
        Map<String, Object> event = post("/capsule/v1/sessions/s5/compact", "{\"tail_turns\":2}");
        assertEquals("model", event.get("summarizer"), event::toString);
        Map<?, ?> boundary = (Map<?, ?>) event.get("capsule_boundary");
        Map<String, Object> summary = Map.of("role", "user", "content", "Summary of the conversation so far:\n" + summaryOf("s5"));
        List<Object> messages = new ArrayList<>(List.of(chat(conversation.getFirst()), summary));
        conversation.subList(7, 11).forEach(message -> messages.add(chat(message)));
        List<Object> after = tokenize((String) post("/apply-template", Json.line(Map.of("messages", messages))).get("prompt"));
        Map<String, Object> evaluated = complete(after, 0);
        assertEquals(boundary.get("tokens"), timing(evaluated, "cache_n"));
        assertEquals(after.size() - timing(evaluated, "cache_n"), timing(evaluated, "prompt_n"));
        System.out.println("compacted over HTTP: " + boundary.get("prompt_tokens_before") + " tokens became " + boundary.get("prompt_tokens") + ", of which " + timing(evaluated, "cache_n")
                + " were still in the slot");
    }

    private static Map<String, Object> chat(Message message) {
        return Map.of("role", message.role().label(), "content", message.content());
    }

    private String summaryOf(String id) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(gateway.address().resolve("/capsule/v1/sessions/" + id)).header("Authorization", "Bearer " + TOKEN).build();
        List<?> messages = (List<?>) Json.readObject(client.send(request, HttpResponse.BodyHandlers.ofString()).body()).get("messages");
        return (String) ((Map<?, ?>) ((Map<?, ?>) messages.get(1)).get("marker")).get("summary");
    }

    private static List<Message> conversation() throws IOException {
        List<String> texts = Files.readString(RealParts.root().resolve("docs/security.md")).lines().filter(line -> line.length() > 80).toList();
        List<Message> conversation = new ArrayList<>(List.of(Message.system("You answer questions about this document.\n" + String.join("\n", texts.subList(0, 4)))));
        for (int turn = 0; turn < 5; turn++) {
            conversation.add(Message.user("What does part " + turn + " say?"));
            conversation.add(Message.assistant(texts.get(4 + turn)));
        }
        return conversation;
    }

    private static Map<?, ?> cut(Map<String, Object> answer) {
        return (Map<?, ?>) answer.get("cut");
    }

    private Map<?, ?> cutInStatus(String id) throws Exception {
        return (Map<?, ?>) ((Map<?, ?>) capsule("status", id, "--json").get("capsule")).get("cut");
    }

    private void compactedAndResumed(String id, boolean whole) throws Exception {
        List<Message> conversation = conversation();
        SessionStore store = LocalSessions.in(home).store();
        AgentSession session = AgentSession.create(store, Session.fresh(id));
        session.append(conversation.toArray(Message[]::new));
        List<Object> before = prompt(conversation);
        complete(before, 0);
        List<Object> checkpoint = new ArrayList<>(List.of("checkpoint", "--session", id, "--workspace", work, "--gateway", gateway.address(), "--token-file", tokenFile, "--json"));
        if (whole) {
            checkpoint.add("--full");
        }
        Map<String, Object> made = capsule(checkpoint.toArray());
        assertEquals(whole ? 0L : before.size() / 128L, made.get("chunks"));

        Map<String, Object> event = capsule("sessions", "compact", id, "--tail", 2, "--summarizer", gateway.address(), "--summarizer-token-file", tokenFile, "--summary-tokens", 40, "--json");
        assertEquals("completed", event.get("event"), event::toString);
        assertEquals(6L, event.get("messages"));
        List<Message> compacted = session.messages();
        assertEquals(MessageKind.SUMMARY, compacted.get(1).kind());
        assertEquals(conversation.subList(7, 11), compacted.subList(2, 6), "the tail is pinned");
        List<Object> after = prompt(compacted);
        int parted = 0;
        while (before.get(parted).equals(after.get(parted))) {
            parted++;
        }
        long shared = parted;
        assertTrue(shared >= prompt(conversation.subList(0, 1)).size() - 8, "at least the instructions: " + shared);
        assertEquals(shared, cut(event).get("kept_tokens"), event::toString);
        assertEquals(shared, session.row().compaction().boundary().orElseThrow().tokens(), "the row says how far the capsule holds");
        assertEquals(shared, cutInStatus(id).get("kept_tokens"));
        assertEquals(cut(event), cut(capsule("resume", id, "--dry-run", "--json")));

        Map<String, Object> resumed = capsule("resume", id, "--json");
        assertEquals("restored", resumed.get("verdict"), resumed::toString);
        assertEquals(shared, resumed.get("tokens_reused"), "by the server's timings, as measured by the gateway");
        assertEquals(cut(event), cut(resumed));
        Map<String, Object> evaluated = complete(after, 0);
        assertEquals(shared, timing(evaluated, "cache_n"));
        assertEquals(after.size() - shared, timing(evaluated, "prompt_n"));
        System.out.println("compacted, capsule " + (whole ? "whole: " : "in parts: ") + before.size() + " tokens became " + after.size() + ", of which " + shared + " came from the capsule and "
                + timing(evaluated, "prompt_n") + " were evaluated, by llama-server's timings");

        Map<String, Object> later = capsule(checkpoint.toArray());
        assertEquals((long) after.size(), later.get("tokens"));
        assertTrue(session.row().compaction().boundary().isEmpty(), "this capsule is the compacted conversation's");
        assertEquals(null, cutInStatus(id));
        assertEquals((long) after.size(), capsule("resume", id, "--json").get("tokens_reused"));
    }
}
