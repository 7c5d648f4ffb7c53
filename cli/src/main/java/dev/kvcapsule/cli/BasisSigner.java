package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.KeyProvider;
import dev.kvcapsule.engine.seal.FileSignature;
import dev.kvcapsule.serving.files.AtomicOutput;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HexFormat;

/** Signs bases, and knows where their signatures lie. */
final class BasisSigner {
    private static final int DIGEST_BYTES = 32;

    private final KeyProvider keys;
    private final String kid;

    /** @throws dev.kvcapsule.engine.keys.KeyException if the key cannot sign now: a signature of nothing shows it */
    BasisSigner(KeyProvider keys, String kid) throws IOException {
        this.keys = keys;
        this.kid = kid;
        FileSignature.sign(new byte[DIGEST_BYTES], kid, keys, Instant.now());
    }

    /** The file beside a basis that has its signature. */
    static Path beside(Path basis) {
        return basis.resolveSibling(basis.getFileName() + FileSignature.SUFFIX);
    }

    /** @param digest of the basis, SHA-256 in hexadecimal */
    void sign(Path basis, String digest) throws IOException {
        AtomicOutput.write(beside(basis), FileSignature.sign(HexFormat.of().parseHex(digest), kid, keys, Instant.now()));
    }
}
