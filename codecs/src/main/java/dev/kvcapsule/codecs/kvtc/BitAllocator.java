package dev.kvcapsule.codecs.kvtc;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;

/**
 * Finds the allocation of least squared error within a budget, by dynamic programming over components and bytes: the best way to spend b bytes on the
 * first i components ends with some group, and the rest of it is the best way for what is left. Groups of more than one component begin at multiples of
 * 16, which keeps the errors to be measured few.
 */
final class BitAllocator {
    private static final int ALIGNMENT = 16;

    /** Budgets above this are counted in coarser units, costs rounded up. */
    private static final int MAX_UNITS = 1024;

    /** Squared errors of groups, measured or modelled. */
    interface Errors {
        /** Of the components from {@code first} on, kept that way. */
        double of(int first, int size, GroupType type);
    }

    private BitAllocator() {}

    /**
     * Allocates.
     *
     * @param components components there are
     * @param budget bytes for a token
     */
    static BitAllocation allocate(int components, int budget, Errors errors) {
        int unit = Math.max(1, Math.ceilDiv(budget, MAX_UNITS));
        int units = budget / unit;
        float[][] best = new float[components + 1][units + 1];
        byte[][] choice = new byte[components + 1][units + 1];
        for (float[] row : best) {
            Arrays.fill(row, Float.POSITIVE_INFINITY);
        }
        Arrays.fill(best[0], 0);
        int[] sizes = BitAllocation.sizes();
        for (int i = 0; i < components; i++) {
            for (int s = 0; s < sizes.length; s++) {
                int size = sizes[s];
                if (i + size > components || size > 1 && i % ALIGNMENT != 0) {
                    continue;
                }
                for (GroupType type : GroupType.values()) {
                    int cost = Math.ceilDiv(type.bytes(size), unit);
                    if (cost <= units && (type != GroupType.FP8 && type != GroupType.INT4 || size > 1)) {
                        relax(best[i], best[i + size], choice[i + size], cost, (float) errors.of(i, size, type), (byte) (s * GroupType.values().length + type.ordinal()));
                    }
                }
            }
        }
        return trace(choice, components, units, unit);
    }

    private static void relax(float[] from, float[] to, byte[] choice, int cost, float error, byte group) {
        for (int b = cost; b < to.length; b++) {
            float sum = from[b - cost] + error;
            if (sum < to[b]) {
                to[b] = sum;
                choice[b] = group;
            }
        }
    }

    private static BitAllocation trace(byte[][] choice, int components, int units, int unit) {
        Deque<BitAllocation.Group> groups = new ArrayDeque<>();
        int[] sizes = BitAllocation.sizes();
        int b = units;
        for (int i = components; i > 0;) {
            int group = choice[i][b];
            GroupType type = GroupType.of(group % GroupType.values().length);
            int size = sizes[group / GroupType.values().length];
            // Components at the end that are not kept need no group.
            if (type != GroupType.NONE || !groups.isEmpty()) {
                groups.addFirst(new BitAllocation.Group(size, type));
            }
            i -= size;
            b -= Math.ceilDiv(type.bytes(size), unit);
        }
        List<BitAllocation.Group> list = new ArrayList<>(groups);
        return new BitAllocation(list);
    }
}
