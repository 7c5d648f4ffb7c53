package dev.kvcapsule.serving.llamacpp.runtime;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Keeps what libllama logs from standard error: the last warnings and errors are remembered for messages, the rest is dropped. Called by
 * whichever thread of the library logs ({@code ggml_log_callback(enum ggml_log_level, const char *, void *)}).
 */
final class LlamaLog {
    private static final int KEPT = 8;
    private static final long MAX_TEXT = 4096;
    private static final int WARN = 3;
    private static final int ERROR = 4;
    private static final FunctionDescriptor CALLBACK = FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS);

    private final Deque<String> lines = new ArrayDeque<>();

    /** A function pointer that logs to this, never freed: the library may log as long as the process lives. */
    @SuppressWarnings("restricted")
    MemorySegment function() {
        try {
            var method = MethodHandles.lookup().bind(this, "add", MethodType.methodType(void.class, int.class, MemorySegment.class, MemorySegment.class));
            return Linker.nativeLinker().upcallStub(method, CALLBACK, Arena.global());
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    /** An exception that left an upcall would end the process, hence the wide catch. */
    @SuppressWarnings({"restricted", "unused"})
    private void add(int level, MemorySegment text, MemorySegment user) {
        try {
            if (level == WARN || level == ERROR) {
                String line = text.reinterpret(MAX_TEXT).getString(0).strip();
                synchronized (lines) {
                    lines.addLast(line);
                    if (lines.size() > KEPT) {
                        lines.removeFirst();
                    }
                }
            }
        } catch (Throwable e) {
            // A line without an end, or no memory left: nothing that a log may fail for.
        }
    }

    /** Forgets what was logged before the call that comes next. */
    void clear() {
        synchronized (lines) {
            lines.clear();
        }
    }

    /** What was logged since, as the end of an error message; empty if nothing was. */
    String because() {
        synchronized (lines) {
            return lines.isEmpty() ? "" : ": " + String.join("; ", lines).replaceAll("\\p{Cntrl}", " ");
        }
    }
}
