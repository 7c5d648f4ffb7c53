package dev.kvcapsule.openssl;

import dev.kvcapsule.engine.keys.SignatureAlgorithm;
import dev.kvcapsule.engine.keys.VerificationKey;
import dev.kvcapsule.engine.seal.Aead;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import dev.kvcapsule.engine.seal.CryptoProvider;
import dev.kvcapsule.engine.seal.LeafHash;

/** The system's libcrypto, version 1.1 or 3, or the one that the property {@code kvcapsule.libcrypto} names. */
public final class OpenSslCrypto implements CryptoProvider {
    /** Its name. */
    public static final String NAME = "openssl";

    /** Tried once a process. */
    private static final class Loaded {
        static final LibCrypto LIBRARY;
        static final String WHY_NOT;

        static {
            LibCrypto library = null;
            String why = null;
            try {
                library = LibCrypto.load();
            } catch (IllegalStateException | IllegalCallerException e) {
                why = e.getMessage();
            }
            LIBRARY = library;
            WHY_NOT = why;
        }
    }

    /** For ServiceLoader. */
    public OpenSslCrypto() {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String whyNot() {
        return Loaded.WHY_NOT;
    }

    @Override
    public Aead aead(AeadAlgorithm algorithm, byte[] key) {
        return new OpenSslAead(Loaded.LIBRARY, algorithm, key);
    }

    @Override
    public LeafHash leafHash() {
        return new OpenSslLeafHash(Loaded.LIBRARY);
    }

    /** Ed25519 here: the JDK's is many times slower, and slower still until it is compiled. */
    @Override
    public boolean verify(VerificationKey key, byte[] message, byte[] signature) {
        if (key.algorithm() != SignatureAlgorithm.ED25519) {
            return key.verify(message, signature);
        }
        return OpenSslEd25519.verify(Loaded.LIBRARY, key.key(), message, signature);
    }
}
