package dev.kvcapsule.cli;

import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.CapsuleCut;
import dev.kvcapsule.sessions.GatewayNote;
import dev.kvcapsule.sessions.SessionState;
import dev.kvcapsule.sessions.compaction.CompactionEvent;
import dev.kvcapsule.sessions.compaction.CompactionSettings;
import dev.kvcapsule.sessions.compaction.Compactor;
import dev.kvcapsule.sessions.compaction.EndpointSummarizer;
import dev.kvcapsule.sessions.compaction.ExtractiveSummarizer;
import dev.kvcapsule.sessions.compaction.PromptTokenizer;
import dev.kvcapsule.sessions.compaction.Summarizer;
import dev.kvcapsule.sessions.compaction.TemplateTokenizer;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A shorter conversation. */
@Command(name = "compact", mixinStandardHelpOptions = true, sortOptions = false, description = "Replaces the middle of a conversation by a summary; instructions and the last turns stay.",
        footerHeading = "%nExamples:%n", footer = {"  capsule sessions compact train-7                     lines are taken over, without a model",
            "  capsule sessions compact train-7 --summarizer http://127.0.0.1:8081 --window 8192"})
final class SessionsCompactCommand implements Callable<Integer> {
    @Parameters(paramLabel = "ID", description = "The session.")
    private String id;

    @Option(names = "--tail", paramLabel = "TURNS", defaultValue = "4", description = "Turns at the end that stay (default: ${DEFAULT-VALUE}).")
    private int tail;

    @Option(names = "--window", paramLabel = "TOKENS", description = "Only if the conversation, as it was measured last, fills four fifths of this window, less an eighth for the answer (default: in any case).")
    private Long window;

    @Option(names = "--summarizer", paramLabel = "URL", description = "An OpenAI-compatible endpoint that writes the summary (default: lines are taken over, without a model).")
    private URI endpoint;

    @Option(names = "--summarizer-token-file", paramLabel = "F", description = "Holds its bearer token, on its first line.")
    private Path tokenFile;

    @Option(names = "--summarizer-model", paramLabel = "NAME", defaultValue = "default", description = "The model's name there.")
    private String model;

    @Option(names = "--summary-tokens", paramLabel = "N", defaultValue = "512", description = "Longest summary (default: ${DEFAULT-VALUE}).")
    private int summaryTokens;

    @Option(names = "--time-limit", paramLabel = "10m", defaultValue = "10m", description = "Longest time of the summarizer (default: ${DEFAULT-VALUE}).", converter = DurationConverter.class)
    private Duration timeLimit;

    @Option(names = "--request", paramLabel = "FILE", description = "A JSON object of what else the agent's requests say that the model's template sees, such as tools: where the capsule is cut depends on it.")
    private Path request;

    @Mixin
    private OwnerOptions options;

    @Override
    public Integer call() throws IOException {
        if (tail < 1 || summaryTokens < 1) {
            throw new Failures.UsageException("--tail and --summary-tokens are at least 1");
        }
        try (DatabaseOptions.Sessions sessions = options.existing()) {
            SessionOptions.required(sessions.store(), id);
            Optional<SessionState> state = options.isLocal() ? sessions.folder().read(id) : Optional.empty();
            CompactionEvent event = compact(sessions, state.flatMap(SessionState::gateway));
            Optional<CapsuleCut> capsule = event instanceof CompactionEvent.Completed done ? state.flatMap(SessionState::capsule).flatMap(note -> CapsuleCut.of(note, done.boundary())) : Optional.empty();
            if (options.json()) {
                JsonReport report = new JsonReport();
                event.toMap().forEach(report::put);
                report.put("cut", capsule.map(CapsuleCut::toMap).orElse(null));
                options.out().println(report);
            } else {
                print(event, capsule);
            }
            return event instanceof CompactionEvent.Skipped skipped && skipped.reason() == CompactionEvent.Skipped.Reason.SUMMARIZER_FAILED ? ExitCode.INPUT_OUTPUT : ExitCode.DONE;
        }
    }

    private void print(CompactionEvent event, Optional<CapsuleCut> capsule) {
        options.out().println(switch (event) {
            case CompactionEvent.Completed done -> id + ": a summary (" + done.summarizer() + ") stands for " + done.messages() + " messages; compacted " + done.count() + " times";
            case CompactionEvent.Skipped skipped -> id + ": as it was (" + skipped.reason().label() + "): " + skipped.detail();
            case CompactionEvent.Started started -> id + ": " + started.messages() + " messages";
        });
        if (event instanceof CompactionEvent.Completed done) {
            done.boundary().ifPresent(parted -> options.out().println("prompt: " + parted.tokensBefore() + " tokens became " + parted.promptTokens()));
            capsule.ifPresent(cut -> options.out().println("capsule: " + cut));
            done.notes().forEach(note -> options.err().println("capsule: note: " + note));
        }
    }

    private CompactionEvent compact(DatabaseOptions.Sessions sessions, Optional<GatewayNote> gateway) throws IOException {
        Map<String, Object> extra = request == null ? Map.of() : Inputs.about(request.toString(), () -> Json.readObject(Files.readString(request)));
        if (gateway.isEmpty()) {
            return compact(sessions, PromptTokenizer.NONE);
        }
        GatewayClient client;
        try {
            client = SessionOptions.client(gateway.get(), timeLimit);
        } catch (IOException e) {
            return compact(sessions, messages -> {
                throw e;
            });
        }
        try (client) {
            return compact(sessions, new TemplateTokenizer(client, extra));
        }
    }

    private CompactionEvent compact(DatabaseOptions.Sessions sessions, PromptTokenizer tokenizer) throws IOException {
        CompactionSettings usual = CompactionSettings.ofWindow(window == null ? Integer.MAX_VALUE : window);
        CompactionSettings settings = new CompactionSettings(usual.window(), usual.reserve(), usual.threshold(), tail);
        if (endpoint == null) {
            return compact(sessions, settings, ExtractiveSummarizer.ofTokens(summaryTokens), tokenizer);
        }
        Optional<String> token = tokenFile == null ? Optional.empty() : Optional.of(TokenFile.read(tokenFile));
        try (EndpointSummarizer summarizer = new EndpointSummarizer(endpoint, token, model, summaryTokens, timeLimit)) {
            return compact(sessions, settings, summarizer, tokenizer);
        }
    }

    private CompactionEvent compact(DatabaseOptions.Sessions sessions, CompactionSettings settings, Summarizer summarizer, PromptTokenizer tokenizer) throws IOException {
        Compactor compactor = new Compactor(sessions.store(), settings, summarizer, tokenizer, event -> { });
        return window == null ? compactor.compact(id) : compactor.compactIfNeeded(id);
    }
}
