package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Lifetimes: closing twice, using what is closed, and leaving open. */
class CudaHandlesTest {
    @BeforeEach
    void require() {
        StandIn.require();
    }

    @Test
    void closingTwiceDoesNothingAndUseAfterClosingIsRefused() {
        try (CudaContext context = CudaContext.open(0)) {
            CudaStream stream = new CudaStream(context);
            CudaEvent event = new CudaEvent(context);
            event.record(stream);
            event.synchronize();
            stream.close();
            stream.close();
            assertThrows(IllegalStateException.class, stream::synchronize);
            assertThrows(IllegalStateException.class, () -> event.record(stream));
            event.close();
            assertThrows(IllegalStateException.class, event::synchronize);
        }
        assertEquals(0, StandIn.alive());
    }

    @Test
    void memoryEndsWithItsArena() {
        try (CudaContext context = CudaContext.open(0)) {
            MemorySegment memory;
            MemorySegment pinned;
            long unused = context.memoryBytes()[0];
            try (Arena arena = Arena.ofShared()) {
                memory = context.allocate(arena, 1000);
                pinned = context.allocatePinned(arena, 1000);
                assertTrue(context.isDevice(memory.asSlice(999)));
                assertTrue(!context.isDevice(pinned));
                long[] bytes = context.memoryBytes();
                assertEquals(1000, unused - bytes[0]);
                assertTrue(bytes[0] < bytes[1]);
                pinned.set(ValueLayout.JAVA_BYTE, 999, (byte) 1);
            }
            assertThrows(IllegalStateException.class, () -> pinned.get(ValueLayout.JAVA_BYTE, 0));
            assertThrows(IllegalStateException.class, () -> Operation.check(memory, 0, 1));
            assertTrue(!context.isDevice(memory));
        }
        assertEquals(0, StandIn.alive());
    }

    @Test
    void aContextWithOpenThingsDoesNotClose() {
        CudaContext context = CudaContext.open(0);
        CudaStream stream = new CudaStream(context);
        assertTrue(assertThrows(IllegalStateException.class, context::close).getMessage().startsWith("1 streams"));
        stream.close();
        context.close();
        context.close();
        assertThrows(IllegalStateException.class, () -> new CudaStream(context));
        assertThrows(IllegalStateException.class, () -> CudaContext.open(1));
        assertThrows(IllegalStateException.class, () -> CudaContext.open(-1));
        assertEquals(0, StandIn.alive());
    }

    @Test
    void copiesGoThereAndBack() {
        try (CudaKernels cuda = StandIn.open(); Arena arena = Arena.ofConfined(); Arena there = Arena.ofShared()) {
            DeviceMemory memory = new DeviceMemory(cuda.device());
            // More than the ring of pinned memory, and no multiple of its pieces.
            byte[] bytes = new byte[(int) PinnedRing.BYTES + 12_345];
            new java.util.Random(1).nextBytes(bytes);
            MemorySegment host = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
            MemorySegment a = memory.allocate(there, bytes.length);
            MemorySegment b = memory.allocate(there, bytes.length);
            memory.copy(host, 0, a, 0, bytes.length);
            memory.copy(a, 5, b, 7, bytes.length - 7);
            memory.fill(b.asSlice(0, 7), (byte) 3);
            MemorySegment back = arena.allocate(bytes.length);
            memory.copy(b, 0, back, 0, bytes.length);
            assertArrayEquals(new byte[] {3, 3, 3, 3, 3, 3, 3}, back.asSlice(0, 7).toArray(ValueLayout.JAVA_BYTE));
            assertEquals(-1, back.asSlice(7).mismatch(host.asSlice(5, bytes.length - 7)));
            assertThrows(IndexOutOfBoundsException.class, () -> memory.copy(a, 1, back, 0, bytes.length));
        }
        assertEquals(0, StandIn.alive());
    }

    @Test
    void whatNobodyClosesIsComplainedAbout() throws InterruptedException {
        CudaContext context = CudaContext.open(0);
        long before = Leaks.seen();
        // Taken through the back door, so that the stand-in's count can be put right.
        long handle = leak(context);
        for (int i = 0; i < 200 && Leaks.seen() == before; i++) {
            System.gc();
            Thread.sleep(10);
        }
        assertEquals(before + 1, Leaks.seen());
        assertEquals(0, dev.kvcapsule.cuda.driver.CudaDriver.cuStreamDestroy_v2(MemorySegment.ofAddress(handle)));
        context.release(() -> 0, "the stream that was left open");
        context.close();
        assertEquals(0, StandIn.alive());
    }

    private static long leak(CudaContext context) {
        return new CudaStream(context).handle().address();
    }
}
