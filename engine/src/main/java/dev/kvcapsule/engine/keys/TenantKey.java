package dev.kvcapsule.engine.keys;

/**
 * What is known of a tenant's wrapping key.
 *
 * @param tenant its name
 * @param epoch counts the tenant's keys, from 1
 * @param status what it may be used for
 * @param present whether the key is held here; if not, it has been destroyed, and with it what it wrapped
 */
public record TenantKey(String tenant, long epoch, KeyStatus status, boolean present) {
    /** The same key, held here or not. */
    public TenantKey withPresent(boolean held) {
        return new TenantKey(tenant, epoch, status, held);
    }

    /** The same key in another state. */
    public TenantKey withStatus(KeyStatus other) {
        return new TenantKey(tenant, epoch, other, present);
    }
}
