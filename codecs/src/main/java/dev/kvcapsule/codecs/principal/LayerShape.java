package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.cache.LayerLayout;

/** A layer's shape as text: what a shared basis carries of the layers it was made for, and compares with the cache's. */
public final class LayerShape {
    private static final String NO_ROPE = "no rope";

    private LayerShape() {}

    /** How keys are turned. */
    public static String rope(LayerLayout layer) {
        return layer.rope().map(r -> r.pairing().label() + " base " + r.base() + " dims " + r.dims() + " scale " + r.scale() + " factors " + r.factors().hashCode())
                .orElse(NO_ROPE);
    }

    /**
     * What to say where a cache's layer is not the one that a basis was made for.
     *
     * @param digest the basis
     * @param found the basis's layer as text; null if it has no more
     * @param wanted the cache's; null if it has no more
     */
    public static CapsuleRefusedException otherModel(String digest, String found, String wanted) {
        String hint = found != null && wanted != null && wanted.endsWith(NO_ROPE) && !found.endsWith(NO_ROPE)
                ? " (a state file does not tell how the model turns its keys: --model M.gguf does)" : "";
        return new CapsuleRefusedException("basis " + digest + " is of another model: it has " + (found == null ? "no more layers" : found) + " where the cache has "
                + (wanted == null ? "no more layers" : wanted) + hint);
    }
}
