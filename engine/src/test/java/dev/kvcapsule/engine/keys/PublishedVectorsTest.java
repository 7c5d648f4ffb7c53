package dev.kvcapsule.engine.keys;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.security.KeyPair;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

/** What standards say that must come out. */
class PublishedVectorsTest {
    private static final HexFormat HEX = HexFormat.of();

    /** RFC 8032, section 7.1, test 3. */
    @Test
    void ed25519() {
        byte[] seed = HEX.parseHex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
        KeyPair pair = KeyPairs.ofSeed(SignatureAlgorithm.ED25519, seed);
        assertEquals("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", HEX.formatHex(KeyPairs.raw(SignatureAlgorithm.ED25519, pair.getPublic())));
        assertEquals("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
                HEX.formatHex(KeyPairs.sign(SignatureAlgorithm.ED25519, pair.getPrivate(), HEX.parseHex("af82"))));
        assertEquals(pair.getPublic(), KeyPairs.ofRaw(SignatureAlgorithm.ED25519, KeyPairs.raw(SignatureAlgorithm.ED25519, pair.getPublic())));
    }

    /** RFC 5869, appendix A.1 and A.3. */
    @Test
    void hkdf() {
        byte[] key = HEX.parseHex("0b".repeat(22));
        assertEquals("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
                HEX.formatHex(Hkdf.derive(key, HEX.parseHex("000102030405060708090a0b0c"), HEX.parseHex("f0f1f2f3f4f5f6f7f8f9"), 42)));
        assertEquals("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8", HEX.formatHex(Hkdf.derive(key, new byte[0], new byte[0], 42)));
    }

    /**
     * NIST's ACVP vectors for FIPS 204, ML-DSA-keyGen, test case 26: the public key by its first and last bytes, and all of it by its digest {@code tr}, which the
     * expected private key holds.
     */
    @Test
    void mlDsaKeyGeneration() throws java.security.NoSuchAlgorithmException {
        KeyPair pair = KeyPairs.ofSeed(SignatureAlgorithm.ML_DSA_65, HEX.parseHex("8ab6448bf58f897d528a8de9f8e59329ac929a9cde7edf3e27e01bc9ef128a67"));
        byte[] raw = KeyPairs.raw(SignatureAlgorithm.ML_DSA_65, pair.getPublic());
        assertEquals("49de190622b0681761a9db044015bf812760429001fdff5fc897166546277e84", HEX.formatHex(raw, 0, 32));
        assertEquals("9bc72de319e1ec39e8f979e49b61c", HEX.formatHex(raw).substring(2 * raw.length - 29));
        assertEquals("b2b87c49f3e51e4c76c8edf276174b9ebe99228b1bead73fde09d114795b8275598163b433a79712726320692ffca1dbd70f68689a3d5bfd21bfe3f3852673b0",
                HEX.formatHex(java.security.MessageDigest.getInstance("SHAKE256-512").digest(raw)));
    }

    /** A key pair from a seed is always the same, and its public half is read back from its raw bytes. */
    @Test
    void mlDsaFromASeed() {
        byte[] seed = new byte[32];
        KeyPair one = KeyPairs.ofSeed(SignatureAlgorithm.ML_DSA_65, seed);
        KeyPair two = KeyPairs.ofSeed(SignatureAlgorithm.ML_DSA_65, seed);
        byte[] raw = KeyPairs.raw(SignatureAlgorithm.ML_DSA_65, one.getPublic());
        assertEquals(HEX.formatHex(raw), HEX.formatHex(KeyPairs.raw(SignatureAlgorithm.ML_DSA_65, two.getPublic())));
        byte[] signature = KeyPairs.sign(SignatureAlgorithm.ML_DSA_65, one.getPrivate(), new byte[] {1});
        VerificationKey key = new VerificationKey("k", SignatureAlgorithm.ML_DSA_65, KeyPairs.ofRaw(SignatureAlgorithm.ML_DSA_65, raw), java.time.Instant.EPOCH,
                java.util.Optional.empty(), KeyStatus.ACTIVE, java.util.Optional.empty());
        assertTrue(key.verify(new byte[] {1}, signature));
        assertEquals(SignatureAlgorithm.ML_DSA_65.signatureBytes(), signature.length);
    }
}
