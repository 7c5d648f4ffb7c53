package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.format.Cbor;
import java.io.ByteArrayOutputStream;
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
        byte[] digest = secret;
        for (int start = 0; start < count; start += BLOCK) {
            digest = next(digest, tokens, start, Math.min(start + BLOCK, count));
        }
        return digest;
    }

    /**
     * The digests of several prefixes, one pass for all.
     *
     * @param ends their lengths: multiples of {@link #BLOCK}, rising
     */
    static List<byte[]> chain(byte[] secret, int[] tokens, List<Integer> ends) {
        List<byte[]> digests = new ArrayList<>();
        byte[] digest = secret;
        int start = 0;
        for (int end : ends) {
            if (end % BLOCK != 0 || end <= start || end > tokens.length) {
                throw new IllegalArgumentException("a prefix of " + end + " tokens behind one of " + start);
            }
            for (; start < end; start += BLOCK) {
                digest = next(digest, tokens, start, start + BLOCK);
            }
            digests.add(digest);
        }
        return digests;
    }

    private static byte[] next(byte[] before, int[] tokens, int from, int to) {
        List<Object> ids = new ArrayList<>();
        for (int t = from; t < to; t++) {
            ids.add((long) tokens[t]);
        }
        ByteArrayOutputStream block = new ByteArrayOutputStream();
        block.write(ARRAY_OF_3);
        block.writeBytes(Cbor.write(before));
        block.writeBytes(Cbor.write(ids));
        block.write(NULL);
        return MerkleTree.sha256().digest(block.toByteArray());
    }
}
