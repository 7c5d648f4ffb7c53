package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.keys.GenerationStore;
import java.time.InstantSource;
import java.util.Optional;

/**
 * What must hold for a capsule to be restored.
 *
 * @param caller who asks for it
 * @param context what it would be restored into
 * @param clock what time it is
 * @param generations how far sessions have come; empty if replay is somebody else's concern
 * @param allowOlder lets an older generation through, and tells the log: a session is to be forked on purpose
 * @param log hears why capsules are refused
 */
public record RestorePolicy(Caller caller, RestoreContext context, InstantSource clock, Optional<GenerationStore> generations, boolean allowOlder, RefusalLog log) {
    /** Checks what can be checked without knowing what it is for. */
    public static RestorePolicy of(Caller caller) {
        return new RestorePolicy(caller, RestoreContext.UNCHECKED, InstantSource.system(), Optional.empty(), false, RefusalLog.NONE);
    }
}
