package dev.kvcapsule.engine.kernel;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;

/** Devices that kernels can run on. */
public final class Devices {
    private Devices() {}

    /** The provider of that name; empty if it is not on the class path. */
    public static Optional<DeviceProvider> provider(String name) {
        for (DeviceProvider provider : ServiceLoader.load(DeviceProvider.class, Devices.class.getClassLoader())) {
            if (provider.name().equals(name)) {
                return Optional.of(provider);
            }
        }
        return Optional.empty();
    }

    /**
     * The kernels of a device by its name.
     *
     * @param host kernels for what stays in the host's memory
     * @throws IllegalStateException if it cannot be had, with the reason
     */
    public static Kernels named(String name, Kernels host) {
        return provider(name).orElseThrow(() -> new IllegalStateException("no module for " + name + " is on the class path")).kernels(host);
    }

    /** The kernels of the first device that is there; see {@link #named}. */
    public static Optional<Kernels> any(Kernels host) {
        for (DeviceProvider provider : ServiceLoader.load(DeviceProvider.class, Devices.class.getClassLoader())) {
            if (provider.whyNot() == null) {
                return Optional.of(provider.kernels(host));
            }
        }
        return Optional.empty();
    }

    /** Why {@link #any} is empty; null if it is not. */
    public static String whyNone() {
        List<String> reasons = new ArrayList<>();
        for (DeviceProvider provider : ServiceLoader.load(DeviceProvider.class, Devices.class.getClassLoader())) {
            String why = provider.whyNot();
            if (why == null) {
                return null;
            }
            reasons.add(provider.name() + ": " + why);
        }
        return reasons.isEmpty() ? "no module for a device is on the class path" : String.join("; ", reasons);
    }
}
