package dev.kvcapsule.sessions.permission.platform;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A token. It shows itself to nobody but the request that it goes into, and its verifier. */
public final class BearerToken {
    private static final int MAX_BYTES = 64 << 10;

    private final String value;

    /** @throws PlatformException if it is not one line of printable ASCII */
    public BearerToken(String value) throws PlatformException {
        if (!value.matches("[\\x21-\\x7e]+")) {
            throw new PlatformException("token", "a token is one line of printable ASCII");
        }
        this.value = value;
    }

    /**
     * Reads one from a file, at every call anew: platforms replace tokens that have become old.
     *
     * @throws PlatformException if there is none
     */
    public static BearerToken read(Path file) throws PlatformException {
        try (InputStream in = Files.newInputStream(file)) {
            return new BearerToken(new String(in.readNBytes(MAX_BYTES), StandardCharsets.ISO_8859_1).strip());
        } catch (PlatformException e) {
            throw e;
        } catch (IOException e) {
            throw new PlatformException("token", "the token file " + file + " cannot be read (" + e.getClass().getSimpleName() + ")");
        }
    }

    /** The token itself. */
    public String reveal() {
        return value;
    }

    @Override
    public String toString() {
        return "(a token)";
    }
}
