package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Which components are kept how: groups of consecutive components, from the first on; components behind the last group are not kept.
 *
 * @param groups the groups
 */
record BitAllocation(List<Group> groups) {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int[] SIZES = {1, 16, 64, 256, 1024};
    private static final int TYPES = GroupType.values().length;

    /** Some components. */
    record Group(int size, GroupType type) {}

    /** Copies the list. */
    BitAllocation {
        groups = List.copyOf(groups);
    }

    /** The sizes a group may have. */
    static int[] sizes() {
        return SIZES.clone();
    }

    /** Components in all groups. */
    int components() {
        return groups.stream().mapToInt(Group::size).sum();
    }

    /** Bytes that a token takes. */
    long tokenBytes() {
        return groups.stream().mapToLong(group -> group.type().bytes(group.size())).sum();
    }

    /** Appends the stored form: u32 number of groups, then a byte each, 4 x index of the size + type. */
    void write(ByteArrayOutputStream out) {
        for (int shift = 0; shift < Integer.SIZE; shift += Byte.SIZE) {
            out.write(groups.size() >>> shift);
        }
        for (Group group : groups) {
            out.write(TYPES * java.util.Arrays.binarySearch(SIZES, group.size()) + group.type().ordinal());
        }
    }

    /** Bytes that {@link #write} appends. */
    long storedBytes() {
        return Integer.BYTES + groups.size();
    }

    /**
     * Reads the stored form.
     *
     * @param components components there are
     */
    static BitAllocation read(MemorySegment stored, long at, int components) throws MalformedDataException {
        int count = stored.byteSize() - at < Integer.BYTES ? -1 : stored.get(INT, at);
        if (count < 0 || count > stored.byteSize() - at - Integer.BYTES || count > components) {
            throw new MalformedDataException("allocation of " + count + " groups");
        }
        List<Group> groups = new ArrayList<>();
        long total = 0;
        for (int i = 0; i < count; i++) {
            int code = Byte.toUnsignedInt(stored.get(ValueLayout.JAVA_BYTE, at + Integer.BYTES + i));
            if (code >= TYPES * SIZES.length) {
                throw new MalformedDataException("allocation with group " + code);
            }
            groups.add(new Group(SIZES[code / TYPES], GroupType.of(code % TYPES)));
            total += SIZES[code / TYPES];
        }
        if (total > components) {
            throw new MalformedDataException("allocation of " + total + " components, the basis has " + components);
        }
        return new BitAllocation(groups);
    }
}
