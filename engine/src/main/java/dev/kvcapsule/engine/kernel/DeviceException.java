package dev.kvcapsule.engine.kernel;

/** A device that was there has failed: neither its user nor this program has made the mistake. */
public class DeviceException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** @param message what failed, and what the device's driver says */
    public DeviceException(String message) {
        super(message);
    }
}
