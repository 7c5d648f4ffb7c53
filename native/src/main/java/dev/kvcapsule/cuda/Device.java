package dev.kvcapsule.cuda;

import java.util.ArrayList;
import java.util.List;

/** An open device with its kernels, and a lane for each thread that uses it. Lanes of threads that have ended serve others. */
final class Device implements AutoCloseable {
    private record Owned(Thread owner, Lane lane) {}

    private final CudaContext context;
    private final CudaModule module;
    private final Functions functions;
    private final Residents residents = new Residents(this);
    private final List<Owned> lanes = new ArrayList<>();
    private final ThreadLocal<Lane> mine = new ThreadLocal<>();
    private boolean closed;

    Device(CudaContext context) {
        this.context = context;
        this.module = new CudaModule(context, KernelImage.load());
        try {
            functions = new Functions(module);
        } catch (RuntimeException e) {
            module.close();
            throw e;
        }
        context.setSpare(residents::drop);
    }

    CudaContext context() {
        return context;
    }

    Functions functions() {
        return functions;
    }

    /** What stays in the device's memory. */
    Residents residents() {
        return residents;
    }

    /** Begins an operation in the calling thread's lane. */
    Operation begin() {
        return new Operation(lane(), functions, residents);
    }

    /** The calling thread's. */
    Lane lane() {
        Lane lane = mine.get();
        if (lane == null) {
            lane = adopt();
            mine.set(lane);
        }
        return lane;
    }

    /** Waits for every lane, whatever happens to one. */
    synchronized void synchronize() {
        context.enter();
        List<Closing.Step> steps = new ArrayList<>();
        lanes.forEach(owned -> steps.add(owned.lane().stream()::synchronize));
        Closing.all(steps);
    }

    private synchronized Lane adopt() {
        if (closed) {
            throw new IllegalStateException("the device is closed");
        }
        for (int i = 0; i < lanes.size(); i++) {
            if (!lanes.get(i).owner().isAlive()) {
                Lane lane = lanes.get(i).lane();
                lanes.set(i, new Owned(Thread.currentThread(), lane));
                return lane;
            }
        }
        Lane lane = new Lane(context);
        lanes.add(new Owned(Thread.currentThread(), lane));
        return lane;
    }

    /** Gives everything back. No thread may be using it. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        List<Closing.Step> steps = new ArrayList<>();
        if (!lanes.isEmpty()) {
            steps.add(() -> residents.close(lanes.getFirst().lane().stream()));
        }
        lanes.forEach(owned -> steps.add(owned.lane()::close));
        steps.add(module::close);
        Closing.all(steps);
    }
}
