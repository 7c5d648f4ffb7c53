package dev.kvcapsule.sessions.permission;

import java.util.Map;
import java.util.Optional;

/** Says whether tools may run. Safe for use by many threads. Neither method throws for anything that a model, a user or a platform brings in: they deny, and say why. */
public interface PermissionSource extends AutoCloseable {
    /**
     * A session starts.
     *
     * @param claimed who the caller says it is
     * @return who it is: for Kagenti the verified one. If that could not be found out it is the claimed one, and every call will be denied with the reason
     */
    Identity start(Identity claimed);

    /**
     * Decides on one call. A verdict is for this call only.
     *
     * @param scope the session's active permission scope; empty for the policy's default
     * @param identity what {@link #start} gave
     * @param tool its name
     * @param args its arguments as the model wrote them
     */
    PermissionVerdict resolve(Optional<String> scope, Identity identity, String tool, Map<String, ?> args);

    @Override
    void close();
}
