package dev.kvcapsule.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** What figures are worth nothing without. */
final class Machine {
    private Machine() {}

    /** The processor's name if the system tells, else its architecture. */
    static String processor() {
        try {
            return nameIn(Files.readAllLines(Path.of("/proc/cpuinfo")));
        } catch (IOException e) {
            return System.getProperty("os.arch");
        }
    }

    static String nameIn(List<String> cpuinfo) {
        for (String line : cpuinfo) {
            if (line.startsWith("model name")) {
                return line.substring(line.indexOf(':') + 1).strip();
            }
        }
        return System.getProperty("os.arch");
    }

    /** Programs that ran or wanted to over the last minute; negative if the system does not tell. Above the processors, figures suffer. */
    static double load() {
        return ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    }
}
