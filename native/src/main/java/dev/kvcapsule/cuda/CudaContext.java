package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.driver.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.IntSupplier;

/** A device and its primary context, which it shares with other libraries of the process: what they allocate can be read. */
public final class CudaContext implements AutoCloseable {
    private static final int NAME_BYTES = 256;

    private final int device;
    private final MemorySegment handle;
    private final String name;
    private final String capability;
    private final int driverVersion;
    private final int multiprocessors;
    private final AtomicLong open = new AtomicLong();
    private final AtomicBoolean closed = new AtomicBoolean();
    private final Leaks.Mark mark;
    private final AtomicReference<CudaException> remembered = new AtomicReference<>();
    private final DeviceRanges memory = new DeviceRanges();
    private volatile BooleanSupplier spare = () -> false;

    private CudaContext(int device) {
        this.device = device;
        driverVersion = Driver.outInt("cuDriverGetVersion", CudaDriver::cuDriverGetVersion);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(NAME_BYTES);
            Driver.check(CudaDriver.cuDeviceGetName(text, NAME_BYTES - 1, device), "cuDeviceGetName");
            name = text.getString(0);
        }
        capability = attribute(CudaDriver.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR()) + "." + attribute(CudaDriver.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR());
        multiprocessors = attribute(CudaDriver.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT());
        handle = MemorySegment.ofAddress(Driver.out("cuDevicePrimaryCtxRetain", pointer -> CudaDriver.cuDevicePrimaryCtxRetain(pointer, device)));
        mark = Leaks.watch(this, "the context of device " + device);
    }

    private int attribute(int attribute) {
        return Driver.outInt("cuDeviceGetAttribute", pointer -> CudaDriver.cuDeviceGetAttribute(pointer, attribute, device));
    }

    /**
     * Opens a device.
     *
     * @param ordinal its number, from 0
     * @throws IllegalStateException if there is no driver or no such device, with the reason
     * @throws CudaException if the driver fails
     */
    public static CudaContext open(int ordinal) {
        CudaLibrary library = CudaLibrary.get();
        if (library.whyNot() != null) {
            throw new IllegalStateException(library.whyNot());
        }
        Driver.check(CudaDriver.cuInit(0), "cuInit");
        int count = Driver.outInt("cuDeviceGetCount", CudaDriver::cuDeviceGetCount);
        if (ordinal < 0 || ordinal >= count) {
            throw new IllegalStateException("there are " + count + " CUDA devices, number " + ordinal + " is not among them");
        }
        return new CudaContext(Driver.outInt("cuDeviceGet", pointer -> CudaDriver.cuDeviceGet(pointer, ordinal)));
    }

    /** The device's name. */
    public String name() {
        return name;
    }

    /** Compute capability, such as 9.0. */
    public String capability() {
        return capability;
    }

    /** Version of CUDA that the driver has, such as 13.0. */
    public String driverVersion() {
        return driverVersion / 1000 + "." + driverVersion % 1000 / 10;
    }

    /** Streaming multiprocessors. */
    public int multiprocessors() {
        return multiprocessors;
    }

    /** Bytes of the device's memory: those that are free now, and all. */
    public long[] memoryBytes() {
        enter();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment both = arena.allocate(ValueLayout.JAVA_LONG, 2);
            Driver.check(CudaDriver.cuMemGetInfo_v2(both, both.asSlice(8)), "cuMemGetInfo");
            return both.toArray(ValueLayout.JAVA_LONG);
        }
    }

    /** Makes it the calling thread's context, which every call but those on devices needs. @throws IllegalStateException if it has been closed */
    void enter() {
        if (closed.get()) {
            throw new IllegalStateException("the context of " + name + " is closed");
        }
        Driver.check(CudaDriver.cuCtxSetCurrent(handle), "cuCtxSetCurrent");
    }

    void opened() {
        open.incrementAndGet();
    }

    /** Gives memory back. Arenas are closed in the middle of clearing up, which a failure must not end. */
    private void free(IntSupplier call, String name) {
        try {
            release(call, name);
        } catch (CudaException e) {
            remember(e);
        }
    }

    /** Keeps a failure for the next call that can be refused, or for {@link #close}. */
    void remember(CudaException failure) {
        remembered.compareAndSet(null, failure);
    }

    /** @throws CudaException if something has failed since this was asked last */
    void requireSound() {
        CudaException failure = remembered.getAndSet(null);
        if (failure != null) {
            throw failure;
        }
    }

    /** Names what gives memory back that can be done without, when there is none left, and says whether it did. */
    void setSpare(BooleanSupplier giveBack) {
        spare = giveBack;
    }

    /** Gives something of this context back; it counts as given back even if the driver fails. */
    void release(IntSupplier call, String name) {
        try {
            enter();
            Driver.check(call.getAsInt(), name);
        } finally {
            open.decrementAndGet();
        }
    }

    /**
     * Memory of the device, with any contents.
     *
     * @param arena frees it when it is closed
     * @param bytes at least 1
     * @return a segment whose address only kernels and copies can use
     * @throws CudaOutOfMemoryException if there is not as much left
     */
    public MemorySegment allocate(Arena arena, long bytes) {
        enter();
        long address;
        try {
            address = allocate(bytes);
        } catch (CudaOutOfMemoryException e) {
            if (!spare.getAsBoolean()) {
                throw e;
            }
            address = allocate(bytes);
        }
        return own(arena, address, bytes);
    }

    private static long allocate(long bytes) {
        return Driver.out("cuMemAlloc of " + bytes + " bytes", pointer -> CudaDriver.cuMemAlloc_v2(pointer, bytes));
    }

    @SuppressWarnings("restricted") // the device's address becomes a segment
    private MemorySegment own(Arena arena, long address, long bytes) {
        // Not the arena itself: nobody may refer to that any more while it is being closed.
        MemorySegment.Scope scope = arena.scope();
        Leaks.Mark owner = Leaks.watch(scope, bytes + " bytes of the device's memory");
        opened();
        memory.add(address, bytes);
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, gone -> {
            owner.close();
            Reference.reachabilityFence(scope);
            memory.remove(address, bytes);
            free(() -> CudaDriver.cuMemFree_v2(address), "cuMemFree");
        });
    }

    /**
     * Memory of the host that the device copies from and to while both do something else.
     *
     * @param arena frees it when it is closed
     * @param bytes at least 1
     * @throws CudaOutOfMemoryException if so much cannot be pinned
     */
    @SuppressWarnings("restricted") // the driver's address becomes a segment
    public MemorySegment allocatePinned(Arena arena, long bytes) {
        enter();
        long address = Driver.out("cuMemHostAlloc of " + bytes + " bytes", pointer -> CudaDriver.cuMemHostAlloc(pointer, bytes, 0));
        MemorySegment.Scope scope = arena.scope();
        Leaks.Mark owner = Leaks.watch(scope, bytes + " bytes of pinned memory");
        opened();
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, gone -> {
            owner.close();
            Reference.reachabilityFence(scope);
            free(() -> CudaDriver.cuMemFreeHost(MemorySegment.ofAddress(address)), "cuMemFreeHost");
        });
    }

    /**
     * Memory of the device that somebody else has allocated, and keeps until the arena is closed. The same memory, or parts of it, may be adopted any number of times: each ends on its own.
     *
     * @param arena ends its use here
     * @param address as the device knows it
     * @param bytes from there on
     * @throws IllegalArgumentException if there can be no such memory
     */
    @SuppressWarnings("restricted") // the device's address becomes a segment
    public MemorySegment adopt(Arena arena, long address, long bytes) {
        if (address <= 0 || bytes < 1 || bytes > Long.MAX_VALUE - address) {
            throw new IllegalArgumentException("no memory of a device: " + bytes + " bytes at 0x" + Long.toHexString(address));
        }
        memory.add(address, bytes);
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, gone -> memory.remove(address, bytes));
    }

    /** Whether a segment lies in the device's memory. */
    boolean isDevice(MemorySegment segment) {
        return memory.covers(segment.address());
    }

    /**
     * Gives the context back.
     *
     * @throws IllegalStateException if something in it is still open
     * @throws CudaException if the driver fails, or failed at giving memory back
     */
    @Override
    public void close() {
        if (closed.get()) {
            return;
        }
        if (open.get() != 0) {
            throw new IllegalStateException(open.get() + " streams, events, modules or pieces of memory of " + name + " are still open");
        }
        closed.set(true);
        mark.close();
        Driver.check(CudaDriver.cuDevicePrimaryCtxRelease_v2(device), "cuDevicePrimaryCtxRelease");
        requireSound();
    }
}
