package dev.kvcapsule.engine.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class MemoryChannelTest {
    @Test
    void whatIsWrittenIsReadBackInPieces() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(10);
            MemoryChannel out = new MemoryChannel(memory);
            assertEquals(4, out.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4})));
            assertEquals(2, out.write(ByteBuffer.allocateDirect(2).put(0, (byte) 5)));
            assertArrayEquals(new byte[] {1, 2, 3, 4, 5, 0}, out.passed().toArray(ValueLayout.JAVA_BYTE));
            assertThrows(IndexOutOfBoundsException.class, () -> out.write(ByteBuffer.allocate(5)));
            assertEquals(6, out.passed().byteSize(), "nothing of it was written");
            MemoryChannel in = new MemoryChannel(out.passed().asReadOnly());
            ByteBuffer piece = ByteBuffer.allocate(4);
            assertEquals(4, in.read(piece));
            assertEquals(0, in.read(piece), "no room is no end");
            assertEquals(2, in.read(piece.clear()));
            assertEquals(5, piece.get(0));
            assertEquals(-1, in.read(piece));
        }
    }
}
