package dev.kvcapsule.gateway;

import dev.kvcapsule.sessions.compaction.CompactionEvent;
import dev.kvcapsule.sessions.compaction.CompactionSettings;
import dev.kvcapsule.sessions.compaction.Compactor;
import dev.kvcapsule.sessions.compaction.EndpointSummarizer;
import dev.kvcapsule.sessions.compaction.ExtractiveSummarizer;
import dev.kvcapsule.sessions.compaction.FallbackSummarizer;
import dev.kvcapsule.sessions.compaction.Summarizer;
import dev.kvcapsule.sessions.compaction.TemplateTokenizer;
import dev.kvcapsule.sessions.fields.Fields;
import dev.kvcapsule.sessions.store.SessionStore;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Compacts sessions over HTTP: with a summary of the client's, of the model that was configured, or of lines that are taken over. The llama-server tells the tokens before and after,
 * so that the row says how far a capsule still holds.
 */
final class SessionCompaction {
    private final GatewayOptions options;
    private final LlamaServer server;
    private final Slots slots;
    private final SlotFolder folder;

    SessionCompaction(GatewayOptions options, LlamaServer server, Slots slots, SlotFolder folder) {
        this.options = options;
        this.server = server;
        this.slots = slots;
        this.folder = folder;
    }

    /** What a client wants. */
    private record Wish(Optional<String> summary, Optional<String> summarizer, OptionalLong window, int tail, Map<String, Object> request) {
        static Wish read(Fields body) throws IOException {
            Wish wish = new Wish(body.text("summary"), body.text("summarizer"), body.number("window"), Math.clamp(body.number("tail_turns").orElse(4), 0, 1 << 20), body.any("request"));
            body.end();
            if (wish.summarizer.isPresent() && (wish.summary.isPresent() || !wish.summarizer.get().matches("model|extractive"))) {
                throw new RequestException(400, "usage", "summarizer is model or extractive, and there is none beside a summary");
            }
            return wish;
        }
    }

    /** A summary that the client wrote. */
    private record Given(String text) implements Summarizer {
        @Override
        public String summarize(Request request) {
            return text;
        }

        @Override
        public String writer() {
            return "client";
        }
    }

    /** Compacts, and answers with what came of it. */
    void compact(SessionRequest request, Principal principal, Fields body) throws IOException {
        Wish wish = Wish.read(body);
        Optional<Map<String, Object>> before = request.before();
        if (before.isPresent()) {
            request.answer(200, before.get());
            return;
        }
        request.requireVersion();
        CompactionSettings usual = CompactionSettings.ofWindow(wish.window.orElse(Integer.MAX_VALUE));
        CompactionSettings settings = new CompactionSettings(usual.window(), usual.reserve(), usual.threshold(), wish.tail);
        CompactionEvent event = wish.summary.isPresent() ? compacted(request, wish, settings, new Given(wish.summary.get())) : compactedByUs(request, principal, wish, settings);
        boolean waits = event instanceof CompactionEvent.Skipped skipped && skipped.reason() == CompactionEvent.Skipped.Reason.PENDING_STATE;
        if (event instanceof CompactionEvent.Completed) {
            request.done(event.toMap());
        }
        request.answer(waits ? 409 : 200, event.toMap());
    }

    private CompactionEvent compactedByUs(SessionRequest request, Principal principal, Wish wish, CompactionSettings settings) throws IOException {
        SummarizerOptions writer = options.summarizer();
        Summarizer extractive = ExtractiveSummarizer.ofTokens(writer.maxTokens());
        if (wish.summarizer.equals(Optional.of("extractive")) || writer.writer() == SummarizerOptions.Writer.EXTRACTIVE) {
            return compacted(request, wish, settings, extractive);
        }
        if (writer.writer() == SummarizerOptions.Writer.UPSTREAM) {
            return compacted(request, wish, settings, new FallbackSummarizer(new SlotSummarizer(principal, server, slots, folder, options.upstream(), writer), extractive));
        }
        try (EndpointSummarizer model = new EndpointSummarizer(writer.endpoint().orElseThrow(), writer.token(), writer.model(), writer.maxTokens(), writer.total())) {
            return compacted(request, wish, settings, new FallbackSummarizer(model, extractive));
        }
    }

    private CompactionEvent compacted(SessionRequest request, Wish wish, CompactionSettings settings, Summarizer summarizer) throws IOException {
        SessionStore store = request.store();
        Compactor compactor = new Compactor(store, settings, summarizer, new TemplateTokenizer(server, wish.request), event -> { });
        return wish.window.isPresent() ? compactor.compactIfNeeded(request.id()) : compactor.compact(request.id());
    }
}
