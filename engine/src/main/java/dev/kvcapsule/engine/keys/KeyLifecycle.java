package dev.kvcapsule.engine.keys;

import java.io.IOException;
import java.security.KeyPair;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/** Changes to a registry: keys are made, rotated, revoked, destroyed, imported. Every file is replaced by renaming, every change made under the folder's lock. */
public final class KeyLifecycle {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final int TENANT_KEY_BYTES = 32;
    private static final Pattern CAPSULE_ID = Pattern.compile("[0-9a-f]{32}");

    private final KeyFiles files;
    private final SecretStore secrets;

    KeyLifecycle(KeyFiles files, SecretStore secrets) {
        this.files = files;
        this.secrets = secrets;
    }

    /**
     * Makes a signing key.
     *
     * @param kid its name; empty for one after its public half
     * @param status {@link KeyStatus#ACTIVE}, or {@link KeyStatus#VERIFY_ONLY} until every verifier has it
     * @throws KeyException if there is a key of that name
     */
    public VerificationKey newSigningKey(Optional<String> kid, KeyStatus status, Instant notBefore, Optional<Instant> notAfter) throws IOException {
        return files.changing(() -> newSigningKey(kid, SignatureAlgorithm.ED25519, status, notBefore, notAfter, Optional.empty()));
    }

    /**
     * Makes two signing keys, Ed25519 and ML-DSA-65, each of which needs the other beside it.
     *
     * @param kid name of the first; the second's ends in {@code .ml-dsa}
     * @return the first
     */
    public VerificationKey newHybridKey(Optional<String> kid, KeyStatus status, Instant notBefore, Optional<Instant> notAfter) throws IOException {
        return files.changing(() -> {
            String name = kid.orElseGet(() -> "hybrid-" + HexFormat.of().formatHex(random(6)));
            String second = name + ".ml-dsa";
            checkFree(name);
            checkFree(second);
            newSigningKey(Optional.of(second), SignatureAlgorithm.ML_DSA_65, status, notBefore, notAfter, Optional.of(name));
            try {
                return newSigningKey(Optional.of(name), SignatureAlgorithm.ED25519, status, notBefore, notAfter, Optional.of(second));
            } catch (IOException e) {
                takeBack(second, e);
                throw e;
            }
        });
    }

    private void checkFree(String kid) throws IOException {
        if (files.hasSigningKey(KeyFiles.checked(kid))) {
            throw new KeyException("there is a key " + kid + " in " + files.folder() + " already");
        }
    }

    /** Removes what was made of a key that did not come about whole. */
    private void takeBack(String kid, IOException why) {
        try {
            files.removeSigningKey(kid);
            secrets.remove(SecretStore.signing(kid));
        } catch (IOException e) {
            why.addSuppressed(e);
        }
    }

    private VerificationKey newSigningKey(Optional<String> kid, SignatureAlgorithm algorithm, KeyStatus status, Instant notBefore, Optional<Instant> notAfter,
            Optional<String> pair) throws IOException {
        byte[] seed = random(KeyPairs.SEED_BYTES);
        try {
            KeyPair keys = KeyPairs.ofSeed(algorithm, seed);
            String name = kid.isPresent() ? kid.get() : "ed25519-" + fingerprint(KeyPairs.raw(algorithm, keys.getPublic()));
            checkFree(name);
            // Key files hold times in seconds.
            VerificationKey key = new VerificationKey(name, algorithm, keys.getPublic(), notBefore.truncatedTo(ChronoUnit.SECONDS), notAfter.map(end -> end.truncatedTo(ChronoUnit.SECONDS)), status, pair);
            secrets.put(SecretStore.signing(name), seed);
            try {
                files.put(key);
            } catch (IOException e) {
                takeBack(name, e);
                throw e;
            }
            return key;
        } finally {
            Arrays.fill(seed, (byte) 0);
        }
    }

    private static byte[] random(int bytes) {
        byte[] random = new byte[bytes];
        RANDOM.nextBytes(random);
        return random;
    }

    private static String fingerprint(byte[] raw) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(raw), 0, 6);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }

    /**
     * Makes a new tenant's first key.
     *
     * @throws KeyException if the tenant has, or had, a key here: see {@link #rotateTenantKey}
     */
    public TenantKey newTenantKey(String tenant) throws IOException {
        return files.changing(() -> {
            checkNewTenant(tenant);
            return nextTenantKey(tenant);
        });
    }

    /**
     * Checks that {@link #newTenantKey} can make a key, for those who make other keys before.
     *
     * @throws KeyException if the tenant has, or had, a key here
     */
    public void checkNewTenant(String tenant) throws IOException {
        if (!files.tenantKeys(tenant).isEmpty()) {
            throw new KeyException("tenant " + tenant + " is in " + files.folder() + " already: give it another key with 'capsule keys rotate --tenant " + tenant + "'");
        }
    }

    /**
     * Makes a tenant's next key; the one before it unwraps from now on, and wraps no more.
     *
     * @throws KeyException if the tenant never had a key here: see {@link #newTenantKey}
     */
    public TenantKey rotateTenantKey(String tenant) throws IOException {
        return files.changing(() -> {
            if (files.tenantKeys(tenant).isEmpty()) {
                throw new KeyException("tenant " + tenant + " has no key in " + files.folder() + ": make one with 'capsule keys new --tenant " + tenant + "'");
            }
            return nextTenantKey(tenant);
        });
    }

    private TenantKey nextTenantKey(String tenant) throws IOException {
        List<TenantKey> before = files.tenantKeys(tenant);
        long epoch = before.isEmpty() ? 1 : before.getLast().epoch() + 1;
        byte[] secret = random(TENANT_KEY_BYTES);
        try {
            secrets.put(SecretStore.tenant(tenant, epoch), secret);
        } finally {
            Arrays.fill(secret, (byte) 0);
        }
        TenantKey key = new TenantKey(tenant, epoch, KeyStatus.ACTIVE, true);
        files.put(key);
        for (TenantKey older : before) {
            if (older.status() == KeyStatus.ACTIVE) {
                files.put(older.withStatus(KeyStatus.VERIFY_ONLY));
            }
        }
        return key;
    }

    /**
     * Has another key sign: it becomes active, the old one verifies only. Of hybrid keys both halves change.
     *
     * @param to another key that is here with its private half and not revoked; empty to make one
     * @return the key that signs from now on
     */
    public VerificationKey rotate(String kid, Optional<String> to, Instant now) throws IOException {
        return files.changing(() -> {
            VerificationKey old = known(kid);
            VerificationKey next;
            if (to.isPresent()) {
                next = known(to.get());
                checkSuccessor(old, next, now);
            } else {
                next = old.pair().isPresent() ? newHybridKey(Optional.empty(), KeyStatus.ACTIVE, now, Optional.empty())
                        : newSigningKey(Optional.empty(), KeyStatus.ACTIVE, now, Optional.empty());
            }
            setStatus(next.kid(), KeyStatus.ACTIVE);
            if (old.status() == KeyStatus.ACTIVE) {
                setStatus(old.kid(), KeyStatus.VERIFY_ONLY);
            }
            return known(next.kid());
        });
    }

    /** The old key retires, so the next one must be able to sign: otherwise nobody would. */
    private void checkSuccessor(VerificationKey old, VerificationKey next, Instant now) throws IOException {
        for (VerificationKey half : withPair(next)) {
            if (half.kid().equals(old.kid())) {
                throw new KeyException("key " + old.kid() + " cannot take its own place: name another key, or none to make one");
            }
            if (half.status() == KeyStatus.REVOKED) {
                throw new KeyException("key " + half.kid() + " is revoked and cannot be used again");
            }
            if (!half.notAfter().map(now::isBefore).orElse(true)) {
                throw new KeyException("key " + half.kid() + " has expired and cannot sign");
            }
            if (!secrets.has(SecretStore.signing(half.kid()))) {
                throw new KeyException("the private half of key " + half.kid() + " is not in " + files.folder() + ": it cannot sign here");
            }
        }
    }

    /** Revokes a signing key and its pair: what they signed is refused from now on. */
    public void revokeKey(String kid) throws IOException {
        setStatus(kid, KeyStatus.REVOKED);
    }

    /**
     * Revokes a capsule.
     *
     * @param id 16 bytes
     */
    public void revokeCapsule(byte[] id) throws IOException {
        revokeCapsules(Set.of(HexFormat.of().formatHex(id)));
    }

    /**
     * Revokes capsules, all of them or none.
     *
     * @param ids 32 hexadecimal digits each, lower case
     */
    public void revokeCapsules(Set<String> ids) throws IOException {
        for (String id : ids) {
            if (!CAPSULE_ID.matcher(id).matches()) {
                throw new KeyException("the id of a capsule has 16 bytes, 32 hexadecimal digits");
            }
        }
        files.changing(() -> {
            Set<String> revoked = files.revokedCapsules();
            if (revoked.addAll(ids)) {
                files.putRevokedCapsules(revoked);
            }
            return null;
        });
    }

    /**
     * Revokes a tenant's epoch.
     *
     * @param destroy whether the key is destroyed too: then nothing that it wrapped can be read again, by anybody
     */
    public void revokeEpoch(String tenant, long epoch, boolean destroy) throws IOException {
        KeyFiles.checked(tenant);
        files.changing(() -> {
            // Not read: a damaged file must not keep its key from being revoked.
            if (!files.hasTenantKey(tenant, epoch)) {
                throw new KeyException("tenant " + tenant + " has no epoch " + epoch + " in " + files.folder());
            }
            files.put(new TenantKey(tenant, epoch, KeyStatus.REVOKED, !destroy));
            if (destroy) {
                secrets.remove(SecretStore.tenant(tenant, epoch));
            }
            return null;
        });
    }

    /**
     * Takes over others' public keys, which verify from then on. A key that is here stays as it is, except that it is revoked if the set says so.
     *
     * @return how many were new
     * @throws KeyException if a key of the same name is another; then nothing has been taken over
     */
    public int importKeys(Jwks set) throws IOException {
        return files.changing(() -> {
            for (VerificationKey key : set.keys()) {
                Optional<VerificationKey> here = files.signingKey(key.kid());
                if (here.isPresent() && !here.get().key().equals(key.key())) {
                    throw new KeyException("key " + key.kid() + " of the set is another than the one in " + files.folder());
                }
            }
            int added = 0;
            for (VerificationKey key : set.keys()) {
                if (files.signingKey(key.kid()).isEmpty()) {
                    files.put(key.withStatus(key.status() == KeyStatus.REVOKED ? KeyStatus.REVOKED : KeyStatus.VERIFY_ONLY));
                    added++;
                } else if (key.status() == KeyStatus.REVOKED) {
                    setStatus(key.kid(), KeyStatus.REVOKED);
                }
            }
            revokeCapsules(set.revokedCapsules());
            return added;
        });
    }

    private VerificationKey known(String kid) throws IOException {
        return files.signingKey(kid).orElseThrow(() -> new KeyException("there is no key " + kid + " in " + files.folder()));
    }

    /** Of a key and its pair, as they are now: what another process has revoked meanwhile stays so. */
    private void setStatus(String kid, KeyStatus status) throws IOException {
        files.changing(() -> {
            for (VerificationKey key : withPair(known(kid))) {
                if (key.status() != KeyStatus.REVOKED) {
                    files.put(key.withStatus(status));
                }
            }
            return null;
        });
    }

    /** A key, and the one that signs beside it if each names the other: a key that others made must not reach one of ours by naming it. */
    private List<VerificationKey> withPair(VerificationKey key) throws IOException {
        Optional<VerificationKey> pair = key.pair().isPresent() ? files.signingKey(key.pair().get()) : Optional.empty();
        return pair.filter(other -> other.pair().equals(Optional.of(key.kid()))).map(other -> List.of(key, other)).orElse(List.of(key));
    }
}
