package dev.kvcapsule.engine.keys;

import java.io.IOException;

/** Where a key folder keeps its private halves. */
interface SecretStore {
    /** The name that a signing key's seed is kept under. */
    static String signing(String kid) {
        return "sign." + kid;
    }

    /** The name that a tenant's key is kept under. */
    static String tenant(String tenant, long epoch) {
        return "tenant." + tenant + "." + epoch;
    }

    /**
     * Reads a secret.
     *
     * @return the secret, for the caller to zero; null if there is none of that name
     */
    byte[] get(String name) throws IOException;

    /** Whether there is a secret of that name, without reading it. */
    boolean has(String name) throws IOException;

    /** Keeps a secret. */
    void put(String name, byte[] secret) throws IOException;

    /** Destroys a secret. */
    void remove(String name) throws IOException;
}
