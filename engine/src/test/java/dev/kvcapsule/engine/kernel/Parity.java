package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Runs one lambda through the scalar kernels and the Panama ones, or those of the device that {@value #DEVICE} names: both must give the same bytes, and write no others. Other
 * modules run the kernels' tests for their devices.
 */
final class Parity {
    /** System property with the name of a device. */
    static final String DEVICE = "kvcapsule.test.device";

    private static final int GUARD = 64;
    private static final byte UNTOUCHED = 0x5a;

    private Parity() {}

    /** What one provider does; its result, if not null, must be equal for both. */
    @FunctionalInterface
    interface Work {
        Object run(Kernels kernels, Outputs outputs);
    }

    /** Memory for one output between guard bytes; before the work every byte of it is 0x5a. */
    record Room(String name, boolean compared, MemorySegment memory, long offset, long bytes) {
        /** Just the output's own bytes, for kernels that take no offset. */
        MemorySegment slice() {
            return memory.asSlice(offset, bytes);
        }

        private void verify(String what, String provider) {
            for (long i = 0; i < memory.byteSize(); i++) {
                if (i == offset) {
                    i += bytes;
                }
                if (i < memory.byteSize() && memory.get(ValueLayout.JAVA_BYTE, i) != UNTOUCHED) {
                    throw new AssertionError(what + ": " + provider + " wrote byte " + (i - offset) + " of " + bytes + " of " + name);
                }
            }
        }
    }

    /** One provider's outputs, in the order in which its lambda asked for them. */
    static final class Outputs {
        private final Arena arena;
        private final List<Room> rooms = new ArrayList<>();

        private Outputs(Arena arena) {
            this.arena = arena;
        }

        /** An output whose bytes must be equal for both providers. */
        Room room(String name, long bytes, int skew) {
            return add(name, true, bytes, skew);
        }

        /** An output that a kernel may leave partly undefined. */
        Room scratch(String name, long bytes, int skew) {
            return add(name, false, bytes, skew);
        }

        private Room add(String name, boolean compared, long bytes, int skew) {
            MemorySegment memory = arena.allocate(skew + bytes + GUARD, 64).fill(UNTOUCHED);
            Room room = new Room(name, compared, memory, skew, bytes);
            rooms.add(room);
            return room;
        }

        /** An output by its number. */
        Room get(int i) {
            return rooms.get(i);
        }
    }

    /** The kernels that are compared with the scalar ones. */
    static Kernels other() {
        String device = System.getProperty(DEVICE);
        return device == null ? Kernels.panama() : Devices.named(device, Kernels.scalar());
    }

    /** Both providers. */
    static List<Kernels> providers() {
        return List.of(Kernels.scalar(), other());
    }

    /** Does the work twice, compares, and gives the outputs, which are the same. */
    static Outputs same(Arena arena, String what, Work work) {
        Outputs scalar = new Outputs(arena);
        Outputs others = new Outputs(arena);
        Kernels other = other();
        Object first = work.run(Kernels.scalar(), scalar);
        Object second = work.run(other, others);
        assertEquals(first, second, what);
        assertEquals(scalar.rooms.size(), others.rooms.size(), what);
        for (int i = 0; i < scalar.rooms.size(); i++) {
            Room a = scalar.get(i);
            Room b = others.get(i);
            a.verify(what, "scalar");
            b.verify(what, other.name());
            long at = a.compared ? a.slice().mismatch(b.slice()) : -1;
            if (at >= 0) {
                throw new AssertionError("%s: %s differs at byte %d of %d: scalar %02x, %s %02x"
                        .formatted(what, a.name, at, a.bytes, a.slice().get(ValueLayout.JAVA_BYTE, at), other.name(), b.slice().get(ValueLayout.JAVA_BYTE, at)));
            }
        }
        return others;
    }

    /** Both providers must refuse the call. */
    static void bothRefuse(Class<? extends Exception> exception, String what, Consumer<Kernels> call) {
        for (Kernels kernels : providers()) {
            assertThrows(exception, () -> call.accept(kernels), () -> kernels.name() + " accepts " + what);
        }
    }
}
