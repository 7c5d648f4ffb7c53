package dev.kvcapsule.gateway;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The llama-server's slots as callers get them: waited for, and without what another user left in them. */
final class Slots {
    private final LlamaServer server;
    private final SlotOwners owners;
    private final Duration wait;
    private SlotTable table;

    Slots(LlamaServer server, SlotOwners owners, Duration wait) {
        this.server = server;
        this.owners = owners;
        this.wait = wait;
    }

    /** The table, made when the server first says how many slots it has. */
    private synchronized SlotTable table() throws IOException {
        if (table == null) {
            table = new SlotTable(owners.read(server.slots()));
        }
        return table;
    }

    /**
     * A slot to generate in, if one that holds nothing of another user's is free now.
     *
     * @param wanted its number; empty for any
     * @return empty if it takes waiting, erasing, or asking the server
     * @throws RequestException if there is no such slot
     */
    Optional<SlotLease> acquireNow(Principal principal, OptionalInt wanted) {
        SlotTable all = known();
        return all == null ? Optional.empty() : all.acquireOwn(principal.owner(), wanted);
    }

    private synchronized SlotTable known() {
        return table;
    }

    /**
     * Waits for a slot. Blocks.
     *
     * @param wanted its number; empty for any
     * @throws RequestException if there is no such slot, it is not the caller's to read, or none comes free in time
     * @throws IOException if the server cannot be reached
     */
    SlotLease acquire(Principal principal, OptionalInt wanted, SlotTable.Use use) throws IOException, InterruptedException {
        SlotTable all = table();
        if (use != SlotTable.Use.GENERATE && server.slots() != all.owners().size()) {
            // It was started anew with others: a number would be another slot than the one whose owner is known.
            throw new RequestException(503, "slots-changed", "the llama-server has another number of slots than before: the gateway is to be started anew");
        }
        SlotLease lease = await(all.acquire(principal.owner(), wanted, use));
        if (!lease.holdsAnothers()) {
            return lease;
        }
        try {
            server.erase(lease.slot());
            all.erased(lease.slot());
            synchronized (owners) {
                owners.write(all.owners());
            }
            if (use == SlotTable.Use.GENERATE) {
                all.share(lease.slot());
            }
            return lease;
        } catch (IOException | InterruptedException | RuntimeException e) {
            all.disown(lease.slot());
            lease.close();
            throw e;
        }
    }

    private SlotLease await(CompletableFuture<SlotLease> future) throws InterruptedException {
        try {
            return future.get(wait.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RequestException refused ? refused : new IllegalStateException(e.getCause());
        } catch (TimeoutException e) {
            if (!future.cancel(false)) {
                // It came in this very moment.
                return future.join();
            }
            throw new RequestException(503, "busy", "no slot came free in " + wait.toSeconds() + " seconds: try again");
        }
    }
}
