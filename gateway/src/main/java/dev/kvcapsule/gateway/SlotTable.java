package dev.kvcapsule.gateway;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * Whose tokens each slot of the llama-server holds, and who may use it now. A slot keeps its owner after use, since its cache stays; another user gets it only when
 * nobody uses it, and erased. Exports and restores have a slot to themselves; requests of its owner share it, and the server puts them in order. First come, first served.
 */
final class SlotTable {
    /** What is wanted of a slot. */
    enum Use {
        /** A request that passes through: shared with others of the same owner, taken from another owner if need be. */
        GENERATE,
        /** The slot's contents, which must be the caller's; alone. */
        READ,
        /** To replace the contents; alone. */
        REPLACE
    }

    private static final class Slot {
        Optional<Principal.Owner> owner = Optional.empty();
        int users;
        boolean alone;
        /** Taken from another owner, whose tokens it may hold until {@link #erased}. */
        boolean erasing;
        long lastUsed;
    }

    private record Waiter(Principal.Owner owner, OptionalInt slot, Use use, CompletableFuture<SlotLease> lease) {}

    private final List<Slot> slots = new ArrayList<>();
    private final List<Waiter> waiters = new ArrayList<>();
    private long uses;

    /** @param owners of the slots, by number; empty where a slot may hold anybody's tokens */
    SlotTable(List<Optional<Principal.Owner>> owners) {
        for (Optional<Principal.Owner> owner : owners) {
            Slot slot = new Slot();
            slot.owner = owner;
            slots.add(slot);
        }
    }

    /** Whose tokens the slots hold, by number: nobody's where what another left is still being erased. Whoever reads it later may give each slot's contents to its owner. */
    synchronized List<Optional<Principal.Owner>> owners() {
        return slots.stream().map(slot -> slot.erasing ? Optional.<Principal.Owner>empty() : slot.owner).toList();
    }

    /**
     * Asks for a slot.
     *
     * @param wanted its number; empty for any
     * @return completes when it is there; to be cancelled by who does not wait any longer, and closed by who got it
     * @throws RequestException if there is no such slot, or it is to be read and is not the caller's
     */
    CompletableFuture<SlotLease> acquire(Principal.Owner owner, OptionalInt wanted, Use use) {
        synchronized (this) {
            requireKnown(wanted);
            if (use == Use.READ && (wanted.isEmpty() || !slots.get(wanted.getAsInt()).owner.equals(Optional.of(owner)))) {
                throw new RequestException(404, "not-found", "no such slot for this caller: it holds nothing that this user's requests through the gateway have left there");
            }
            Waiter waiter = new Waiter(owner, wanted, use, new CompletableFuture<>());
            waiters.add(waiter);
            serve();
            return waiter.lease;
        }
    }

    /**
     * A slot of one's own to generate in, if it can be had at once.
     *
     * @throws RequestException if there is no such slot
     */
    synchronized Optional<SlotLease> acquireOwn(Principal.Owner owner, OptionalInt wanted) {
        requireKnown(wanted);
        if (!waiters.isEmpty()) {
            return Optional.empty();
        }
        Waiter waiter = new Waiter(owner, wanted, Use.GENERATE, new CompletableFuture<>());
        OptionalInt found = find(waiter, Set.of());
        if (found.isEmpty() || !slots.get(found.getAsInt()).owner.equals(Optional.of(owner))) {
            return Optional.empty();
        }
        grant(waiter, found.getAsInt());
        return Optional.of(waiter.lease.join());
    }

    /** llama-server takes numbers modulo its slots: one that is too large would be somebody else's. */
    private void requireKnown(OptionalInt wanted) {
        if (wanted.isPresent() && (wanted.getAsInt() < 0 || wanted.getAsInt() >= slots.size())) {
            throw new RequestException(404, "no-slot", "the server has slots 0 to " + (slots.size() - 1));
        }
    }

    /** In the order they came: who waits is not passed by those that could share what it waits for. */
    private void serve() {
        Set<Integer> reserved = new HashSet<>();
        for (Iterator<Waiter> all = waiters.iterator(); all.hasNext(); ) {
            Waiter waiter = all.next();
            if (waiter.lease.isDone()) {
                all.remove();
                continue;
            }
            OptionalInt found = find(waiter, reserved);
            if (found.isPresent()) {
                all.remove();
                grant(waiter, found.getAsInt());
            } else if (waiter.slot.isPresent()) {
                reserved.add(waiter.slot.getAsInt());
            } else {
                return;
            }
        }
    }

    private void grant(Waiter waiter, int number) {
        Slot slot = slots.get(number);
        boolean mine = slot.owner.equals(Optional.of(waiter.owner));
        if (waiter.use == Use.READ && !mine) {
            waiter.lease.completeExceptionally(new RequestException(404, "not-found", "no such slot for this caller: it has been given to another user meanwhile"));
            return;
        }
        slot.users++;
        // What is taken from another owner is shared once it is erased.
        slot.alone = waiter.use != Use.GENERATE || !mine;
        slot.erasing = !mine;
        slot.lastUsed = ++uses;
        SlotLease lease = new SlotLease(number, !mine, () -> release(slot));
        slot.owner = Optional.of(waiter.owner);
        if (!waiter.lease.complete(lease)) {
            // Given up in this very moment: what it held is not erased, so it belongs to nobody.
            slot.users--;
            slot.alone = false;
            disownUnlessErased(slot);
        }
    }

    private void release(Slot slot) {
        synchronized (this) {
            slot.users--;
            slot.alone = false;
            disownUnlessErased(slot);
            serve();
        }
    }

    /** Who gives a slot back that was taken from another and not erased leaves it to nobody. */
    private static void disownUnlessErased(Slot slot) {
        if (slot.erasing) {
            slot.owner = Optional.empty();
            slot.erasing = false;
        }
    }

    /** Says that a slot that was taken from another owner has been erased: it is its new owner's from now on, and still alone. */
    synchronized void erased(int number) {
        slots.get(number).erasing = false;
    }

    /** Says that a slot to generate in, which was taken from another owner, is written down as its new owner's: others of that owner may share it. */
    synchronized void share(int number) {
        slots.get(number).alone = false;
        serve();
    }

    /** Says that a slot that was taken from another owner could not be erased, or not be written down as the new one's: it belongs to nobody, and nobody may read it. */
    synchronized void disown(int number) {
        Slot slot = slots.get(number);
        slot.owner = Optional.empty();
        slot.erasing = false;
    }

    /** One's own slot if it can be had, last used first since it most likely holds the same conversation; then a free one; then the one that has been idle longest. */
    private OptionalInt find(Waiter waiter, Set<Integer> reserved) {
        if (waiter.slot.isPresent()) {
            int number = waiter.slot.getAsInt();
            return !reserved.contains(number) && usable(slots.get(number), waiter) ? waiter.slot : OptionalInt.empty();
        }
        int best = -1;
        for (int i = 0; i < slots.size(); i++) {
            if (!reserved.contains(i) && usable(slots.get(i), waiter) && (best < 0 || preferred(slots.get(i), slots.get(best), waiter.owner))) {
                best = i;
            }
        }
        return best < 0 ? OptionalInt.empty() : OptionalInt.of(best);
    }

    private static boolean preferred(Slot a, Slot b, Principal.Owner owner) {
        int byRank = Integer.compare(rank(a, owner), rank(b, owner));
        return byRank != 0 ? byRank < 0 : rank(a, owner) == 0 ? a.lastUsed > b.lastUsed : a.lastUsed < b.lastUsed;
    }

    private static int rank(Slot slot, Principal.Owner owner) {
        return slot.owner.equals(Optional.of(owner)) ? 0 : slot.owner.isEmpty() ? 1 : 2;
    }

    private static boolean usable(Slot slot, Waiter waiter) {
        if (slot.users == 0) {
            return true;
        }
        return waiter.use == Use.GENERATE && !slot.alone && slot.owner.equals(Optional.of(waiter.owner));
    }
}
