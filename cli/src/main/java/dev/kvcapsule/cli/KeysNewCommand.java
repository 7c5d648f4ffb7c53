package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyLifecycle;
import dev.kvcapsule.engine.keys.KeyStatus;
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
    @Option(names = "--tenant", paramLabel = "TENANT", description = "Make a new tenant's wrapping key (its next one: keys rotate); and a signing key if there is none.")
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
        KeyFolder folder = pkcs12 ? keys.openPkcs12() : keys.open();
        KeyLifecycle lifecycle = folder.lifecycle();
        if (tenant != null) {
            lifecycle.checkNewTenant(tenant);
        }
        List<VerificationKey> signing = new ArrayList<>();
        if (tenant == null || folder.isEmpty() || kid != null || hybrid) {
            Instant now = Instant.now();
            KeyStatus status = verifyOnly ? KeyStatus.VERIFY_ONLY : KeyStatus.ACTIVE;
            Optional<String> name = Optional.ofNullable(kid);
            Optional<Instant> end = Optional.ofNullable(lifetime).map(now::plus);
            signing.add(hybrid ? lifecycle.newHybridKey(name, status, now, end) : lifecycle.newSigningKey(name, status, now, end));
        }
        output.print(folder, "made", signing, tenant == null ? List.of() : List.of(lifecycle.newTenantKey(tenant)));
        return ExitCode.DONE;
    }
}
