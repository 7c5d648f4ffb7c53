package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.keys.VerificationKey;
import java.util.ServiceLoader;

/** Who encrypts and hashes frames: the JDK, or a native library that is fast from its first byte. Results are the same. */
public interface CryptoProvider {
    /** Property that forces a provider by name: {@code jdk} or {@code openssl}. */
    String PROPERTY = "kvcapsule.crypto";

    /** Its name. */
    String name();

    /** Why it cannot be used on this machine; null if it can. */
    String whyNot();

    /** Makes what encrypts. @param key 32 bytes, copied */
    Aead aead(AeadAlgorithm algorithm, byte[] key);

    /** Makes what hashes. */
    LeafHash leafHash();

    /** Whether a key's signature over a message holds; by the JDK, unless the provider has the algorithm. Never throws for any signature. */
    default boolean verify(VerificationKey key, byte[] message, byte[] signature) {
        return key.verify(message, signature);
    }

    /**
     * The one to use: a native one that is there, else the JDK's.
     *
     * @throws IllegalStateException if one is forced that cannot be had
     */
    static CryptoProvider best() {
        return Choice.BEST;
    }

    /** The JDK's. */
    static CryptoProvider jdk() {
        return new JdkCrypto();
    }

    /** Chosen once. */
    final class Choice {
        private static final CryptoProvider BEST = choose();

        private Choice() {}

        private static CryptoProvider choose() {
            String forced = System.getProperty(PROPERTY);
            for (CryptoProvider provider : ServiceLoader.load(CryptoProvider.class)) {
                boolean wanted = forced == null || forced.equals(provider.name());
                if (wanted && provider.whyNot() == null) {
                    return provider;
                }
                if (provider.name().equals(forced)) {
                    throw new IllegalStateException(PROPERTY + "=" + forced + " cannot be had: " + provider.whyNot());
                }
            }
            CryptoProvider jdk = jdk();
            if (forced != null && !forced.equals(jdk.name())) {
                throw new IllegalStateException(PROPERTY + "=" + forced + " names no provider that is here");
            }
            return jdk;
        }
    }
}
