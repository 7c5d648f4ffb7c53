package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.upokecenter.cbor.CBORObject;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.keys.VerificationKey;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.seal.Caller;
import dev.kvcapsule.engine.seal.RestoreContext;
import dev.kvcapsule.engine.seal.RestorePolicy;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.bouncycastle.crypto.InvalidCipherTextException;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.engines.AESEngine;
import org.bouncycastle.crypto.generators.HKDFBytesGenerator;
import org.bouncycastle.crypto.modes.GCMBlockCipher;
import org.bouncycastle.crypto.params.AEADParameters;
import org.bouncycastle.crypto.params.Ed25519PublicKeyParameters;
import org.bouncycastle.crypto.params.HKDFParameters;
import org.bouncycastle.crypto.params.KeyParameter;
import org.bouncycastle.crypto.signers.Ed25519Signer;
import org.bouncycastle.pqc.crypto.mldsa.MLDSAParameters;
import org.bouncycastle.pqc.crypto.mldsa.MLDSAPublicKeyParameters;
import org.bouncycastle.pqc.crypto.mldsa.MLDSASigner;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Sealed capsules against implementations that share no code with ours: CBOR by upokecenter, everything cryptographic by BouncyCastle; testdata/scripts/check_seal.py does the
 * same in Python.
 */
class SealInteropTest {
    @TempDir
    private Path folder;

    private static byte[] raw(VerificationKey key, int bytes) {
        byte[] encoded = key.key().getEncoded();
        return Arrays.copyOfRange(encoded, encoded.length - bytes, encoded.length);
    }

    private static boolean ed25519(VerificationKey key, byte[] message, byte[] signature) {
        Ed25519Signer signer = new Ed25519Signer();
        signer.init(false, new Ed25519PublicKeyParameters(raw(key, 32)));
        signer.update(message, 0, message.length);
        return signer.verifySignature(signature);
    }

    private static boolean mlDsa(VerificationKey key, byte[] message, byte[] signature) {
        MLDSASigner signer = new MLDSASigner();
        signer.init(false, new MLDSAPublicKeyParameters(MLDSAParameters.ml_dsa_65, raw(key, 1952)));
        signer.update(message, 0, message.length);
        return signer.verifySignature(signature);
    }

    private static byte[] hkdf(byte[] key, byte[] salt, String info, int length) {
        HKDFBytesGenerator generator = new HKDFBytesGenerator(new SHA256Digest());
        generator.init(new HKDFParameters(key, salt, info.getBytes(StandardCharsets.US_ASCII)));
        byte[] out = new byte[length];
        generator.generateBytes(out, 0, length);
        return out;
    }

    private static byte[] gcm(byte[] key, byte[] nonce, byte[] associated, byte[] encrypted) throws InvalidCipherTextException {
        var cipher = GCMBlockCipher.newInstance(AESEngine.newInstance());
        cipher.init(false, new AEADParameters(new KeyParameter(key), 128, nonce, associated));
        byte[] out = new byte[cipher.getOutputSize(encrypted.length)];
        int written = cipher.processBytes(encrypted, 0, encrypted.length, out, 0);
        cipher.doFinal(out, written);
        return out;
    }

    private static byte[] sha256(byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (byte[] part : parts) {
                digest.update(part);
            }
            return digest.digest();
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] merkle(List<byte[]> leaves) {
        if (leaves.size() == 1) {
            return leaves.getFirst();
        }
        int split = Integer.highestOneBit(leaves.size() - 1);
        return sha256(new byte[] {1}, merkle(leaves.subList(0, split)), merkle(leaves.subList(split, leaves.size())));
    }

    private static CBORObject payload(byte[] capsule, SealedForge.Part part) {
        return CBORObject.DecodeFromBytes(Arrays.copyOfRange(capsule, part.payload(), part.end()));
    }

    /** Verifies COSE_Sign1. @return what was signed */
    private static CBORObject sign1(CBORObject message, TestKeys keys) throws IOException {
        assertTrue(message.HasMostOuterTag(18));
        CBORObject header = CBORObject.DecodeFromBytes(message.get(0).GetByteString());
        String kid = new String(header.get(CBORObject.FromObject(4)).GetByteString(), StandardCharsets.US_ASCII);
        byte[] signed = CBORObject.NewArray().Add("Signature1").Add(message.get(0)).Add(new byte[0]).Add(message.get(2)).EncodeToBytes();
        assertTrue(ed25519(keys.publicKey(kid).orElseThrow(), signed, message.get(3).GetByteString()));
        signed[signed.length - 1] ^= 1;
        assertFalse(ed25519(keys.publicKey(kid).orElseThrow(), signed, message.get(3).GetByteString()));
        return CBORObject.DecodeFromBytes(message.get(2).GetByteString());
    }

    @Test
    void bouncyCastleVerifiesUnwrapsAndDecryptsWhatWeSeal() throws Exception {
        TestKeys keys = new TestKeys(folder);
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.small(arena);
            byte[] capsule = SealedCapsules.seal(cache, "raw", keys);
            SealedForge parts = new SealedForge(capsule);
            SealedForge.Part first = parts.parts().getFirst();
            CBORObject seal = sign1(payload(capsule, first), keys).get("seal");
            CBORObject trailer = sign1(payload(capsule, parts.parts().getLast()), keys);
            byte[] digest = sha256(Arrays.copyOfRange(capsule, first.payload(), first.end()));
            assertArrayEquals(digest, trailer.get("manifest_digest").GetByteString());
            List<byte[]> leaves = new ArrayList<>();
            for (SealedForge.Part part : parts.parts().subList(0, parts.parts().size() - 1)) {
                leaves.add(sha256(new byte[1], Arrays.copyOfRange(capsule, part.start(), part.start() + 36), Arrays.copyOfRange(capsule, part.payload(), part.end())));
            }
            assertArrayEquals(merkle(leaves), trailer.get("merkle_root").GetByteString());

            byte[] id = seal.get("capsule_id").GetByteString();
            byte[] context = CBORObject.NewArray().Add(id).Add("acme").Add(1).EncodeToBytes();
            String jwk = Files.readString(folder.resolve("private/tenant.acme.1.private.jwk"));
            byte[] tenant = java.util.Base64.getUrlDecoder().decode(jwk.replaceAll("(?s).*\"k\": \"([^\"]+)\".*", "$1"));
            byte[] wrapped = seal.get("wrapped_key").GetByteString();
            byte[] key = gcm(hkdf(tenant, context, "kvcapsule wrap", 32), Arrays.copyOf(wrapped, 12), context, Arrays.copyOfRange(wrapped, 12, 60));
            assertArrayEquals(seal.get("key_commitment").GetByteString(), hkdf(key, id, "kvcapsule commitment", 32));
            byte[] prefix = hkdf(key, id, "kvcapsule nonce", 7);
            SealedForge.Part last = parts.tiles().getLast();
            int sequence = 0;
            int opened = 0;
            for (SealedForge.Part part : parts.parts()) {
                if (capsule[part.start() + 5] == 1) {
                    byte[] nonce = ByteBuffer.allocate(12).put(prefix).putInt(sequence).put((byte) (part.equals(last) ? 1 : 0)).array();
                    byte[] associated = ByteBuffer.allocate(84).put(id).put(digest).put(capsule, part.start(), 36).array();
                    byte[] plain = gcm(hkdf(key, id, "kvcapsule frames", 32), nonce, associated, Arrays.copyOfRange(capsule, part.payload(), part.end()));
                    if (part.equals(parts.tiles().getFirst())) {
                        // Raw coding: a byte that names the coder, then K of layer 0 as it is.
                        assertEquals(-1, MemorySegment.ofArray(plain).asSlice(1, 64).mismatch(cache.tensor(0, 0, dev.kvcapsule.engine.cache.Part.KEY).asSlice(0, 64)));
                    }
                    opened++;
                }
                sequence++;
            }
            assertEquals(parts.tiles().size() + 1, opened, "every tile and the blob");
        }
    }

    @Test
    void bouncyCastleVerifiesBothSignaturesOfAHybridSeal() throws IOException {
        TestKeys keys = new TestKeys(folder);
        try (Arena arena = Arena.ofShared()) {
            byte[] capsule = SealedCapsules.seal(TestCaches.small(arena), "raw", keys, SealedCapsules.spec(TestKeys.HYBRID_KID, 1), Capsules.ONE_THREAD);
            SealedForge parts = new SealedForge(capsule);
            for (SealedForge.Part part : List.of(parts.parts().getFirst(), parts.parts().getLast())) {
                CBORObject message = payload(capsule, part);
                assertTrue(message.HasMostOuterTag(98));
                assertEquals(2, message.get(3).size());
                for (int i = 0; i < 2; i++) {
                    CBORObject signature = message.get(3).get(i);
                    CBORObject header = CBORObject.DecodeFromBytes(signature.get(0).GetByteString());
                    VerificationKey key = keys.publicKey(new String(header.get(CBORObject.FromObject(4)).GetByteString(), StandardCharsets.US_ASCII)).orElseThrow();
                    assertEquals(i == 0 ? -19 : -49, header.get(CBORObject.FromObject(1)).AsInt32());
                    byte[] signed = CBORObject.NewArray().Add("Signature").Add(message.get(0)).Add(signature.get(0)).Add(new byte[0]).Add(message.get(2)).EncodeToBytes();
                    byte[] bytes = signature.get(2).GetByteString();
                    assertTrue(i == 0 ? ed25519(key, signed, bytes) : mlDsa(key, signed, bytes));
                    signed[40] ^= 1;
                    assertFalse(i == 0 ? ed25519(key, signed, bytes) : mlDsa(key, signed, bytes));
                }
            }
        }
    }

    private KeyFolder goldenKeys() throws IOException {
        for (String name : List.of("signing/golden.jwk", "tenants/acme.1.jwk", "private/sign.golden.private.jwk", "private/tenant.acme.1.private.jwk")) {
            Path file = folder.resolve("golden").resolve(name);
            Files.createDirectories(file.getParent());
            try (InputStream in = Samples.seal(name)) {
                Files.copy(in, file);
            }
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        }
        return KeyFolder.open(folder.resolve("golden"), null);
    }

    @Test
    void theGoldenCapsuleOpensAndHoldsTheStateItWasMadeOf() throws IOException {
        KeyFolder keys = goldenKeys();
        byte[] capsule;
        byte[] state;
        try (InputStream in = Samples.seal("golden.kvc"); InputStream made = Samples.state("llama-f16.ggsq")) {
            capsule = in.readAllBytes();
            state = made.readAllBytes();
        }
        Caller caller = new Caller("acme", "ann", Optional.of("golden"), Set.of("restore"));
        Instant now = Instant.parse("2030-01-01T00:00:00Z");
        RestorePolicy policy = SealedCapsules.policy(caller, RestoreContext.UNCHECKED, now, new ArrayList<>());
        try (Arena arena = Arena.ofShared(); var opening = new dev.kvcapsule.engine.seal.CapsuleOpening(keys, policy)) {
            KvCache opened = Capsules.decode(dev.kvcapsule.engine.format.CapsuleReader.of(Capsules.mapped(capsule, arena), opening), arena, Capsules.ONE_THREAD);
            byte[] row = opened.tensor(0, 0, dev.kvcapsule.engine.cache.Part.KEY).asSlice(0, 64).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
            assertTrue(new String(state, StandardCharsets.ISO_8859_1).contains(new String(row, StandardCharsets.ISO_8859_1)));
            assertEquals("golden", opening.claims().scope().session().orElseThrow());
            RestorePolicy late = SealedCapsules.policy(caller, RestoreContext.UNCHECKED, Instant.parse("2200-01-01T00:00:00Z"), new ArrayList<>());
            assertEquals(RefusalCode.EXPIRED, SealedCapsules.refusal(capsule, keys, late, opened));
            SealedCapsules.open(capsule, keys, policy, CacheSink.of(opened));
        }
    }
}
