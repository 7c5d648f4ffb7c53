package dev.kvcapsule.gateway;

import dev.kvcapsule.sessions.compaction.EndpointSummarizer;
import dev.kvcapsule.sessions.compaction.Summarizer;
import java.io.IOException;
import java.net.URI;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Has the llama-server behind the gateway write a summary, in a slot of the user whose session it is. What that slot held is put back: the conversation's frozen prefix is to be there
 * when it goes on.
 */
final class SlotSummarizer implements Summarizer {
    private final Principal principal;
    private final LlamaServer server;
    private final Slots slots;
    private final SlotFolder folder;
    private final URI upstream;
    private final SummarizerOptions options;

    SlotSummarizer(Principal principal, LlamaServer server, Slots slots, SlotFolder folder, URI upstream, SummarizerOptions options) {
        this.principal = principal;
        this.server = server;
        this.slots = slots;
        this.folder = folder;
        this.upstream = upstream;
        this.options = options;
    }

    @Override
    public String summarize(Request request) throws IOException {
        try {
            principal.require(Permission.INFER);
            return summarizeInSlot(request);
        } catch (RequestException e) {
            throw new IOException(e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while a summary was written");
        }
    }

    private String summarizeInSlot(Request request) throws IOException, InterruptedException {
        String name = folder.newName();
        try (SlotLease lease = slots.acquire(principal, OptionalInt.empty(), SlotTable.Use.REPLACE);
                EndpointSummarizer model = new EndpointSummarizer(upstream, Optional.empty(), options.model(), options.maxTokens(), options.total(), Map.of("id_slot", lease.slot()))) {
            boolean held = server.save(lease.slot(), name) > 0;
            try {
                return model.summarize(request);
            } finally {
                putBack(lease.slot(), name, held);
            }
        } finally {
            folder.delete(name);
        }
    }

    private void putBack(int slot, String name, boolean held) throws IOException, InterruptedException {
        if (held) {
            server.restore(slot, name);
        } else {
            server.erase(slot);
        }
    }

    @Override
    public String writer() {
        return "model";
    }
}
