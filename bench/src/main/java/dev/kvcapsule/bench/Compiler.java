package dev.kvcapsule.bench;

import java.lang.management.ManagementFactory;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/**
 * The JVM's own compiler, which works in the background: on a busy machine it can be far behind, and Vector API code that waits for it is a
 * hundred times slower than it will be.
 */
final class Compiler {
    private static final long MOST_MILLIS = 20_000;
    private static final long STEP_MILLIS = 5;

    private Compiler() {}

    /** Waits until nothing is being compiled or waits for it, at most some seconds. @return whether that is so; true if the JVM does not tell */
    static boolean awaitQuiet() {
        MBeanServer server = ManagementFactory.getPlatformMBeanServer();
        try {
            ObjectName diagnostics = new ObjectName("com.sun.management:type=DiagnosticCommand");
            for (long waited = 0; waited < MOST_MILLIS; waited += STEP_MILLIS) {
                if (isQuiet((String) server.invoke(diagnostics, "compilerQueue", null, null))) {
                    return true;
                }
                Thread.sleep(STEP_MILLIS);
            }
            return false;
        } catch (JMException e) {
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Whether a report of {@code jcmd Compiler.queue} lists no compilation: then it has headings and the word Empty alone. */
    static boolean isQuiet(String report) {
        return report.lines().map(String::strip).allMatch(line -> line.isEmpty() || line.endsWith(":") || line.equals("Empty"));
    }
}
