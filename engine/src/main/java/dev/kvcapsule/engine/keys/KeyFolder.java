package dev.kvcapsule.engine.keys;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/**
 * A key registry in a folder: {@code signing/KID.jwk} and {@code tenants/TENANT.EPOCH.jwk} with what is public, {@code private/} or {@code private.p12}
 * with what is not, {@code revoked.json}. Files are read when they are asked for, so that a revocation holds at once. {@link #lifecycle} changes it.
 */
public final class KeyFolder implements KeyProvider {
    private static final String PKCS12 = "private.p12";
    private static final String PRIVATE = "private";
    private static final int DERIVED_BYTES = 32;

    private final KeyFiles files;
    private final SecretStore secrets;
    private final KeyLifecycle lifecycle;

    private KeyFolder(Path folder, SecretStore secrets) {
        this.files = new KeyFiles(folder);
        this.secrets = secrets;
        this.lifecycle = new KeyLifecycle(files, secrets);
    }

    /**
     * Opens a registry, whether it is there yet or not.
     *
     * @param password of its PKCS #12 file; null if it has none, or only public keys are needed
     */
    public static KeyFolder open(Path folder, char[] password) {
        Path file = folder.resolve(PKCS12);
        return new KeyFolder(folder, Files.exists(file) ? new Pkcs12Secrets(file, password) : new FileSecrets(folder.resolve(PRIVATE)));
    }

    /**
     * Opens a registry whose private keys are, or will be, in an encrypted PKCS #12 file.
     *
     * @throws KeyException if it has private keys in files already, or the password is empty
     */
    public static KeyFolder openPkcs12(Path folder, char[] password) throws IOException {
        if (password != null && password.length == 0) {
            throw new KeyException("an empty password protects nothing");
        }
        if (Files.exists(folder.resolve(PRIVATE))) {
            throw new KeyException(folder + " keeps its private keys in files: start another folder for a PKCS #12 file");
        }
        return new KeyFolder(folder, new Pkcs12Secrets(folder.resolve(PKCS12), password));
    }

    /** Where it is. */
    public Path folder() {
        return files.folder();
    }

    /** What makes, rotates and revokes its keys. */
    public KeyLifecycle lifecycle() {
        return lifecycle;
    }

    /** Whether there is no signing key. */
    public boolean isEmpty() throws IOException {
        return signingKeys().isEmpty();
    }

    /** All signing keys, by name. */
    public List<VerificationKey> signingKeys() throws IOException {
        return files.signingKeys();
    }

    /** All tenants' keys, by tenant, then epoch. */
    public List<TenantKey> tenantKeys() throws IOException {
        List<TenantKey> keys = new ArrayList<>();
        for (TenantKey key : files.tenantKeys()) {
            keys.add(key.withPresent(isHeld(key)));
        }
        return keys;
    }

    private boolean isHeld(TenantKey key) throws IOException {
        return secrets.has(SecretStore.tenant(key.tenant(), key.epoch()));
    }

    @Override
    public Optional<VerificationKey> publicKey(String kid) throws IOException {
        return files.signingKey(kid);
    }

    /** {@inheritDoc} Needs no password: only the public file is read. */
    @Override
    public Optional<KeyStatus> epochStatus(String tenant, long epoch) throws IOException {
        return files.tenantKey(tenant, epoch).map(TenantKey::status);
    }

    @Override
    public boolean isRevoked(byte[] capsuleId) throws IOException {
        return files.revokedCapsules().contains(HexFormat.of().formatHex(capsuleId));
    }

    /** What those need who only verify. */
    public Jwks export() throws IOException {
        return new Jwks(signingKeys(), files.revokedCapsules());
    }

    /** The key that signs if none is named: the newest active Ed25519 key that is valid and held here. */
    public Optional<VerificationKey> defaultSigner(Instant now) throws IOException {
        Optional<VerificationKey> newest = Optional.empty();
        for (VerificationKey key : signingKeys()) {
            boolean usable = key.algorithm() == SignatureAlgorithm.ED25519 && key.status() == KeyStatus.ACTIVE && key.isValidAt(now);
            if (usable && secrets.has(SecretStore.signing(key.kid())) && newest.map(other -> key.notBefore().isAfter(other.notBefore())).orElse(true)) {
                newest = Optional.of(key);
            }
        }
        return newest;
    }

    @Override
    public byte[] sign(String kid, byte[] message) throws IOException {
        VerificationKey key = publicKey(kid).orElseThrow(() -> new KeyException("there is no signing key of that name in " + folder()));
        if (key.status() != KeyStatus.ACTIVE) {
            throw new KeyException("key " + kid + " is " + key.status() + " and does not sign");
        }
        byte[] seed = secrets.get(SecretStore.signing(kid));
        if (seed == null) {
            throw new KeyException("the private half of key " + kid + " is not in " + folder());
        }
        try {
            KeyPair pair = KeyPairs.ofSeed(key.algorithm(), seed);
            if (!pair.getPublic().equals(key.key())) {
                throw new KeyException("the private half of key " + kid + " does not belong to its public half");
            }
            return KeyPairs.sign(key.algorithm(), pair.getPrivate(), message);
        } finally {
            Arrays.fill(seed, (byte) 0);
        }
    }

    @Override
    public long epoch(String tenant) throws IOException {
        List<TenantKey> keys = files.tenantKeys(tenant);
        for (TenantKey key : keys.reversed()) {
            if (key.status() == KeyStatus.ACTIVE && isHeld(key)) {
                return key.epoch();
            }
        }
        throw new KeyException("tenant " + tenant + " has no active key in " + folder() + ": make one with 'capsule keys " + (keys.isEmpty() ? "new" : "rotate") + " --tenant " + tenant + "'");
    }

    @Override
    public byte[] wrap(String tenant, long epoch, byte[] key, byte[] context) throws IOException {
        byte[] secret = active(tenant, epoch);
        try {
            return KeyWrap.wrap(secret, key, context);
        } finally {
            Arrays.fill(secret, (byte) 0);
        }
    }

    @Override
    public byte[] derive(String tenant, long epoch, String purpose) throws IOException {
        byte[] secret = active(tenant, epoch);
        try {
            return Hkdf.derive(secret, new byte[0], "kvcapsule derive " + purpose, DERIVED_BYTES);
        } finally {
            Arrays.fill(secret, (byte) 0);
        }
    }

    /** The key that new things of the tenant are made with. */
    private byte[] active(String tenant, long epoch) throws IOException {
        boolean active = epochStatus(tenant, epoch).equals(Optional.of(KeyStatus.ACTIVE));
        byte[] secret = active ? secrets.get(SecretStore.tenant(tenant, epoch)) : null;
        if (secret == null) {
            throw new KeyException("tenant " + tenant + " has no active key of epoch " + epoch + " in " + folder());
        }
        return secret;
    }

    @Override
    public byte[] unwrap(String tenant, long epoch, byte[] wrapped, byte[] context) throws IOException {
        KeyStatus status = epochStatus(tenant, epoch).orElseThrow(
                () -> new CapsuleRefusedException(RefusalCode.NO_TENANT_KEY, "the tenant's key of that epoch is not here"));
        if (status == KeyStatus.REVOKED) {
            throw new CapsuleRefusedException(RefusalCode.REVOKED, "the tenant's epoch " + epoch + " has been revoked");
        }
        byte[] secret = secrets.get(SecretStore.tenant(tenant, epoch));
        if (secret == null) {
            throw new CapsuleRefusedException(RefusalCode.NO_TENANT_KEY, "the tenant's key of that epoch has been destroyed, or is not here");
        }
        try {
            byte[] key = KeyWrap.unwrap(secret, wrapped, context);
            if (key == null) {
                throw new CapsuleRefusedException(RefusalCode.DATA_KEY, "the data key does not unwrap with the tenant's key");
            }
            return key;
        } finally {
            Arrays.fill(secret, (byte) 0);
        }
    }
}
