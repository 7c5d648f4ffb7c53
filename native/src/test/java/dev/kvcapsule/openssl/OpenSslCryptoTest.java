package dev.kvcapsule.openssl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.keys.SignatureAlgorithm;
import dev.kvcapsule.engine.keys.VerificationKey;
import dev.kvcapsule.engine.seal.Aead;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import dev.kvcapsule.engine.seal.CryptoProvider;
import dev.kvcapsule.engine.seal.LeafHash;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.Instant;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The JDK and OpenSSL are two implementations of the same standards: each opens what the other has sealed. */
class OpenSslCryptoTest {
    private final OpenSslCrypto openssl = new OpenSslCrypto();
    private final CryptoProvider jdk = CryptoProvider.jdk();

    @BeforeEach
    void thereIsALibrary() {
        assumeTrue(openssl.whyNot() == null, openssl.whyNot());
    }

    private static byte[] random(Random random, int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    @Test
    void isTheOneThatIsUsed() {
        assertInstanceOf(OpenSslCrypto.class, CryptoProvider.best());
    }

    @ParameterizedTest
    @EnumSource(AeadAlgorithm.class)
    void sealsAndOpensWhatTheJdkDoes(AeadAlgorithm algorithm) {
        Random random = new Random(3);
        byte[] key = random(random, 32);
        try (Arena arena = Arena.ofConfined(); Aead ours = openssl.aead(algorithm, key); Aead theirs = jdk.aead(algorithm, key)) {
            for (int length : new int[] {0, 1, 15, 16, 17, 63, 64, 1000, 32_767, 32_768, 32_769, 1_048_576, 1_500_001}) {
                byte[] nonce = random(random, 12);
                byte[] associated = random(random, 84);
                byte[] plain = random(random, length);
                MemorySegment one = arena.allocate(length + 16L);
                MemorySegment two = arena.allocate(length + 16L);
                MemorySegment.copy(plain, 0, one, ValueLayout.JAVA_BYTE, 0, length);
                MemorySegment.copy(plain, 0, two, ValueLayout.JAVA_BYTE, 0, length);
                ours.encrypt(nonce, associated, one.asSlice(0, length), one.asSlice(length));
                theirs.encrypt(nonce, associated, two.asSlice(0, length), two.asSlice(length));
                assertEquals(-1, one.mismatch(two), length + " bytes");
                for (Aead opener : new Aead[] {ours, theirs}) {
                    MemorySegment opened = arena.allocate(Math.max(1, length)).asSlice(0, length);
                    assertTrue(opener.decrypt(nonce, associated, one.asSlice(0, length), one.asSlice(length), opened));
                    assertArrayEquals(plain, opened.toArray(ValueLayout.JAVA_BYTE));
                    long at = random.nextInt(length + 16);
                    one.set(ValueLayout.JAVA_BYTE, at, (byte) (one.get(ValueLayout.JAVA_BYTE, at) ^ 4));
                    assertFalse(opener.decrypt(nonce, associated, one.asSlice(0, length), one.asSlice(length), opened));
                    assertArrayEquals(new byte[length], opened.toArray(ValueLayout.JAVA_BYTE), "plaintext was left behind");
                    one.set(ValueLayout.JAVA_BYTE, at, (byte) (one.get(ValueLayout.JAVA_BYTE, at) ^ 4));
                    associated[7] ^= 1;
                    assertFalse(opener.decrypt(nonce, associated, one.asSlice(0, length), one.asSlice(length), opened));
                    associated[7] ^= 1;
                }
            }
        }
    }

    @Test
    void leavesAreTheSame() {
        Random random = new Random(4);
        try (Arena arena = Arena.ofConfined(); LeafHash ours = openssl.leafHash(); LeafHash theirs = jdk.leafHash()) {
            for (int length : new int[] {0, 1, 55, 64, 1000, 100_000}) {
                MemorySegment payload = arena.allocateFrom(ValueLayout.JAVA_BYTE, random(random, length));
                byte[] header = random(random, 36);
                MemorySegment tag = MemorySegment.ofArray(random(random, 16));
                assertArrayEquals(theirs.leaf(header, payload, tag), ours.leaf(header, payload, tag));
                assertArrayEquals(theirs.leaf(header, payload, MemorySegment.NULL), ours.leaf(header, payload, MemorySegment.NULL));
            }
        }
    }

    /** Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", the vectors that NIST SP 800-38D points to. */
    @Test
    void givesThePublishedVector() {
        HexFormat hex = HexFormat.of();
        byte[] key = hex.parseHex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        byte[] plain = hex.parseHex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
        String expected = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" + "76fc6ece0f4e1768cddf8853bb2d551b";
        for (CryptoProvider provider : new CryptoProvider[] {openssl, jdk}) {
            try (Arena arena = Arena.ofConfined(); Aead aead = provider.aead(AeadAlgorithm.AES_256_GCM, key)) {
                MemorySegment memory = arena.allocate(plain.length + 16L);
                MemorySegment.copy(plain, 0, memory, ValueLayout.JAVA_BYTE, 0, plain.length);
                aead.encrypt(hex.parseHex("cafebabefacedbaddecaf888"), hex.parseHex("feedfacedeadbeeffeedfacedeadbeefabaddad2"), memory.asSlice(0, plain.length),
                        memory.asSlice(plain.length));
                assertEquals(expected, hex.formatHex(memory.toArray(ValueLayout.JAVA_BYTE)), provider.name());
            }
        }
    }

    private static VerificationKey key(KeyPair pair, SignatureAlgorithm algorithm) {
        return new VerificationKey("k", algorithm, pair.getPublic(), Instant.EPOCH, Optional.empty(), KeyStatus.ACTIVE, Optional.empty());
    }

    /** What the JDK has signed holds; with any byte of message, signature or key changed, any length, or another key it does not, and both say so. */
    @Test
    void verifiesTheSignaturesThatTheJdkVerifies() throws GeneralSecurityException {
        Random random = new Random(5);
        KeyPairGenerator generator = KeyPairGenerator.getInstance("Ed25519");
        VerificationKey other = key(generator.generateKeyPair(), SignatureAlgorithm.ED25519);
        for (int length : new int[] {0, 1, 31, 64, 1000, 70_000}) {
            KeyPair pair = generator.generateKeyPair();
            VerificationKey key = key(pair, SignatureAlgorithm.ED25519);
            byte[] message = random(random, length);
            Signature signer = Signature.getInstance("Ed25519");
            signer.initSign(pair.getPrivate());
            signer.update(message);
            byte[] signature = signer.sign();
            assertTrue(openssl.verify(key, message, signature));
            assertFalse(openssl.verify(other, message, signature));
            for (int at = 0; at < signature.length; at++) {
                byte[] changed = signature.clone();
                changed[at] ^= (byte) (1 << random.nextInt(8));
                assertFalse(openssl.verify(key, message, changed), "byte " + at);
                assertFalse(jdk.verify(key, message, changed), "byte " + at);
            }
            for (int at = 0; at < length; at += 1 + length / 20) {
                byte[] changed = message.clone();
                changed[at] ^= 1;
                assertFalse(openssl.verify(key, changed, signature));
            }
            assertFalse(openssl.verify(key, Arrays.copyOf(message, length + 1), signature));
            for (int bytes : new int[] {0, 1, 63, 65, 128}) {
                assertFalse(openssl.verify(key, message, Arrays.copyOf(signature, bytes)));
            }
            // S + L is the same S to who does not look: RFC 8032, 5.1.7 refuses it.
            byte[] malleable = signature.clone();
            BigInteger order = BigInteger.TWO.pow(252).add(new BigInteger("27742317777372353535851937790883648493"));
            byte[] sum = new BigInteger(1, reversed(Arrays.copyOfRange(signature, 32, 64))).add(order).toByteArray();
            byte[] little = Arrays.copyOf(reversed(sum), 32);
            System.arraycopy(little, 0, malleable, 32, 32);
            assertFalse(openssl.verify(key, message, malleable));
            assertFalse(jdk.verify(key, message, malleable));
        }
    }

    private static byte[] reversed(byte[] bytes) {
        byte[] reversed = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            reversed[i] = bytes[bytes.length - 1 - i];
        }
        return reversed;
    }

    /** RFC 8032, 7.1, test 3. */
    @Test
    void verifiesTheSignatureOfTheStandard() throws GeneralSecurityException {
        byte[] encoded = HexFormat.of().parseHex("302a300506032b6570032100" + "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        PublicKey point = KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded));
        VerificationKey key = key(new KeyPair(point, null), SignatureAlgorithm.ED25519);
        byte[] signature = HexFormat.of().parseHex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
        assertTrue(openssl.verify(key, HexFormat.of().parseHex("af82"), signature));
        assertTrue(jdk.verify(key, HexFormat.of().parseHex("af82"), signature));
    }
}
