package dev.kvcapsule.serving.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The processor that figures were measured on. */
public final class Processor {
    private Processor() {}

    /** Its name if the system tells, else its architecture. */
    public static String name() {
        try {
            return nameIn(Files.readAllLines(Path.of("/proc/cpuinfo")));
        } catch (IOException e) {
            return System.getProperty("os.arch");
        }
    }

    /** @param cpuinfo lines of Linux's {@code /proc/cpuinfo} */
    public static String nameIn(List<String> cpuinfo) {
        for (String line : cpuinfo) {
            if (line.startsWith("model name")) {
                return line.substring(line.indexOf(':') + 1).strip();
            }
        }
        return System.getProperty("os.arch");
    }
}
