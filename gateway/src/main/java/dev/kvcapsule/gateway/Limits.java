package dev.kvcapsule.gateway;

import java.time.Duration;

/**
 * What one gateway lets itself be asked for.
 *
 * @param requestBytes largest body of a request that passes through
 * @param capsuleBytes largest capsule that is taken
 * @param storeBytes most bytes of capsules that are kept for one user
 * @param connections open connections
 * @param requests requests under way, of all users; one user's are three quarters of them at most
 * @param capsules exports and restores under way, of all users; others wait
 * @param perSecond requests a second that one user may make in the long run; twice as many at once
 * @param patience longest wait for a slot, or for an export or restore to begin
 * @param stall longest time without a byte from or to a client of an export or restore
 * @param total longest time of any request
 */
public record Limits(long requestBytes, long capsuleBytes, long storeBytes, int connections, int requests, int capsules, double perSecond, Duration patience, Duration stall,
        Duration total) {
    /** 16 MiB requests, 8 GiB capsules, 32 GiB kept a user, 1024 connections, 256 requests, 2 exports and restores, 50 a second, 1 minute, 30 s, 1 hour. */
    public static final Limits DEFAULT = new Limits(16L << 20, 8L << 30, 32L << 30, 1024, 256, 2, 50, Duration.ofMinutes(1), Duration.ofSeconds(30), Duration.ofHours(1));

    /** @throws IllegalArgumentException if something is not positive */
    public Limits {
        if (requestBytes < 1 || requestBytes > Integer.MAX_VALUE || capsuleBytes < 1 || storeBytes < 1 || connections < 1 || requests < 1 || capsules < 1 || !(perSecond > 0)
                || !patience.isPositive() || !stall.isPositive() || !total.isPositive()) {
            throw new IllegalArgumentException("limits are positive, and requests smaller than 2 GiB");
        }
    }
}
