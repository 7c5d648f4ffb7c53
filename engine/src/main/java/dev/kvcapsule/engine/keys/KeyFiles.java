package dev.kvcapsule.engine.keys;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The public files of a registry: {@code signing/KID.jwk}, {@code tenants/TENANT.EPOCH.jwk}, {@code revoked.json}. A key's file is named after it, which is
 * checked whenever it is read; what cannot be a name never becomes a path.
 */
final class KeyFiles {
    private static final String SUFFIX = ".jwk";
    /** Member of {@code revoked.json}. */
    private static final String CAPSULES = "capsules";

    private final Path folder;
    private boolean locked;

    KeyFiles(Path folder) {
        this.folder = folder;
    }

    Path folder() {
        return folder;
    }

    /** All signing keys, by name. */
    List<VerificationKey> signingKeys() throws IOException {
        List<VerificationKey> keys = new ArrayList<>();
        for (Path file : files("signing")) {
            keys.add(readSigningKey(file));
        }
        return keys;
    }

    /** One signing key; empty if there is none of that name, or it is no name. */
    Optional<VerificationKey> signingKey(String kid) throws IOException {
        return hasSigningKey(kid) ? Optional.of(readSigningKey(signingFile(kid))) : Optional.empty();
    }

    /** Whether there is a file of that key, even a damaged one. */
    boolean hasSigningKey(String kid) {
        return Jwk.isName(kid) && Files.exists(signingFile(kid));
    }

    /** All tenants' keys, by tenant, then epoch. */
    List<TenantKey> tenantKeys() throws IOException {
        return readTenantKeys(files("tenants"));
    }

    /**
     * One tenant's keys, by epoch. No other tenant's files are read: one that is damaged must not stop the rest.
     *
     * @throws KeyException if that cannot be a tenant's name
     */
    List<TenantKey> tenantKeys(String tenant) throws IOException {
        Pattern ofTenant = Pattern.compile(Pattern.quote(checked(tenant)) + "\\.[0-9]+" + Pattern.quote(SUFFIX));
        return readTenantKeys(files("tenants").stream().filter(file -> ofTenant.matcher(file.getFileName().toString()).matches()).toList());
    }

    /** One of a tenant's keys; empty if there is none of that epoch, or it is no tenant's name. */
    Optional<TenantKey> tenantKey(String tenant, long epoch) throws IOException {
        return hasTenantKey(tenant, epoch) ? Optional.of(readTenantKey(tenantFile(tenant, epoch))) : Optional.empty();
    }

    /** Whether there is a file of that epoch, even a damaged one. */
    boolean hasTenantKey(String tenant, long epoch) {
        return Jwk.isName(tenant) && Files.exists(tenantFile(tenant, epoch));
    }

    /** Ids of revoked capsules; a set of the caller's own. */
    Set<String> revokedCapsules() throws IOException {
        Path file = folder.resolve("revoked.json");
        return Files.exists(file) ? parse(file, map -> CapsuleIds.of(CAPSULES, map.get(CAPSULES))) : new TreeSet<>();
    }

    void put(VerificationKey key) throws IOException {
        write(signingFile(key.kid()), Jwk.of(key));
    }

    void put(TenantKey key) throws IOException {
        write(tenantFile(key.tenant(), key.epoch()), Jwk.of(key));
    }

    void putRevokedCapsules(Set<String> ids) throws IOException {
        write(folder.resolve("revoked.json"), Map.of(CAPSULES, List.copyOf(ids)));
    }

    void removeSigningKey(String kid) throws IOException {
        Files.deleteIfExists(signingFile(kid));
    }

    /** Runs something under the folder's lock, which this thread may hold already: changes are made of smaller ones. */
    synchronized <T> T changing(PrivateFile.Work<T> work) throws IOException {
        if (locked) {
            return work.run();
        }
        PrivateFile.createFolder(folder);
        return PrivateFile.locked(folder, () -> {
            locked = true;
            try {
                return work.run();
            } finally {
                locked = false;
            }
        });
    }

    /** @throws KeyException if it cannot name a key or a tenant */
    static String checked(String name) throws KeyException {
        try {
            return Jwk.name(name);
        } catch (IllegalArgumentException e) {
            throw new KeyException(e.getMessage());
        }
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

    private Path signingFile(String kid) {
        return folder.resolve("signing").resolve(kid + SUFFIX);
    }

    private Path tenantFile(String tenant, long epoch) {
        return folder.resolve("tenants").resolve(tenant + "." + epoch + SUFFIX);
    }

    private VerificationKey readSigningKey(Path file) throws IOException {
        VerificationKey key = parse(file, Jwk::signing);
        if (!file.equals(signingFile(key.kid()))) {
            throw new KeyException(file + " holds key " + key.kid() + ": a key's file is named after it");
        }
        return key;
    }

    private TenantKey readTenantKey(Path file) throws IOException {
        TenantKey key = parse(file, Jwk::tenant);
        if (!file.equals(tenantFile(key.tenant(), key.epoch()))) {
            throw new KeyException(file + " holds epoch " + key.epoch() + " of tenant " + key.tenant() + ": a key's file is named after it");
        }
        return key;
    }

    private List<TenantKey> readTenantKeys(List<Path> files) throws IOException {
        List<TenantKey> keys = new ArrayList<>();
        for (Path file : files) {
            keys.add(readTenantKey(file));
        }
        // By number: as files' names, 10 comes before 9.
        keys.sort(Comparator.comparing(TenantKey::tenant).thenComparing(TenantKey::epoch));
        return keys;
    }

    private interface Parser<T> {
        T parse(Map<String, Object> json);
    }

    private static <T> T parse(Path file, Parser<T> parser) throws IOException {
        try {
            return parser.parse(Json.readObject(new String(PrivateFile.read(file), StandardCharsets.UTF_8)));
        } catch (IllegalArgumentException e) {
            throw new KeyException(file + ": " + e.getMessage());
        }
    }

    private static void write(Path file, Map<String, Object> json) throws IOException {
        PrivateFile.createFolder(file.getParent());
        PrivateFile.write(file, Json.write(json).getBytes(StandardCharsets.UTF_8));
    }
}
