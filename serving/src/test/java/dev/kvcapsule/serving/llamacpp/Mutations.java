package dev.kvcapsule.serving.llamacpp;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/** Damaged copies of a file, each over the one before. */
public final class Mutations {
    private static final long[] EXTREMES = {0, 1, -1, Integer.MAX_VALUE, Integer.MIN_VALUE, Long.MAX_VALUE, Long.MIN_VALUE, 0x7fffffffL << 32, 3, 8,
            255, 1 << 16};

    private Mutations() {}

    /**
     * Makes {@code copy} a copy with one to four bytes, words or lengths changed.
     *
     * @return {@code copy}, or the beginning of it
     */
    public static MemorySegment mutate(MemorySegment whole, Random random, MemorySegment copy) {
        copy.copyFrom(whole);
        // Half of the changes hit the first quarter, where most of the structure is.
        int changes = 1 + random.nextInt(4);
        for (int i = 0; i < changes; i++) {
            long size = whole.byteSize();
            long at = (long) (random.nextDouble() * (random.nextBoolean() ? size : size / 4));
            switch (random.nextInt(4)) {
                case 0 -> copy.set(ValueLayout.JAVA_BYTE, at, (byte) random.nextInt());
                case 1 -> copy.set(ValueLayout.JAVA_BYTE, at, (byte) (copy.get(ValueLayout.JAVA_BYTE, at) ^ 1 << random.nextInt(8)));
                case 2 -> copy.set(Input.I32, Math.min(at & ~3, size - 4), (int) EXTREMES[random.nextInt(EXTREMES.length)]);
                default -> copy.set(Input.I64, Math.min(at & ~3, size - 8), EXTREMES[random.nextInt(EXTREMES.length)]);
            }
        }
        return random.nextInt(8) == 0 ? copy.asSlice(0, (long) (random.nextDouble() * copy.byteSize())) : copy;
    }
}
