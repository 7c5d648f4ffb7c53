package dev.kvcapsule.cuda;

import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicLong;

/** Complains about what nobody closed. It is not closed then, since its context may be gone: a leak is a mistake to be mended, not to be made up for. */
final class Leaks {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final AtomicLong SEEN = new AtomicLong();
    private static final System.Logger LOG = System.getLogger(Leaks.class.getName());

    private Leaks() {}

    /** What knows whether something was closed; must not refer to it. */
    static final class Mark implements Runnable {
        private final String what;
        private volatile boolean closed;

        private Mark(String what) {
            this.what = what;
        }

        void close() {
            closed = true;
        }

        @Override
        public void run() {
            if (!closed) {
                SEEN.incrementAndGet();
                LOG.log(System.Logger.Level.WARNING, "{0} was never closed", what);
            }
        }
    }

    /** Watches an object. */
    static Mark watch(Object owner, String what) {
        Mark mark = new Mark(what);
        CLEANER.register(owner, mark);
        return mark;
    }

    /** Leaks that were found in this process. */
    static long seen() {
        return SEEN.get();
    }
}
