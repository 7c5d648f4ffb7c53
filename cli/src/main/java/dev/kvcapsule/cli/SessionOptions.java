package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.GatewayNote;
import dev.kvcapsule.sessions.SessionState;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.NoSuchSessionException;
import dev.kvcapsule.sessions.store.SessionStore;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Where sessions are, and the gateway that has their capsules. */
final class SessionOptions extends OutputOptions {
    @Option(names = "--gateway", paramLabel = "URL", description = "The gateway, http://HOST:PORT (default: the one of the last checkpoint).")
    private URI gateway;

    @Option(names = "--token-file", paramLabel = "F", description = "Holds the bearer token, on its first line (default: the one of the last checkpoint).")
    private Path tokenFile;

    @Option(names = "--slot", paramLabel = "N", description = "The slot of the llama-server (default: that of the last checkpoint, else 0).")
    private Integer slot;

    @Option(names = "--time-limit", paramLabel = "1h", defaultValue = "1h", description = "Longest time that the gateway may take (default: ${DEFAULT-VALUE}).", converter = DurationConverter.class)
    private Duration timeLimit;

    @Mixin
    private DatabaseOptions database;

    /** This user's sessions. */
    DatabaseOptions.Sessions open() throws IOException {
        return database.local(err());
    }

    /** @throws NoSuchSessionException if there is no session of that name */
    static void required(SessionStore store, String id) throws IOException {
        if (!store.exists(checked(id))) {
            throw new NoSuchSessionException(id);
        }
    }

    /** Checks a session's name as an argument. */
    static String checked(String id) {
        try {
            Session.checkId(id);
            return id;
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException(e.getMessage());
        }
    }

    /** Whether a gateway was named. */
    boolean isNamed() {
        return gateway != null;
    }

    /** The gateway to use: what was named, and what the last checkpoint used for the rest; empty if there is none. */
    Optional<GatewayNote> note(Optional<SessionState> last) {
        Optional<GatewayNote> before = last.flatMap(SessionState::gateway);
        if (gateway == null && before.isEmpty()) {
            if (tokenFile != null) {
                throw new Failures.UsageException("--token-file is for a gateway: give --gateway");
            }
            return Optional.empty();
        }
        String token = tokenFile != null ? tokenFile.toAbsolutePath().toString() : before.map(GatewayNote::tokenFile)
                .orElseThrow(() -> new Failures.UsageException("--gateway takes a token: give --token-file"));
        if (slot != null && slot < 0) {
            throw new Failures.UsageException("--slot " + slot + " is negative");
        }
        return Optional.of(new GatewayNote(gateway != null ? gateway.toString() : before.get().url(), token, slot != null ? slot : before.map(GatewayNote::slot).orElse(0)));
    }

    GatewayClient client(GatewayNote note) throws IOException {
        // Not as UTF-8: what is none is no token, and said as such.
        String token = Inputs.about(note.tokenFile(), () -> Files.readString(Path.of(note.tokenFile()), StandardCharsets.ISO_8859_1)).lines().findFirst().orElse("").strip();
        if (!GatewayClient.isToken(token)) {
            throw new MalformedDataException(note.tokenFile() + ": a token is one line of printable ASCII");
        }
        try {
            return new GatewayClient(URI.create(note.url()), token, timeLimit);
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException(e.getMessage());
        }
    }
}
