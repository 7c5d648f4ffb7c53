package dev.kvcapsule.engine.seal;

/** The JDK's ciphers and digests. */
final class JdkCrypto implements CryptoProvider {
    @Override
    public String name() {
        return "jdk";
    }

    @Override
    public String whyNot() {
        return null;
    }

    @Override
    public Aead aead(AeadAlgorithm algorithm, byte[] key) {
        return new JdkAead(algorithm, key);
    }

    @Override
    public LeafHash leafHash() {
        return new JdkLeafHash();
    }
}
