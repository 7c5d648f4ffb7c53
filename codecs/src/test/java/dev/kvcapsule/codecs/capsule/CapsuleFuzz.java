package dev.kvcapsule.codecs.capsule;

import java.io.IOException;

/** What Jazzer runs: whatever bytes are a capsule, or frames of one under forged checksums, they are decoded or refused. */
public final class CapsuleFuzz {
    private CapsuleFuzz() {}

    /** Called by Jazzer for each input. */
    public static void fuzzerTestOneInput(byte[] data) throws IOException {
        CapsuleMutations.attempt(data, data.length % 2 == 0);
        CapsuleMutations.attempt(CapsuleForge.repair(data), data.length % 2 != 0);
    }
}
