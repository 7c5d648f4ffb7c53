package dev.kvcapsule.cli;

import dev.kvcapsule.engine.kernel.Devices;
import dev.kvcapsule.engine.kernel.Kernels;

/**
 * Where kernels run, as {@code --device} asks for it.
 *
 * @param kernels the kernels
 * @param name "cpu", or that of the device
 * @param whyNoDevice why the processor was taken although a device was welcome; null if it was not, or is used
 */
record DeviceChoice(Kernels kernels, String name, String whyNoDevice) {
    private static final String CPU = "cpu";

    /**
     * @param wanted cpu, cuda or auto
     * @param host the processor's kernels for this work
     * @throws Failures.UsageException if it is none of these, or the device cannot be had
     */
    static DeviceChoice of(String wanted, Kernels host) {
        return switch (wanted) {
            case CPU -> new DeviceChoice(host, CPU, null);
            case "auto" -> any(host);
            case "cuda" -> {
                try {
                    yield new DeviceChoice(Devices.named(wanted, host), wanted, null);
                } catch (IllegalStateException e) {
                    throw new Failures.UsageException("--device cuda: " + e.getMessage());
                }
            }
            default -> throw new Failures.UsageException("--device " + wanted + " is none of cpu, cuda, auto");
        };
    }

    private static DeviceChoice any(Kernels host) {
        if (Kernels.isForced()) {
            return new DeviceChoice(host, CPU, "kernels are forced by " + Kernels.PROPERTY);
        }
        return Devices.any(host).map(kernels -> new DeviceChoice(kernels, kernels.name(), null)).orElseGet(() -> new DeviceChoice(host, CPU, Devices.whyNone()));
    }

    /** Whether it is a device. */
    boolean isDevice() {
        return kernels.device() != null;
    }
}
