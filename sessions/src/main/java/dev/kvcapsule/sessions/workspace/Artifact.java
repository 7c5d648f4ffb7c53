package dev.kvcapsule.sessions.workspace;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.io.OutputStream;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A file that matters to a session, as it was.
 *
 * @param path of it
 * @param digest SHA-256 of its contents; empty if it was not there, or could not be read
 * @param bytes of it; empty likewise
 */
public record Artifact(String path, Optional<String> digest, OptionalLong bytes) {
    /** The file as it is now. */
    public static Artifact of(Path file) {
        if (!Files.isRegularFile(file)) {
            return new Artifact(file.toString(), Optional.empty(), OptionalLong.empty());
        }
        try (InputStream in = Files.newInputStream(file); DigestInputStream digest = new DigestInputStream(in, MessageDigest.getInstance("SHA-256"))) {
            long bytes = digest.transferTo(OutputStream.nullOutputStream());
            return new Artifact(file.toString(), Optional.of(HexFormat.of().formatHex(digest.getMessageDigest().digest())), OptionalLong.of(bytes));
        } catch (IOException e) {
            // Gone in this moment, or not to be read: as if it were not there, which keeps no checkpoint from being written.
            return new Artifact(file.toString(), Optional.empty(), OptionalLong.empty());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }

    /** What has become of it: {@code same}, {@code changed}, {@code missing}, {@code new}, or {@code absent} then and now. */
    public String since() {
        Artifact now = of(Path.of(path));
        if (now.digest.isEmpty()) {
            return digest.isEmpty() ? "absent" : "missing";
        }
        return digest.isEmpty() ? "new" : now.digest.equals(digest) ? "same" : "changed";
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("path", path);
        digest.ifPresent(text -> map.put("digest", text));
        bytes.ifPresent(count -> map.put("bytes", count));
        return map;
    }
}
