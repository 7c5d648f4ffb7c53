package dev.kvcapsule.gateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.gateway.SlotTable.Use;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class SlotTableTest {
    private static final Principal.Owner ANN = new Principal.Owner("acme", "ann");
    private static final Principal.Owner BOB = new Principal.Owner("acme", "bob");
    private static final OptionalInt ANY = OptionalInt.empty();

    private final SlotTable table = new SlotTable(Collections.nCopies(2, Optional.empty()));

    private SlotLease now(Principal.Owner owner, OptionalInt slot, Use use) {
        CompletableFuture<SlotLease> lease = table.acquire(owner, slot, use);
        assertTrue(lease.isDone());
        return lease.join();
    }

    /** Takes a slot and says that it has been erased, as its user does. */
    private SlotLease generate(Principal.Owner owner, OptionalInt slot) {
        SlotLease lease = now(owner, slot, Use.GENERATE);
        if (lease.holdsAnothers()) {
            table.erased(lease.slot());
            table.share(lease.slot());
        }
        return lease;
    }

    @Test
    void aSlotKeepsItsOwnerAndIsSharedByIt() {
        SlotLease first = generate(ANN, ANY);
        SlotLease second = now(ANN, ANY, Use.GENERATE);
        assertEquals(first.slot(), second.slot());
        assertFalse(second.holdsAnothers());
        assertEquals(1, generate(BOB, ANY).slot());
        first.close();
        second.close();
        assertFalse(now(ANN, OptionalInt.of(0), Use.READ).holdsAnothers());
    }

    @Test
    void whatIsTakenFromAnotherIsAloneUntilItIsErased() {
        generate(ANN, OptionalInt.of(0)).close();
        SlotLease taken = now(BOB, OptionalInt.of(0), Use.GENERATE);
        assertTrue(taken.holdsAnothers());
        CompletableFuture<SlotLease> more = table.acquire(BOB, OptionalInt.of(0), Use.GENERATE);
        assertFalse(more.isDone());
        table.erased(0);
        assertFalse(more.isDone(), "nothing is written down yet");
        table.share(0);
        assertTrue(more.isDone());
        assertThrows(RequestException.class, () -> table.acquire(ANN, OptionalInt.of(0), Use.READ));
    }

    @Test
    void whatCouldNotBeErasedBelongsToNobody() {
        generate(ANN, OptionalInt.of(0)).close();
        SlotLease taken = now(BOB, OptionalInt.of(0), Use.REPLACE);
        table.disown(0);
        taken.close();
        assertEquals(List.of(Optional.empty(), Optional.empty()), table.owners());
        for (Principal.Owner owner : List.of(ANN, BOB)) {
            assertThrows(RequestException.class, () -> table.acquire(owner, OptionalInt.of(0), Use.READ));
        }
    }

    @Test
    void whatIsNotErasedYetIsNobodys() {
        generate(ANN, OptionalInt.of(0)).close();
        generate(ANN, OptionalInt.of(1)).close();
        SlotLease first = now(BOB, OptionalInt.of(0), Use.GENERATE);
        SlotLease second = now(BOB, OptionalInt.of(1), Use.REPLACE);
        table.erased(1);
        assertEquals(List.of(Optional.empty(), Optional.of(BOB)), table.owners(), "slot 0 holds what is Ann's");
        first.close();
        second.close();
        assertEquals(List.of(Optional.empty(), Optional.of(BOB)), table.owners(), "given back without having been erased");
        assertThrows(RequestException.class, () -> table.acquire(BOB, OptionalInt.of(0), Use.READ));
        assertTrue(now(BOB, OptionalInt.of(0), Use.GENERATE).holdsAnothers());
    }

    @Test
    void whoWaitsIsNotPassed() {
        SlotLease generating = generate(ANN, OptionalInt.of(0));
        CompletableFuture<SlotLease> export = table.acquire(ANN, OptionalInt.of(0), Use.READ);
        CompletableFuture<SlotLease> later = table.acquire(ANN, OptionalInt.of(0), Use.GENERATE);
        assertFalse(export.isDone() || later.isDone());
        generating.close();
        assertTrue(export.isDone());
        assertFalse(later.isDone());
        export.join().close();
        assertTrue(later.isDone());
        later.join().close();
        assertEquals(Optional.of(0), table.acquireOwn(ANN, OptionalInt.of(0)).map(SlotLease::slot), "nobody waits any more");
        assertEquals(Optional.empty(), table.acquireOwn(BOB, OptionalInt.of(0)), "another's is to be erased first");
    }

    @Test
    void aReaderWhoseSlotIsGivenAwayMeanwhileGetsNothing() {
        generate(ANN, OptionalInt.of(0)).close();
        SlotLease bobs = generate(BOB, OptionalInt.of(1));
        SlotLease restoring = now(ANN, OptionalInt.of(0), Use.REPLACE);
        CompletableFuture<SlotLease> replaced = table.acquire(BOB, OptionalInt.of(0), Use.REPLACE);
        CompletableFuture<SlotLease> read = table.acquire(ANN, OptionalInt.of(0), Use.READ);
        restoring.close();
        replaced.join().close();
        assertTrue(read.isCompletedExceptionally());
        bobs.close();
    }

    @Test
    void whoGaveUpHoldsNothing() {
        SlotLease held = now(ANN, OptionalInt.of(0), Use.REPLACE);
        table.erased(0);
        CompletableFuture<SlotLease> given = table.acquire(BOB, OptionalInt.of(0), Use.REPLACE);
        assertTrue(given.cancel(false));
        held.close();
        held.close();
        assertEquals(Optional.of(ANN), table.owners().getFirst());
        assertFalse(now(ANN, OptionalInt.of(0), Use.READ).holdsAnothers());
    }

    @Test
    void numbersAreThoseOfTheServer() {
        for (int slot : new int[] {-1, 2, 7, Integer.MAX_VALUE}) {
            assertEquals("no-slot", assertThrows(RequestException.class, () -> table.acquire(ANN, OptionalInt.of(slot), Use.GENERATE)).code());
        }
    }
}
