package dev.kvcapsule.engine.keys;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** Secrets in files of their own, each a JSON Web Key that only its owner may read. */
final class FileSecrets implements SecretStore {
    private final Path folder;

    FileSecrets(Path folder) {
        this.folder = folder;
    }

    private Path file(String name) {
        return folder.resolve(name + ".private.jwk");
    }

    @Override
    public byte[] get(String name) throws IOException {
        Path file = file(name);
        if (!Files.exists(file)) {
            return null;
        }
        PrivateFile.checkPermissions(file);
        byte[] bytes = PrivateFile.read(file);
        try {
            return Jwk.bytes(Json.readObject(new String(bytes, StandardCharsets.UTF_8)), "k");
        } catch (IllegalArgumentException e) {
            throw new KeyException(file + ": " + e.getMessage());
        } finally {
            Arrays.fill(bytes, (byte) 0);
        }
    }

    @Override
    public boolean has(String name) {
        return Files.exists(file(name));
    }

    @Override
    public void put(String name, byte[] secret) throws IOException {
        PrivateFile.createFolder(folder);
        Map<String, Object> jwk = new LinkedHashMap<>();
        jwk.put("kty", "oct");
        jwk.put("k", Jwk.encode(secret));
        byte[] bytes = Json.write(jwk).getBytes(StandardCharsets.UTF_8);
        try {
            PrivateFile.write(file(name), bytes);
        } finally {
            Arrays.fill(bytes, (byte) 0);
        }
    }

    @Override
    public void remove(String name) throws IOException {
        if (has(name)) {
            PrivateFile.shred(file(name));
            Files.delete(file(name));
        }
    }
}
