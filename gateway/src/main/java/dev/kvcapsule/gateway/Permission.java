package dev.kvcapsule.gateway;

import java.util.Locale;

/** What a token allows. */
public enum Permission {
    /** Requests that pass through to the model. */
    INFER,
    /** Making a capsule of a slot that holds one's own tokens. */
    EXPORT,
    /** Putting one's own capsule into a slot. */
    RESTORE,
    /** Listing, inspecting, fetching and deleting one's own capsules that the gateway keeps. */
    MANAGE,
    /** One's own durable sessions. */
    SESSIONS,
    /** Reading metrics, which say nothing of whose requests they count. */
    METRICS;

    /** The name in the tokens file. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** @throws IllegalArgumentException if there is none of that name */
    public static Permission ofLabel(String label) {
        for (Permission permission : values()) {
            if (permission.label().equals(label)) {
                return permission;
            }
        }
        throw new IllegalArgumentException("'" + label + "' is none of infer, export, restore, manage, sessions, metrics");
    }
}
