package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.format.Cbor;
import java.io.ByteArrayOutputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;

/**
 * A chain of SHA-256 digests over blocks of token ids, as serving stacks name prefixes (vLLM's {@code sha256_cbor}): a block's digest is that of the deterministic CBOR of
 * [digest of the block before, [ids], null]. The first block's predecessor is a secret, without which nobody can test a guess of the tokens.
 */
final class PrefixDigest {
    /** Tokens of a block; the last one may be shorter. */
    static final int BLOCK = 16;

    private static final int ARRAY_OF_3 = 0x83;
    private static final int NULL = 0xf6;

    private PrefixDigest() {}

    /**
     * @param secret 32 bytes in place of the first block's predecessor
     * @param count how many of the tokens, from the first one on
     */
    static byte[] of(byte[] secret, int[] tokens, int count) {
        MessageDigest sha = MerkleTree.sha256();
        byte[] digest = secret;
        for (int start = 0; start < count; start += BLOCK) {
            List<Object> ids = new ArrayList<>();
            for (int t = start; t < Math.min(start + BLOCK, count); t++) {
                ids.add((long) tokens[t]);
            }
            ByteArrayOutputStream block = new ByteArrayOutputStream();
            block.write(ARRAY_OF_3);
            block.writeBytes(Cbor.write(digest));
            block.writeBytes(Cbor.write(ids));
            block.write(NULL);
            digest = sha.digest(block.toByteArray());
        }
        return digest;
    }
}
