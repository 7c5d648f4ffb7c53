package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.junit.jupiter.api.Test;

class HostileCapsuleTest {
    @Test
    void manifestsThatClaimGigabytesAreRefusedInLittleMemory() throws IOException, InterruptedException {
        assertTrue(LimitedJvm.run(128, 256, 120, HostileManifests.class).contains("all refused"));
    }

    @Test
    void tenThousandForgedCapsulesAreDecodedOrRefusedInLittleMemory() throws IOException, InterruptedException {
        String output = LimitedJvm.run(160, 320, 180, CapsuleMutations.class, "10000");
        // Changed payload bytes often are other values; if none decoded, the forged checksums would not hold.
        int decoded = Integer.parseInt(output.replaceAll("(?s).*?(\\d+) of 10000 decoded.*", "$1"));
        assertTrue(decoded > 1000 && decoded < 9000, output);
    }
}
