package dev.kvcapsule.engine.keys;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A key registry in a folder: {@code signing/KID.jwk} and {@code tenants/TENANT.EPOCH.jwk} with what is public, {@code private/} or {@code private.p12}
 * with what is not, {@code revoked.json}. Files are read when they are asked for, so that a revocation holds at once; every change is one renamed
 * file, under a lock.
 */
public final class KeyFolder implements KeyProvider {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final String PKCS12 = "private.p12";
    private static final String SUFFIX = ".jwk";

    private final Path folder;
    private final SecretStore secrets;
    private int depth;

    private KeyFolder(Path folder, SecretStore secrets) {
        this.folder = folder;
        this.secrets = secrets;
    }

    /**
     * Opens a registry, whether it is there yet or not.
     *
     * @param password of its PKCS #12 file; null if it has none, or only public keys are needed
     */
    public static KeyFolder open(Path folder, char[] password) {
        Path file = folder.resolve(PKCS12);
        return new KeyFolder(folder, Files.exists(file) ? new Pkcs12Secrets(file, password) : new FileSecrets(folder.resolve("private")));
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
        if (Files.exists(folder.resolve("private"))) {
            throw new KeyException(folder + " keeps its private keys in files: start another folder for a PKCS #12 file");
        }
        return new KeyFolder(folder, new Pkcs12Secrets(folder.resolve(PKCS12), password));
    }

    /** Where it is. */
    public Path folder() {
        return folder;
    }

    /** Whether there is any signing key. */
    public boolean isEmpty() throws IOException {
        return signingKeys().isEmpty();
    }

    /** All signing keys, by name. */
    public List<VerificationKey> signingKeys() throws IOException {
        List<VerificationKey> keys = new ArrayList<>();
        for (Path file : files("signing")) {
            keys.add(signingKey(file));
        }
        return keys;
    }

    /** All tenants' keys, by tenant, then epoch. */
    public List<TenantKey> tenantKeys() throws IOException {
        List<TenantKey> keys = new ArrayList<>();
        for (Path file : files("tenants")) {
            keys.add(tenantKey(file));
        }
        keys.sort(Comparator.comparing(TenantKey::tenant).thenComparing(TenantKey::epoch));
        return keys;
    }

    /** One tenant's keys, by epoch. No other tenant's files are read: one that is damaged must not stop the rest. */
    private List<TenantKey> tenantKeys(String tenant) throws IOException {
        Pattern ofTenant = Pattern.compile(Pattern.quote(checked(tenant)) + "\\.[0-9]+" + Pattern.quote(SUFFIX));
        List<TenantKey> keys = new ArrayList<>();
        for (Path file : files("tenants")) {
            if (ofTenant.matcher(file.getFileName().toString()).matches()) {
                keys.add(tenantKey(file));
            }
        }
        keys.sort(Comparator.comparing(TenantKey::epoch));
        return keys;
    }

    private List<Path> files(String kind) throws IOException {
        Path from = folder.resolve(kind);
        if (!Files.isDirectory(from)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(from)) {
            return files.filter(file -> file.getFileName().toString().endsWith(SUFFIX) && !file.getFileName().toString().startsWith(".")).sorted().toList();
        }
    }

    private interface Parser<T> {
        T parse(Map<String, Object> jwk) throws IOException;
    }

    private static <T> T parse(Path file, Parser<T> parser) throws IOException {
        try {
            return parser.parse(Json.readObject(new String(PrivateFile.read(file), StandardCharsets.UTF_8)));
        } catch (IllegalArgumentException e) {
            throw new KeyException(file + ": " + e.getMessage());
        }
    }

    private VerificationKey signingKey(Path file) throws IOException {
        VerificationKey key = parse(file, Jwk::signing);
        if (!file.getFileName().toString().equals(key.kid() + SUFFIX)) {
            throw new KeyException(file + " holds key " + key.kid() + ": a key's file is named after it");
        }
        return key;
    }

    /**
     * What one of a tenant's keys may be used for; empty if this registry has none of that epoch. Needs no password: only the public file is read.
     *
     * @throws KeyException if that file is damaged
     */
    public Optional<KeyStatus> epochStatus(String tenant, long epoch) throws IOException {
        Path file = tenantFile(checked(tenant), epoch);
        return Files.exists(file) ? Optional.of(publicTenantKey(file).status()) : Optional.empty();
    }

    private TenantKey tenantKey(Path file) throws IOException {
        TenantKey key = publicTenantKey(file);
        // Only now: a name that has not been checked must not become a path.
        return key.withPresent(secrets.has(tenantSecret(key.tenant(), key.epoch())));
    }

    private TenantKey publicTenantKey(Path file) throws IOException {
        TenantKey key = parse(file, Jwk::tenant);
        if (!file.equals(tenantFile(key.tenant(), key.epoch()))) {
            throw new KeyException(file + " holds epoch " + key.epoch() + " of tenant " + key.tenant() + ": a key's file is named after it");
        }
        return key;
    }

    private Path signingFile(String kid) {
        return folder.resolve("signing").resolve(kid + SUFFIX);
    }

    private Path tenantFile(String tenant, long epoch) {
        return folder.resolve("tenants").resolve(tenant + "." + epoch + SUFFIX);
    }

    private static String tenantSecret(String tenant, long epoch) {
        return "tenant." + tenant + "." + epoch;
    }

    private static String signingSecret(String kid) {
        return "sign." + kid;
    }

    @Override
    public Optional<VerificationKey> publicKey(String kid) throws IOException {
        // A capsule names its key: what cannot be a name must not become a path.
        return Jwk.isName(kid) && Files.exists(signingFile(kid)) ? Optional.of(signingKey(signingFile(kid))) : Optional.empty();
    }

    /** The key that signs if none is named: the newest active Ed25519 key that is valid and held here. */
    public Optional<VerificationKey> defaultSigner(Instant now) throws IOException {
        Optional<VerificationKey> newest = Optional.empty();
        for (VerificationKey key : signingKeys()) {
            boolean usable = key.algorithm() == SignatureAlgorithm.ED25519 && key.status() == KeyStatus.ACTIVE && key.isValidAt(now);
            if (usable && secrets.has(signingSecret(key.kid())) && newest.map(other -> key.notBefore().isAfter(other.notBefore())).orElse(true)) {
                newest = Optional.of(key);
            }
        }
        return newest;
    }

    @Override
    public byte[] sign(String kid, byte[] message) throws IOException {
        VerificationKey key = publicKey(kid).orElseThrow(() -> new KeyException("there is no signing key of that name in " + folder));
        if (key.status() != KeyStatus.ACTIVE) {
            throw new KeyException("key " + kid + " is " + key.status() + " and does not sign");
        }
        byte[] seed = secrets.get(signingSecret(kid));
        if (seed == null) {
            throw new KeyException("the private half of key " + kid + " is not in " + folder);
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
        long newest = 0;
        for (TenantKey key : tenantKeys(tenant)) {
            if (key.status() == KeyStatus.ACTIVE && key.present()) {
                newest = key.epoch();
            }
        }
        if (newest == 0) {
            throw new KeyException("tenant " + tenant + " has no active key in " + folder + ": make one with 'capsule keys new --tenant " + tenant + "'");
        }
        return newest;
    }

    @Override
    public byte[] wrap(String tenant, long epoch, byte[] key, byte[] context) throws IOException {
        byte[] secret = Jwk.isName(tenant) ? secrets.get(tenantSecret(tenant, epoch)) : null;
        if (secret == null || tenantKey(tenantFile(tenant, epoch)).status() != KeyStatus.ACTIVE) {
            throw new KeyException("tenant " + tenant + " has no active key of epoch " + epoch + " in " + folder);
        }
        try {
            return KeyWrap.wrap(secret, key, context);
        } finally {
            Arrays.fill(secret, (byte) 0);
        }
    }

    @Override
    public byte[] unwrap(String tenant, long epoch, byte[] wrapped, byte[] context) throws IOException {
        if (!Jwk.isName(tenant) || !Files.exists(tenantFile(tenant, epoch))) {
            throw new CapsuleRefusedException(RefusalCode.NO_TENANT_KEY, "the tenant's key of that epoch is not here");
        }
        if (tenantKey(tenantFile(tenant, epoch)).status() == KeyStatus.REVOKED) {
            throw new CapsuleRefusedException(RefusalCode.REVOKED, "the tenant's epoch " + epoch + " has been revoked");
        }
        byte[] secret = secrets.get(tenantSecret(tenant, epoch));
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

    private Set<String> revokedCapsules() throws IOException {
        Path file = folder.resolve("revoked.json");
        return Files.exists(file) ? parse(file, map -> CapsuleIds.of("capsules", map.get("capsules"))) : new TreeSet<>();
    }

    @Override
    public boolean isRevoked(byte[] capsuleId) throws IOException {
        return revokedCapsules().contains(HexFormat.of().formatHex(capsuleId));
    }

    /**
     * Makes a signing key.
     *
     * @param kid its name; empty for one after its public half
     * @param status {@link KeyStatus#ACTIVE}, or {@link KeyStatus#VERIFY_ONLY} until every verifier has it
     * @throws KeyException if there is a key of that name
     */
    public VerificationKey newSigningKey(Optional<String> kid, KeyStatus status, Instant notBefore, Optional<Instant> notAfter) throws IOException {
        return changing(() -> newSigningKey(kid, SignatureAlgorithm.ED25519, status, notBefore, notAfter, Optional.empty()));
    }

    /**
     * Makes two signing keys, Ed25519 and ML-DSA-65, each of which needs the other beside it.
     *
     * @param kid name of the first; the second's ends in {@code .ml-dsa}
     * @return the first
     */
    public VerificationKey newHybridKey(Optional<String> kid, KeyStatus status, Instant notBefore, Optional<Instant> notAfter) throws IOException {
        return changing(() -> {
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
        if (Files.exists(signingFile(checked(kid)))) {
            throw new KeyException("there is a key " + kid + " in " + folder + " already");
        }
    }

    /** Removes what was made of a key that did not come about whole. */
    private void takeBack(String kid, IOException why) {
        try {
            Files.deleteIfExists(signingFile(kid));
            secrets.remove(signingSecret(kid));
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
            VerificationKey key = new VerificationKey(name, algorithm, keys.getPublic(), notBefore.truncatedTo(ChronoUnit.SECONDS), notAfter.map(end -> end.truncatedTo(ChronoUnit.SECONDS)), status, pair);
            secrets.put(signingSecret(name), seed);
            try {
                put(key);
            } catch (IOException e) {
                takeBack(name, e);
                throw e;
            }
            return key;
        } finally {
            Arrays.fill(seed, (byte) 0);
        }
    }

    private static String checked(String name) throws KeyException {
        try {
            return Jwk.name(name);
        } catch (IllegalArgumentException e) {
            throw new KeyException(e.getMessage());
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

    /** Makes a tenant's next key; the one before it unwraps from now on, and wraps no more. */
    public TenantKey newTenantKey(String tenant) throws IOException {
        return changing(() -> {
            long last = 0;
            for (TenantKey key : tenantKeys(tenant)) {
                last = key.epoch();
            }
            TenantKey key = new TenantKey(tenant, last + 1, KeyStatus.ACTIVE, true);
            byte[] secret = random(32);
            try {
                secrets.put(tenantSecret(tenant, key.epoch()), secret);
            } finally {
                Arrays.fill(secret, (byte) 0);
            }
            put(key);
            for (TenantKey older : tenantKeys(tenant)) {
                if (older.epoch() < key.epoch() && older.status() == KeyStatus.ACTIVE) {
                    put(new TenantKey(tenant, older.epoch(), KeyStatus.VERIFY_ONLY, older.present()));
                }
            }
            return key;
        });
    }

    /**
     * Has another key sign: it becomes active, the old one verifies only. Of hybrid keys both halves change.
     *
     * @param to another key that is here with its private half and not revoked; empty to make one
     * @return the key that signs from now on
     */
    public VerificationKey rotate(String kid, Optional<String> to, Instant now) throws IOException {
        return changing(() -> {
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
            if (!secrets.has(signingSecret(half.kid()))) {
                throw new KeyException("the private half of key " + half.kid() + " is not in " + folder + ": it cannot sign here");
            }
        }
    }

    /** Revokes a signing key and its pair: what they signed is refused from now on. */
    public void revokeKey(String kid) throws IOException {
        setStatus(kid, KeyStatus.REVOKED);
    }

    /** Revokes a capsule. @param id 16 bytes */
    public void revokeCapsule(byte[] id) throws IOException {
        if (id.length != 16) {
            throw new KeyException("the id of a capsule has 16 bytes, 32 hexadecimal digits");
        }
        changing(() -> {
            Set<String> revoked = revokedCapsules();
            revoked.add(HexFormat.of().formatHex(id));
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("capsules", List.copyOf(revoked));
            PrivateFile.write(folder.resolve("revoked.json"), Json.write(map).getBytes(StandardCharsets.UTF_8));
            return null;
        });
    }

    /**
     * Revokes a tenant's epoch.
     *
     * @param destroy whether the key is destroyed too: then nothing that it wrapped can be read again, by anybody
     */
    public void revokeEpoch(String tenant, long epoch, boolean destroy) throws IOException {
        checked(tenant);
        changing(() -> {
            if (!Files.exists(tenantFile(tenant, epoch))) {
                throw new KeyException("tenant " + tenant + " has no epoch " + epoch + " in " + folder);
            }
            put(new TenantKey(tenant, epoch, KeyStatus.REVOKED, !destroy));
            if (destroy) {
                secrets.remove(tenantSecret(tenant, epoch));
            }
            return null;
        });
    }

    /** What those need who only verify. */
    public Jwks export() throws IOException {
        return new Jwks(signingKeys(), revokedCapsules());
    }

    /**
     * Takes over others' public keys, which verify from then on. A key that is here stays as it is, except that it is revoked if the set says so.
     *
     * @return how many were new
     * @throws KeyException if a key of the same name is another; then nothing has been taken over
     */
    public int importKeys(Jwks set) throws IOException {
        return changing(() -> {
            for (VerificationKey key : set.keys()) {
                Optional<VerificationKey> here = publicKey(key.kid());
                if (here.isPresent() && !here.get().key().equals(key.key())) {
                    throw new KeyException("key " + key.kid() + " of the set is another than the one in " + folder);
                }
            }
            int added = 0;
            for (VerificationKey key : set.keys()) {
                Optional<VerificationKey> here = publicKey(key.kid());
                if (here.isEmpty()) {
                    put(key.withStatus(key.status() == KeyStatus.REVOKED ? KeyStatus.REVOKED : KeyStatus.VERIFY_ONLY));
                    added++;
                } else if (key.status() == KeyStatus.REVOKED) {
                    setStatus(key.kid(), KeyStatus.REVOKED);
                }
            }
            for (String id : set.revokedCapsules()) {
                revokeCapsule(HexFormat.of().parseHex(id));
            }
            return added;
        });
    }

    private VerificationKey known(String kid) throws IOException {
        return publicKey(kid).orElseThrow(() -> new KeyException("there is no key " + kid + " in " + folder));
    }

    /** Of a key and its pair, as they are now: what another process has revoked meanwhile stays so. */
    private void setStatus(String kid, KeyStatus status) throws IOException {
        changing(() -> {
            for (VerificationKey key : withPair(known(kid))) {
                if (key.status() != KeyStatus.REVOKED) {
                    put(key.withStatus(status));
                }
            }
            return null;
        });
    }

    /** A key, and the one that signs beside it if each names the other: a key that others made must not reach one of ours by naming it. */
    private List<VerificationKey> withPair(VerificationKey key) throws IOException {
        Optional<VerificationKey> pair = key.pair().isPresent() ? publicKey(key.pair().get()) : Optional.empty();
        return pair.filter(other -> other.pair().equals(Optional.of(key.kid()))).map(other -> List.of(key, other)).orElse(List.of(key));
    }

    private void put(VerificationKey key) throws IOException {
        put(signingFile(key.kid()), Jwk.of(key));
    }

    private void put(TenantKey key) throws IOException {
        put(tenantFile(key.tenant(), key.epoch()), Jwk.of(key));
    }

    private static void put(Path file, Map<String, Object> jwk) throws IOException {
        PrivateFile.createFolder(file.getParent());
        PrivateFile.write(file, Json.write(jwk).getBytes(StandardCharsets.UTF_8));
    }

    /** Under the folder's lock, which this thread may hold already. */
    private synchronized <T> T changing(PrivateFile.Work<T> work) throws IOException {
        if (depth > 0) {
            return work.run();
        }
        PrivateFile.createFolder(folder);
        return PrivateFile.locked(folder, () -> {
            depth++;
            try {
                return work.run();
            } finally {
                depth--;
            }
        });
    }
}
