package dev.kvcapsule.gateway;

import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/** So many requests a second for each user, twice as many at once: a bucket of tokens that fills with time. */
final class RateLimit {
    private static final class Bucket {
        double tokens;
        long filled;
    }

    private final double perSecond;
    private final LongSupplier nanos;
    // As many as there are users in the tokens file: requests without a valid token never get here.
    private final Map<Principal.Owner, Bucket> buckets = new HashMap<>();

    RateLimit(double perSecond, LongSupplier nanos) {
        this.perSecond = perSecond;
        this.nanos = nanos;
    }

    /** Takes one. @throws RequestException if there is none left */
    synchronized void take(Principal.Owner owner) {
        long now = nanos.getAsLong();
        double most = Math.max(1, 2 * perSecond);
        Bucket bucket = buckets.get(owner);
        if (bucket == null) {
            bucket = new Bucket();
            bucket.tokens = most;
            bucket.filled = now;
            buckets.put(owner, bucket);
        }
        bucket.tokens = Math.min(most, bucket.tokens + (now - bucket.filled) / 1e9 * perSecond);
        bucket.filled = now;
        if (bucket.tokens < 1) {
            throw new RequestException(429, "rate", "too many requests: at most " + perSecond + " a second");
        }
        bucket.tokens--;
    }
}
