package dev.kvcapsule.cuda;

import java.util.concurrent.ConcurrentSkipListMap;

/**
 * Addresses that are known to be the device's. Ranges may overlap: several owners name the same memory, and what one gives up stays known as long as another has it. Asking needs no lock.
 */
final class DeviceRanges {
    /** How many ranges cover the addresses from a key up to the next one; below the first key none does. Who asks meanwhile finds the old count or the new one, at every address. */
    private final ConcurrentSkipListMap<Long, Integer> depths = new ConcurrentSkipListMap<>();

    /** Adds a range; the same one may be added again. */
    synchronized void add(long address, long bytes) {
        change(address, address + bytes, 1);
    }

    /** Takes back one {@link #add} of that range. */
    synchronized void remove(long address, long bytes) {
        change(address, address + bytes, -1);
    }

    private void change(long from, long to, int by) {
        depths.putIfAbsent(from, depth(from));
        depths.putIfAbsent(to, depth(to));
        depths.subMap(from, to).replaceAll((start, depth) -> depth + by);
        // A border is none where the count is the same on both sides: there only the two ends can have become like what is before them.
        joinBefore(to);
        joinBefore(from);
    }

    private void joinBefore(long border) {
        var before = depths.lowerEntry(border);
        if (depths.get(border) == (before == null ? 0 : before.getValue())) {
            depths.remove(border);
        }
    }

    private int depth(long address) {
        var from = depths.floorEntry(address);
        return from == null ? 0 : from.getValue();
    }

    /** Whether a range holds this address. */
    boolean covers(long address) {
        return depth(address) > 0;
    }

    /** Whether there is none. */
    boolean isEmpty() {
        return depths.isEmpty();
    }
}
