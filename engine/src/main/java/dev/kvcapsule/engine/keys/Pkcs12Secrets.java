package dev.kvcapsule.engine.keys;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.util.Arrays;
import java.util.Locale;
import javax.crypto.spec.SecretKeySpec;

/** Secrets in one PKCS #12 file (RFC 7292), encrypted with a password: PBES2 with AES-256, as the JDK writes it. */
final class Pkcs12Secrets implements SecretStore {
    private final Path file;
    private final char[] password;

    /** @param password null if it was not given: then it is known what is there, not what it holds */
    Pkcs12Secrets(Path file, char[] password) {
        this.file = file;
        this.password = password == null ? null : password.clone();
    }

    @Override
    public byte[] get(String name) throws IOException {
        try {
            Key key = load().getKey(alias(name), password);
            return key == null ? null : key.getEncoded();
        } catch (GeneralSecurityException e) {
            throw new KeyException(file + " does not open: " + e.getMessage());
        }
    }

    @Override
    public boolean has(String name) throws IOException {
        try {
            return load().containsAlias(alias(name));
        } catch (GeneralSecurityException e) {
            throw new KeyException(file + " does not open: " + e.getMessage());
        }
    }

    @Override
    public void put(String name, byte[] secret) throws IOException {
        change(store -> store.setEntry(alias(name), new KeyStore.SecretKeyEntry(new SecretKeySpec(secret, "AES")), new KeyStore.PasswordProtection(password)));
    }

    @Override
    public void remove(String name) throws IOException {
        change(store -> store.deleteEntry(alias(name)));
    }

    private interface Change {
        void apply(KeyStore store) throws GeneralSecurityException;
    }

    private void change(Change change) throws IOException {
        try {
            KeyStore store = load();
            change.apply(store);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            store.store(out, password);
            PrivateFile.replace(file, out.toByteArray());
        } catch (GeneralSecurityException e) {
            throw new KeyException(file + " cannot be changed: " + e.getMessage());
        }
    }

    private KeyStore load() throws IOException, GeneralSecurityException {
        if (password == null) {
            throw new KeyException(file + " needs its password: name a file that holds it, or give it in the environment");
        }
        KeyStore store = KeyStore.getInstance("PKCS12");
        if (!Files.exists(file)) {
            store.load(null, password);
            return store;
        }
        PrivateFile.checkPermissions(file);
        byte[] bytes = PrivateFile.read(file);
        while (true) {
            try {
                store.load(new ByteArrayInputStream(bytes), password);
                return store;
            } catch (IOException e) {
                // Another process may have replaced and overwritten the file while it was read: then the new one is read.
                byte[] again = PrivateFile.read(file);
                if (Arrays.equals(bytes, again)) {
                    throw new KeyException(file + " does not open with that password, or is damaged");
                }
                bytes = again;
            }
        }
    }

    /** The JDK keeps aliases in lower case: capitals are spelt out, so that two names that differ in them stay two. */
    private static String alias(String name) {
        StringBuilder alias = new StringBuilder();
        for (char c : name.toCharArray()) {
            alias.append(Character.isUpperCase(c) ? "^" : "").append(c);
        }
        return alias.toString().toLowerCase(Locale.ROOT);
    }
}
