package dev.kvcapsule.gateway;

import java.io.IOException;
import java.util.Set;

/** Revokes capsules in the key registry that the gateway's own keys are in: they are refused from then on, wherever copies of them are. */
@FunctionalInterface
public interface CapsuleRevoker {
    /**
     * Revokes them; those that are revoked already stay so.
     *
     * @param ids 32 hexadecimal digits each
     */
    void revoke(Set<String> ids) throws IOException;
}
