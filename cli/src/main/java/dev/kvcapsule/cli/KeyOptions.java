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
    private Optional<char[]> password() throws IOException {
        if (passwordFile != null) {
            char[] password = Inputs.about(passwordFile.toString(), () -> Files.readString(passwordFile).stripTrailing().toCharArray());
            if (password.length == 0) {
                throw new Failures.UsageException(passwordFile + " holds no password: an empty one protects nothing");
            }
            return Optional.of(password);
        }
        return Optional.ofNullable(System.getenv(PASSWORD)).filter(text -> !text.isEmpty()).map(String::toCharArray);
    }

    /** The registry, whether it is there yet or not. */
    KeyFolder open() throws IOException {
        return open(password(), KeyFolder::open);
    }

    /** The same, which keeps private keys in an encrypted PKCS #12 file, or will. */
    KeyFolder openPkcs12() throws IOException {
        Optional<char[]> password = password();
        if (password.isEmpty()) {
            throw new Failures.UsageException("--pkcs12 takes a password: name a file with --keys-password-file, or set " + PASSWORD);
        }
        return open(password, KeyFolder::openPkcs12);
    }

    private interface Opener {
        KeyFolder open(Path folder, char[] password) throws IOException;
    }

    private KeyFolder open(Optional<char[]> password, Opener opener) throws IOException {
        try {
            return opener.open(folder(), password.orElse(null));
        } finally {
            password.ifPresent(text -> Arrays.fill(text, ' '));
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
        if (isKeySet()) {
            return Jwks.read(keys);
        }
        return opened(instead);
    }

    /** Whether a key set was named, which opens nothing. */
    boolean isKeySet() {
        return keys != null && Files.isRegularFile(keys);
    }
}
