package dev.kvcapsule.engine.seal;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.Deque;

/** The Merkle tree hash of RFC 6962, section 2.1, over leaves that come one by one; keeps a hash for each level only. */
final class MerkleTree {
    /** What a leaf's hash begins with. */
    static final byte LEAF = 0;

    private static final byte NODE = 1;

    private record Subtree(long leaves, byte[] hash) {}

    private final MessageDigest digest = sha256();
    private final Deque<Subtree> subtrees = new ArrayDeque<>();

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }

    /** Adds a leaf by its hash. */
    void add(byte[] leaf) {
        Subtree last = new Subtree(1, leaf);
        while (!subtrees.isEmpty() && subtrees.peek().leaves() == last.leaves()) {
            last = join(subtrees.pop(), last);
        }
        subtrees.push(last);
    }

    private Subtree join(Subtree left, Subtree right) {
        digest.update(NODE);
        digest.update(left.hash());
        return new Subtree(left.leaves() + right.leaves(), digest.digest(right.hash()));
    }

    /** The root over all leaves so far: at least one. */
    byte[] root() {
        Deque<Subtree> rest = new ArrayDeque<>(subtrees);
        Subtree root = rest.pop();
        while (!rest.isEmpty()) {
            root = join(rest.pop(), root);
        }
        return root.hash();
    }
}
