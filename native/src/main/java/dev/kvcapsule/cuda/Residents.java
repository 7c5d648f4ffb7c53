package dev.kvcapsule.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * Copies of the host's memory that never changes, such as a basis: brought to the device once, and kept there while it has memory to spare and the original is open. One for all lanes: who finds a copy
 * finds it complete.
 */
final class Residents {
    /** Where an original is. Another may be there later, which its scope tells. */
    private record Place(long address, long bytes) {}

    private static final class Copy {
        /** Not held: memory of an automatic arena is given back when nobody has it any more. */
        private final WeakReference<MemorySegment.Scope> original;
        private final Arena arena = Arena.ofShared();
        private MemorySegment memory;
        private int leases;
        private boolean dropped;

        Copy(MemorySegment.Scope original) {
            this.original = new WeakReference<>(original);
        }

        boolean isOf(MemorySegment.Scope scope) {
            return scope.equals(original.get());
        }

        boolean isStale() {
            MemorySegment.Scope scope = original.get();
            return scope == null || !scope.isAlive();
        }
    }

    /** A copy that is in use: it stays where it is until the lease is closed, which is after everything that uses it has been asked for. */
    final class Lease implements AutoCloseable {
        private final Copy copy;

        private Lease(Copy copy) {
            this.copy = copy;
        }

        /** Where the device has the copy. */
        long address() {
            return copy.memory.address();
        }

        @Override
        public void close() {
            release(copy);
        }
    }

    private final Device device;
    private final Map<Place, Copy> copies = new HashMap<>();

    Residents(Device device) {
        this.device = device;
    }

    /**
     * The device's copy of a segment, all of it; brought there if it is not yet.
     *
     * @param segment holds the same as long as it is open
     * @return null if the segment's end cannot be known, or the device has no memory for it
     */
    synchronized Lease lease(MemorySegment segment) {
        MemorySegment.Scope scope = segment.scope();
        if (segment.byteSize() == 0 || scope.equals(Arena.global().scope())) {
            return null;
        }
        Place place = new Place(segment.address(), segment.byteSize());
        Copy copy = copies.get(place);
        if (copy == null || !copy.isOf(scope)) {
            drop(true);
            try {
                copy = bring(segment, scope);
            } catch (CudaOutOfMemoryException e) {
                return null;
            }
            copies.put(place, copy);
        }
        copy.leases++;
        return new Lease(copy);
    }

    /** Waits until it is there: other lanes' streams know nothing of this one's. */
    private Copy bring(MemorySegment segment, MemorySegment.Scope scope) {
        Lane lane = device.lane();
        Copy copy = new Copy(scope);
        try {
            copy.memory = device.context().allocate(copy.arena, segment.byteSize());
            lane.ring().upload(segment, copy.memory.address());
            lane.stream().synchronize();
            return copy;
        } catch (RuntimeException e) {
            copy.arena.close();
            throw e;
        }
    }

    private synchronized void release(Copy copy) {
        copy.leases--;
        if (copy.leases == 0 && copy.dropped) {
            free(List.of(copy), device.lane().stream());
        }
    }

    /** Gives back what nobody is using: the device has no memory left. @return whether that was anything */
    synchronized boolean drop() {
        return drop(false);
    }

    private boolean drop(boolean onlyStale) {
        List<Copy> free = new ArrayList<>();
        for (Iterator<Copy> each = copies.values().iterator(); each.hasNext(); ) {
            Copy copy = each.next();
            if (onlyStale && !copy.isStale()) {
                continue;
            }
            if (copy.leases == 0) {
                free.add(copy);
                each.remove();
            } else if (copy.isStale()) {
                copy.dropped = true;
                each.remove();
            }
        }
        if (!free.isEmpty()) {
            free(free, device.lane().stream());
        }
        return !free.isEmpty();
    }

    /** What a basis was made of may have been a secret. Other streams may still read it. */
    private void free(List<Copy> free, CudaStream stream) {
        List<Closing.Step> steps = new ArrayList<>();
        steps.add(device::synchronize);
        for (Copy copy : free) {
            steps.add(() -> stream.fill(copy.memory.address(), (byte) 0, copy.memory.byteSize()));
            steps.add(copy.arena::close);
        }
        Closing.all(steps);
    }

    /** Bytes of the device's memory that copies take. */
    synchronized long bytes() {
        return copies.values().stream().mapToLong(copy -> copy.memory.byteSize()).sum();
    }

    /** Gives everything back. No thread may be using it. */
    synchronized void close(CudaStream stream) {
        List<Copy> all = List.copyOf(copies.values());
        copies.clear();
        if (!all.isEmpty()) {
            free(all, stream);
        }
    }
}
