package dev.kvcapsule.engine.keys;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Names of files and folders for what has names of its own, such as users and sessions: any text becomes a name that every file system takes, and that tells nothing. */
public final class DigestName {
    /** Of the digest: no two names share them. */
    private static final int BYTES = 20;

    private DigestName() {}

    /** The name for these parts, 40 hexadecimal digits. */
    public static String of(String... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (String part : parts) {
                byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
                // Lengths keep the parts apart: (ab, c) is not (a, bc).
                digest.update((bytes.length + ":").getBytes(StandardCharsets.US_ASCII));
                digest.update(bytes);
            }
            return HexFormat.of().formatHex(digest.digest(), 0, BYTES);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }
}
