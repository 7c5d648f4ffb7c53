package dev.kvcapsule.engine.pipeline;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadFactory;
import java.util.function.Supplier;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.IdleStrategy;
import org.agrona.concurrent.ManyToManyConcurrentArrayQueue;

/**
 * Runs {@code n} jobs on worker threads with a bounded number under way, and takes their results in order. A job lives in a slot of a ring:
 * the caller's thread fills it ({@link Stage#feed}), any worker works on it ({@link Worker#work}), and the caller's thread drains it
 * ({@link Stage#drain}) before the slot is filled again. The first failure in job order is what the caller gets.
 *
 * @param <S> a slot: the job's data and buffers
 */
final class OrderedRing<S extends OrderedRing.Slot> {
    private static final ThreadFactory THREADS = Thread.ofPlatform().daemon().name("kvcapsule-tile-", 0).factory();

    /** A place in the ring. */
    abstract static class Slot {
        private volatile boolean finished;
        private Throwable failure;
    }

    /** What the caller's thread does. */
    interface Stage<S> {
        /** Prepares job number {@code job} in a free slot. */
        void feed(int job, S slot) throws IOException;

        /** Takes the result of the next job in order. */
        void drain(int job, S slot) throws IOException;
    }

    /** What a worker thread does; made and closed on that thread. */
    interface Worker<S> extends AutoCloseable {
        void work(S slot) throws IOException;

        @Override
        void close();
    }

    private final List<S> slots;
    private final ManyToManyConcurrentArrayQueue<S> waiting;
    private final Supplier<Worker<S>> workers;
    private final int threads;
    private volatile boolean stopped;

    /**
     * @param threads worker threads; with none the caller's thread works itself, one job after the other
     * @param slots the ring, at least one slot
     * @param workers makes a worker, once a thread
     */
    OrderedRing(int threads, List<S> slots, Supplier<Worker<S>> workers) {
        this.threads = threads;
        this.slots = slots;
        this.waiting = new ManyToManyConcurrentArrayQueue<>(Math.max(2, slots.size()));
        this.workers = workers;
    }

    /** Runs jobs 0 .. n-1; returns when all are drained, or when one failed and every thread has ended. */
    void run(int n, Stage<S> stage) throws IOException {
        if (threads == 0) {
            runHere(n, stage);
            return;
        }
        List<Thread> running = new ArrayList<>();
        for (int t = 0; t < Math.min(threads, n); t++) {
            Thread thread = THREADS.newThread(this::serve);
            running.add(thread);
            thread.start();
        }
        try {
            int fed = 0;
            for (int drained = 0; drained < n; drained++) {
                while (fed < n && fed - drained < slots.size()) {
                    S slot = slots.get(fed % slots.size());
                    ((Slot) slot).finished = false;
                    stage.feed(fed++, slot);
                    waiting.offer(slot);
                }
                S slot = slots.get(drained % slots.size());
                await(slot);
                stage.drain(drained, slot);
            }
        } finally {
            stopped = true;
            join(running);
        }
    }

    private void runHere(int n, Stage<S> stage) throws IOException {
        try (Worker<S> worker = workers.get()) {
            for (int job = 0; job < n; job++) {
                stage.feed(job, slots.getFirst());
                worker.work(slots.getFirst());
                stage.drain(job, slots.getFirst());
            }
        }
    }

    private void await(Slot slot) throws IOException {
        IdleStrategy idle = idle();
        while (!slot.finished) {
            idle.idle();
        }
        switch (slot.failure) {
            case null -> {}
            case IOException e -> throw e;
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException(slot.failure);
        }
    }

    private void serve() {
        IdleStrategy idle = idle();
        Worker<S> worker = null;
        try {
            while (!stopped) {
                S slot = waiting.poll();
                if (slot == null) {
                    idle.idle();
                    continue;
                }
                idle.reset();
                try {
                    if (worker == null) {
                        worker = workers.get();
                    }
                    worker.work(slot);
                } catch (Throwable e) {
                    ((Slot) slot).failure = e;
                    // Jobs before this one are with other workers already, and none behind it is wanted.
                    ((Slot) slot).finished = true;
                    return;
                }
                ((Slot) slot).finished = true;
            }
        } finally {
            if (worker != null) {
                worker.close();
            }
        }
    }

    /** Threads wait by parking, 20 microseconds at first and half a millisecond at most: spinning would take the processor from those that work. */
    private static IdleStrategy idle() {
        return new BackoffIdleStrategy(1, 1, 20_000, 500_000);
    }

    private static void join(List<Thread> threads) {
        boolean interrupted = false;
        for (Thread thread : threads) {
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
