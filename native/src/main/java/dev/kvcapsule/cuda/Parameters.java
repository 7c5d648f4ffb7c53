package dev.kvcapsule.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The structure that a kernel takes, field by field in the order of its source, aligned as C does. */
final class Parameters {
    private static final long BYTES = 512;

    private final MemorySegment structure;
    private final MemorySegment pointers;
    private long end;

    Parameters(Arena arena) {
        structure = arena.allocate(BYTES, 16);
        pointers = arena.allocate(ValueLayout.ADDRESS);
        pointers.set(ValueLayout.ADDRESS, 0, structure);
    }

    /** What a launch takes: the address of each parameter, of which there is one. */
    MemorySegment pointers() {
        return pointers;
    }

    Parameters begin() {
        structure.fill((byte) 0);
        end = 0;
        return this;
    }

    private long next(long bytes) {
        long at = (end + bytes - 1) & -bytes;
        end = at + bytes;
        return at;
    }

    Parameters put(long value) {
        structure.set(ValueLayout.JAVA_LONG, next(8), value);
        return this;
    }

    Parameters put(double value) {
        structure.set(ValueLayout.JAVA_DOUBLE, next(8), value);
        return this;
    }

    Parameters put(int value) {
        structure.set(ValueLayout.JAVA_INT, next(4), value);
        return this;
    }

    Parameters put(boolean value) {
        return put(value ? 1 : 0);
    }

    Parameters put(float value) {
        structure.set(ValueLayout.JAVA_FLOAT, next(4), value);
        return this;
    }

    /** An array of a fixed length, of which fewer may be used. */
    Parameters put(short[] values, int length) {
        for (int i = 0; i < length; i++) {
            structure.set(ValueLayout.JAVA_SHORT, next(2), i < values.length ? values[i] : 0);
        }
        return this;
    }
}
