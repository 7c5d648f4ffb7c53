package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.VerificationKeys;
import dev.kvcapsule.engine.keys.Jwks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Where keys are. Passwords come from a file or the environment, never from an argument, which other users of the machine could see. */
final class KeyOptions {
    private static final String PASSWORD = "CAPSULE_KEYS_PASSWORD";

    @Option(names = "--keys", paramLabel = "DIR", description = "The key registry (default: keys/ in CAPSULE_HOME).")
    private Path keys;

    @Option(names = "--keys-password-file", paramLabel = "FILE", description = "Holds the password of an encrypted registry (default: the environment's " + PASSWORD + ").")
    private Path passwordFile;

    Path folder() {
        return keys == null ? BasisOptions.home().resolve("keys") : keys;
    }

    /** The password; empty if none was given. */
    Optional<char[]> password() throws IOException {
        if (passwordFile != null) {
            char[] password = Inputs.about(passwordFile.toString(), () -> Files.readString(passwordFile).stripTrailing().toCharArray());
            if (password.length == 0) {
                throw new Failures.UsageException(passwordFile + " holds no password: an empty one protects nothing");
            }
            return Optional.of(password);
        }
        return Optional.ofNullable(System.getenv(PASSWORD)).filter(text -> !text.isEmpty()).map(String::toCharArray);
    }

    KeyFolder open() throws IOException {
        char[] password = password().orElse(null);
        try {
            return KeyFolder.open(folder(), password);
        } finally {
            if (password != null) {
                Arrays.fill(password, ' ');
            }
        }
    }

    /** The same, in which there must be keys. @param instead what else can be done */
    KeyFolder opened(String instead) throws IOException {
        KeyFolder opened = open();
        if (opened.isEmpty()) {
            throw new Failures.UsageException("there are no keys in " + folder() + ": make some with 'capsule keys new --tenant ORG', name another folder with --keys, or " + instead);
        }
        return opened;
    }

    /** Public keys, of a registry or of a key set in a file. */
    VerificationKeys publicKeys(String instead) throws IOException {
        if (keys != null && Files.isRegularFile(keys)) {
            return Jwks.read(keys);
        }
        return opened(instead);
    }

    /** Whether a key set was named, which opens nothing. */
    boolean isKeySet() {
        return keys != null && Files.isRegularFile(keys);
    }
}
