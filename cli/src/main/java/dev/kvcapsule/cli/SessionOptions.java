package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.GatewayNote;
import dev.kvcapsule.sessions.SessionState;
import dev.kvcapsule.sessions.gateway.ClientTls;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.NoSuchSessionException;
import dev.kvcapsule.sessions.store.SessionStore;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Where sessions are, and the gateway that has their capsules. */
final class SessionOptions extends OutputOptions {
    @Option(names = "--gateway", paramLabel = "URL", description = "The gateway, http://HOST:PORT or https (default: the one of the last checkpoint).")
    private URI gateway;

    @Option(names = "--token-file", paramLabel = "F", description = "Holds the bearer token, on its first line (default: the one of the last checkpoint).")
    private Path tokenFile;

    @Option(names = "--ca", paramLabel = "PEM", description = "Whom the certificate of an https gateway is from (default: whom Java trusts).")
    private Path authorities;

    @Option(names = "--cert", paramLabel = "PEM", description = "A certificate of one's own, in place of a token.")
    private Path certificate;

    @Option(names = "--cert-key", paramLabel = "PEM", description = "Its private key, PKCS #8.")
    private Path certificateKey;

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
            if (tokenFile != null || authorities != null || certificate != null || certificateKey != null) {
                throw new Failures.UsageException("--token-file, --ca and --cert are for a gateway: give --gateway");
            }
            return Optional.empty();
        }
        if (certificate == null ^ certificateKey == null) {
            throw new Failures.UsageException("--cert and --cert-key go together");
        }
        if (slot != null && slot < 0) {
            throw new Failures.UsageException("--slot " + slot + " is negative");
        }
        ClientTls tls = before.map(GatewayNote::tls).orElse(ClientTls.NONE);
        Optional<String> token = before.flatMap(GatewayNote::tokenFile);
        if (certificate != null) {
            tls = new ClientTls(tls.authorities(), Optional.of(new ClientTls.Identity(certificate.toAbsolutePath(), certificateKey.toAbsolutePath())));
            token = Optional.empty();
        }
        if (authorities != null) {
            tls = new ClientTls(Optional.of(authorities.toAbsolutePath()), tls.identity());
        }
        if (tokenFile != null) {
            token = Optional.of(tokenFile.toAbsolutePath().toString());
        }
        if (token.isEmpty() && tls.identity().isEmpty()) {
            throw new Failures.UsageException("--gateway takes a token or a certificate: give --token-file, or --cert and --cert-key");
        }
        return Optional.of(new GatewayNote(gateway != null ? gateway.toString() : before.get().url(), token, tls, slot != null ? slot : before.map(GatewayNote::slot).orElse(0)));
    }

    GatewayClient client(GatewayNote note) throws IOException {
        return client(note, timeLimit);
    }

    /** A client as the last checkpoint had it. */
    static GatewayClient client(GatewayNote note, Duration timeLimit) throws IOException {
        Optional<String> token = note.tokenFile().isPresent() ? Optional.of(TokenFile.read(Path.of(note.tokenFile().get()))) : Optional.empty();
        try {
            return new GatewayClient(URI.create(note.url()), token, note.tls(), timeLimit);
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException(e.getMessage());
        }
    }
}
