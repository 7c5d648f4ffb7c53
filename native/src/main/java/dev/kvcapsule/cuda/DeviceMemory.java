package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** The device's memory for intermediate results; the host's where there is none left. */
final class DeviceMemory implements MemoryPlace {
    private final Device device;

    DeviceMemory(Device device) {
        this.device = device;
    }

    @Override
    public MemorySegment allocate(Arena arena, long bytes) {
        try {
            return device.context().allocate(arena, Math.max(1, bytes));
        } catch (CudaOutOfMemoryException e) {
            return HOST.allocate(arena, bytes);
        }
    }

    @Override
    public boolean isDevice(MemorySegment segment) {
        return device.context().isDevice(segment);
    }

    @Override
    public void clear(MemorySegment segment) {
        try {
            fill(segment, (byte) 0);
        } catch (CudaException e) {
            device.context().remember(e);
        }
    }

    @Override
    public void fill(MemorySegment segment, byte value) {
        if (!isDevice(segment)) {
            segment.fill(value);
        } else if (segment.byteSize() > 0) {
            device.context().enter();
            device.lane().stream().fill(segment.address(), value, segment.byteSize());
        }
    }

    @Override
    public void copy(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
        boolean there = isDevice(from);
        boolean back = isDevice(to);
        if (!there && !back) {
            HOST.copy(from, fromOffset, to, toOffset, bytes);
            return;
        }
        Objects.checkFromIndexSize(fromOffset, bytes, from.byteSize());
        Objects.checkFromIndexSize(toOffset, bytes, to.byteSize());
        if (bytes == 0) {
            return;
        }
        device.context().requireSound();
        device.context().enter();
        Lane lane = device.lane();
        if (there && back) {
            lane.stream().copy(from.address() + fromOffset, to.address() + toOffset, bytes);
        } else if (back) {
            lane.ring().upload(from.asSlice(fromOffset, bytes), to.address() + toOffset);
        } else {
            try {
                lane.ring().download(from.address() + fromOffset, to.asSlice(toOffset, bytes));
                lane.ring().finish();
            } catch (RuntimeException e) {
                lane.ring().forget();
                throw e;
            }
        }
    }
}
