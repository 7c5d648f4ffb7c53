package dev.kvcapsule.bench;

import java.lang.management.ManagementFactory;

/** What figures are worth nothing without. */
final class Machine {
    private Machine() {}

    /** Programs that ran or wanted to over the last minute; negative if the system does not tell. Above the processors, figures suffer. */
    static double load() {
        return ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    }
}
