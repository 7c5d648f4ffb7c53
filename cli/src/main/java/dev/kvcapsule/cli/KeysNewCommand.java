package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.keys.TenantKey;
import dev.kvcapsule.engine.keys.VerificationKey;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes keys. */
@Command(name = "new", mixinStandardHelpOptions = true, sortOptions = false, description = "Makes a signing key, or a tenant's wrapping key.")
final class KeysNewCommand implements Callable<Integer> {
    @Option(names = "--tenant", paramLabel = "TENANT", description = "Make the tenant's next wrapping key; and a signing key if there is none.")
    private String tenant;

    @Option(names = "--kid", paramLabel = "NAME", description = "Name of the signing key (default: after its public half).")
    private String kid;

    @Option(names = "--hybrid", description = "Make two signing keys, Ed25519 and ML-DSA-65, which always sign together.")
    private boolean hybrid;

    @Option(names = "--verify-only", description = "Do not sign with it yet: give it to every verifier first, then 'keys rotate --to' it.")
    private boolean verifyOnly;

    @Option(names = "--expires", paramLabel = "365d", description = "How long the signing key is valid (default: until revoked).", converter = DurationConverter.class)
    private Duration lifetime;

    @Option(names = "--pkcs12", description = "Keep private keys in an encrypted PKCS #12 file; takes a password.")
    private boolean pkcs12;

    @Mixin
    private KeyOptions keys;

    @Mixin
    private KeysOutput output;

    @Override
    public Integer call() throws IOException {
        KeyFolder folder = pkcs12 ? KeyFolder.openPkcs12(keys.folder(), keys.password().orElseThrow(
                () -> new Failures.UsageException("--pkcs12 takes a password: name a file with --keys-password-file, or set CAPSULE_KEYS_PASSWORD"))) : keys.open();
        List<Object> made = new ArrayList<>();
        if (tenant == null || folder.isEmpty() || kid != null || hybrid) {
            Instant now = Instant.now();
            KeyStatus status = verifyOnly ? KeyStatus.VERIFY_ONLY : KeyStatus.ACTIVE;
            Optional<Instant> end = Optional.ofNullable(lifetime).map(now::plus);
            VerificationKey key = hybrid ? folder.newHybridKey(Optional.ofNullable(kid), status, now, end) : folder.newSigningKey(Optional.ofNullable(kid), status, now, end);
            made.add(KeysOutput.fields(key));
        }
        if (tenant != null) {
            TenantKey key = folder.newTenantKey(tenant);
            made.add(KeysOutput.fields(key));
        }
        output.print(folder, "made", made);
        return ExitCode.DONE;
    }
}
