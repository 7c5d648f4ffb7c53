package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.driver.CudaDriver;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.RopeTable;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * One call of a kernel: brings the host's inputs to the device, launches, and fetches what belongs to the host. Segments of the device are used where they are, and an operation that leaves nothing
 * in the host's memory does not wait.
 */
final class Operation implements AutoCloseable {
    /** Threads of a block where nothing else is said. */
    static final int THREADS = 256;

    /** Blocks a multiprocessor that loops over elements are spread on. */
    private static final int BLOCKS_A_PROCESSOR = 16;

    /** Most blocks in y. */
    static final int MOST_ROWS = 65535;

    private record Fetch(long from, MemorySegment to, Fetch next) {}

    private final Lane lane;
    private final Functions functions;
    private final Residents residents;
    private final List<Residents.Lease> leases = new ArrayList<>();
    private Fetch fetches;
    private boolean fetching;

    Operation(Lane lane, Functions functions, Residents residents) {
        this.lane = lane;
        this.functions = functions;
        this.residents = residents;
        lane.context().requireSound();
        lane.context().enter();
        lane.staging().reset();
    }

    /** An input. */
    long in(MemorySegment segment, long offset, long bytes) {
        check(segment, offset, bytes);
        if (lane.context().isDevice(segment)) {
            return segment.address() + offset;
        }
        long at = lane.staging().take(bytes);
        lane.ring().upload(segment.asSlice(offset, bytes), at);
        return at;
    }

    /**
     * An input that holds the same as long as it is open: brought over once, with all that it is a part of, and kept; for this operation alone where the device has no memory to spare.
     *
     * @param whole what the segment lies in
     */
    long lasting(MemorySegment segment, MemorySegment whole) {
        check(segment, 0, segment.byteSize());
        Residents.Lease lease = lane.context().isDevice(segment) ? null : residents.lease(whole);
        if (lease == null) {
            return in(segment, 0, segment.byteSize());
        }
        leases.add(lease);
        return lease.address() + segment.address() - whole.address();
    }

    /** An output, of which every byte is written. */
    long out(MemorySegment segment, long offset, long bytes) {
        check(segment, offset, bytes);
        if (segment.isReadOnly()) {
            throw new IllegalArgumentException("destination segment is read-only");
        }
        if (lane.context().isDevice(segment)) {
            return segment.address() + offset;
        }
        long at = lane.staging().take(bytes);
        fetch(at, segment.asSlice(offset, bytes));
        return at;
    }

    /** Something that is changed in place. */
    long inOut(MemorySegment segment, long offset, long bytes) {
        long at = out(segment, offset, bytes);
        if (!lane.context().isDevice(segment)) {
            lane.ring().upload(segment.asSlice(offset, bytes), at);
        }
        return at;
    }

    /** An input on the heap. */
    long floats(float[] values, int count) {
        long at = lane.staging().take(4L * count);
        upload(MemorySegment.ofArray(values).asSlice(0, 4L * count), at);
        return at;
    }

    /** An input on the heap. */
    long ints(int[] values, int count) {
        long at = lane.staging().take(4L * count);
        upload(MemorySegment.ofArray(values).asSlice(0, 4L * count), at);
        return at;
    }

    /** Brings bytes to {@link #scratch}; they may be written as soon as this returns. */
    void upload(MemorySegment from, long to) {
        lane.ring().upload(from, to);
    }

    /** Memory for the operation itself, with any contents. */
    long scratch(long bytes) {
        return lane.staging().take(bytes);
    }

    /** Memory for the operation itself, all zeros. */
    long zeros(long bytes) {
        long at = lane.staging().take(bytes);
        lane.stream().fill(at, (byte) 0, bytes);
        return at;
    }

    /** A word that kernels count in; {@link #count} reads it. Behind it is one that they set where a parameter is not finite. */
    long newFlags() {
        long flags = zeros(8);
        fetch(flags, lane.words().asSlice(0, 8));
        return flags;
    }

    /** What kernels counted; after {@link #finish}. */
    int count() {
        return lane.words().get(ValueLayout.JAVA_INT, 0);
    }

    /** Looks for infinities and NaN among parameters; {@link #requireFinite} tells. */
    void findInfinite(ElementType type, long values, long count, long flags) {
        Parameters parameters = parameters().put(values).put(0L).put(flags + 4).put(count).put(RowParameters.number(type)).put(0);
        launchFor(Kernel.CONVERT_FIND_INFINITE, count, parameters);
    }

    /** Whether all was finite that was looked at; after {@link #finish}. */
    boolean foundFinite() {
        return lane.words().get(ValueLayout.JAVA_INT, 4) == 0;
    }

    /** @throws IllegalArgumentException if not all was finite that was looked at; after {@link #finish} */
    void requireFinite(String what) {
        if (!foundFinite()) {
            throw new IllegalArgumentException(what + " hold an infinity or NaN");
        }
    }

    /** Fetches bytes at the end. */
    void fetch(long from, MemorySegment to) {
        fetches = new Fetch(from, to, fetches);
    }

    /** The device's cosines of a table; sines follow. */
    long table(RopeTable table) {
        return lane.table(table);
    }

    Parameters parameters() {
        return lane.parameters();
    }

    /** A grid of some blocks. */
    void launch(Kernel kernel, int blocksX, int blocksY, int threads, int sharedBytes, Parameters parameters) {
        MemorySegment function = functions.launched(kernel);
        for (int i = 0; i < lane.launches(); i++) {
            Driver.check(CudaDriver.cuLaunchKernel(function, blocksX, blocksY, 1, threads, 1, 1, sharedBytes, lane.stream().handle(), parameters.pointers(), MemorySegment.NULL),
                    "cuLaunchKernel of " + kernel.symbol());
        }
    }

    /** A grid for a loop over elements. */
    void launchFor(Kernel kernel, long elements, Parameters parameters) {
        long most = (long) lane.context().multiprocessors() * BLOCKS_A_PROCESSOR;
        launch(kernel, (int) Math.clamp(Math.ceilDiv(elements, THREADS), 1, most), 1, THREADS, 0, parameters);
    }

    /** A grid for a loop over rows and their channels. */
    void launchFor(Kernel kernel, int rows, int channels, Parameters parameters) {
        long most = (long) lane.context().multiprocessors() * BLOCKS_A_PROCESSOR;
        int x = Math.ceilDiv(channels, THREADS);
        launch(kernel, x, Math.clamp(Math.min(rows, most / x), 1, MOST_ROWS), THREADS, 0, parameters);
    }

    /** Fetches bytes now, and waits for them: how many they are was not known before. */
    void fetchOnly(long from, MemorySegment to) {
        fetches = null;
        if (lane.context().isDevice(to)) {
            lane.stream().copy(from, to.address(), to.byteSize());
            return;
        }
        fetch(from, to);
        finish();
    }

    /** Waits until the host has what belongs to it; at once if there is nothing. */
    void finish() {
        fetching = true;
        for (Fetch fetch = fetches; fetch != null; fetch = fetch.next()) {
            lane.ring().download(fetch.from(), fetch.to());
        }
        lane.ring().finish();
        fetching = false;
    }

    @Override
    public void close() {
        if (fetching) {
            lane.ring().forget();
        }
        // Everything that uses them has been asked for.
        leases.forEach(Residents.Lease::close);
    }

    /** What every kernel asks of its segments. */
    static void check(MemorySegment segment, long offset, long bytes) {
        if (!segment.isNative()) {
            throw new IllegalArgumentException("kernels take native segments only; copy heap data in first");
        }
        if (!segment.scope().isAlive()) {
            throw new IllegalStateException("memory that a kernel was given is already closed");
        }
        Objects.checkFromIndexSize(offset, bytes, segment.byteSize());
    }
}
