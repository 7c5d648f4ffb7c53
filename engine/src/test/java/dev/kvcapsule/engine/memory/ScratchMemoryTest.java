package dev.kvcapsule.engine.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class ScratchMemoryTest {
    @Test
    void aGrowingBufferIsReplacedOnlyByALargerOne() {
        try (GrowingBuffer buffer = new GrowingBuffer()) {
            MemorySegment first = buffer.atLeast(100);
            assertEquals(0, first.address() % 64);
            assertEquals(first.address(), buffer.atLeast(7).address());
            assertEquals(first.address(), buffer.atLeast(100).address());
            MemorySegment second = buffer.atLeast(101);
            assertTrue(second.byteSize() >= 101);
            assertThrows(IllegalStateException.class, () -> first.get(ValueLayout.JAVA_BYTE, 0));
        }
    }

    @Test
    void aClosedGrowingBufferGivesItsMemoryBackAndMayBeUsedAgain() {
        GrowingBuffer buffer = new GrowingBuffer();
        assertEquals(0, buffer.atLeast(0).byteSize());
        MemorySegment segment = buffer.atLeast(8);
        buffer.close();
        buffer.close();
        assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
        assertTrue(buffer.atLeast(8).byteSize() >= 8);
        buffer.close();
    }

    @Property(tries = 200)
    void scratchPiecesAreAlignedLargeEnoughAndApart(@ForAll @Size(max = 6) List<@Size(max = 12) List<@IntRange(min = 0, max = 5000) Integer>> rounds) {
        try (Scratch scratch = new Scratch()) {
            for (List<Integer> sizes : rounds) {
                scratch.reset();
                List<MemorySegment> pieces = new ArrayList<>();
                for (int size : sizes) {
                    MemorySegment piece = scratch.take(size);
                    assertEquals(size, piece.byteSize());
                    assertTrue(size == 0 || piece.address() % 64 == 0);
                    piece.fill((byte) (pieces.size() + 1));
                    pieces.add(piece);
                }
                for (int i = 0; i < pieces.size(); i++) {
                    for (byte b : pieces.get(i).toArray(ValueLayout.JAVA_BYTE)) {
                        assertEquals(i + 1, b);
                    }
                }
            }
        }
    }

    @Test
    void scratchTakesItsMemoryOnceItKnowsHowMuchIsUsed() {
        try (Scratch scratch = new Scratch()) {
            scratch.take(1000);
            scratch.take(2000);
            scratch.reset();
            long first = scratch.take(1000).address();
            assertEquals(first + 1024, scratch.take(2000).address());
            scratch.reset();
            assertEquals(first, scratch.take(3000).address());
        }
    }

    @Test
    void scratchPiecesDieWithTheScratch() {
        Scratch scratch = new Scratch();
        MemorySegment piece = scratch.take(10);
        scratch.close();
        assertThrows(IllegalStateException.class, () -> piece.get(ValueLayout.JAVA_BYTE, 0));
    }
}
