package dev.kvcapsule.bench;

/** Walks round and round through the tiles, so that memory is as cold at every step as in a walk through a whole cache. */
final class Cursor {
    private int next;
    private int last = -1;

    int next(int count) {
        last = next;
        next = next + 1 < count ? next + 1 : 0;
        return last;
    }

    /** What {@link #next} returned last; -1 if it was never called. */
    int last() {
        return last;
    }
}
