package dev.kvcapsule.engine.kernel;

import java.util.Map;

/** A kind of device that can be had, perhaps; found by {@link java.util.ServiceLoader}. Opened once, and until the process ends. */
public interface DeviceProvider {
    /** Short name in lower case, by which a user forces it. */
    String name();

    /** Why {@link #kernels} would fail here; null if it would not. May load a library and open the device; never throws. */
    String whyNot();

    /**
     * The device's kernels.
     *
     * @param host kernels for what stays in the host's memory
     * @throws IllegalStateException if it cannot be had, with the reason
     */
    Kernels kernels(Kernels host);

    /** What there is, for people: device, driver, memory, library. Empty if there is none. */
    Map<String, String> facts();
}
