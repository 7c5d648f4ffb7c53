package dev.kvcapsule.engine.keys;

import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.NamedParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Keys from and to the bytes that JSON Web Keys hold. A private key is its seed of 32 bytes, for Ed25519 (RFC 8032, section 5.1.5) as for ML-DSA (FIPS 204,
 * algorithm 1).
 */
final class KeyPairs {
    static final int SEED_BYTES = 32;

    /** DER in front of a public key: SubjectPublicKeyInfo of RFC 8410 and RFC 9881. */
    private static final byte[] ED25519_PREFIX = HexFormat.of().parseHex("302a300506032b6570032100");
    private static final byte[] ML_DSA_65_PREFIX = HexFormat.of().parseHex("308207b2300b0609608648016503040312038207a100");
    private static final int ED25519_BYTES = 32;
    private static final int ML_DSA_65_BYTES = 1952;

    private KeyPairs() {}

    /** The key pair of a seed. The JDK makes keys from its source of randomness, for which the seed stands in. */
    static KeyPair ofSeed(SignatureAlgorithm algorithm, byte[] seed) {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance(algorithm.label());
            generator.initialize(new NamedParameterSpec(algorithm.label()), new Seed(seed));
            return generator.generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this JDK has no " + algorithm.label(), e);
        }
    }

    /** A signature over a message. */
    static byte[] sign(SignatureAlgorithm algorithm, PrivateKey key, byte[] message) {
        try {
            Signature signer = Signature.getInstance(algorithm.jca());
            signer.initSign(key);
            signer.update(message);
            return signer.sign();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this JDK does not sign with " + algorithm.label(), e);
        }
    }

    /** The bytes of a public key as RFC 8032 and FIPS 204 define them. */
    static byte[] raw(SignatureAlgorithm algorithm, PublicKey key) {
        byte[] encoded = key.getEncoded();
        return Arrays.copyOfRange(encoded, encoded.length - bytes(algorithm), encoded.length);
    }

    /** @throws IllegalArgumentException if they are no public key */
    static PublicKey ofRaw(SignatureAlgorithm algorithm, byte[] raw) {
        if (raw.length != bytes(algorithm)) {
            throw new IllegalArgumentException("a public key of " + raw.length + " bytes, those of " + algorithm.label() + " have " + bytes(algorithm));
        }
        byte[] prefix = algorithm == SignatureAlgorithm.ED25519 ? ED25519_PREFIX : ML_DSA_65_PREFIX;
        byte[] encoded = Arrays.copyOf(prefix, prefix.length + raw.length);
        System.arraycopy(raw, 0, encoded, prefix.length, raw.length);
        try {
            return KeyFactory.getInstance(algorithm.label()).generatePublic(new X509EncodedKeySpec(encoded));
        } catch (GeneralSecurityException e) {
            throw new IllegalArgumentException("no public key of " + algorithm.label());
        }
    }

    private static int bytes(SignatureAlgorithm algorithm) {
        return algorithm == SignatureAlgorithm.ED25519 ? ED25519_BYTES : ML_DSA_65_BYTES;
    }

    /** Gives the seed, once. */
    private static final class Seed extends SecureRandom {
        private static final long serialVersionUID = 1L;

        private transient byte[] seed;

        Seed(byte[] seed) {
            this.seed = seed;
        }

        @Override
        public void nextBytes(byte[] out) {
            if (seed == null || out.length != SEED_BYTES) {
                throw new IllegalStateException("the JDK's key generator does not work from a seed");
            }
            System.arraycopy(seed, 0, out, 0, SEED_BYTES);
            seed = null;
        }
    }
}
