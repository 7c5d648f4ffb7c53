package dev.kvcapsule.openssl;

import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.seal.LeafHash;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** EVP's SHA-256. */
final class OpenSslLeafHash implements LeafHash {
    private static final int DIGEST_BYTES = 32;
    private static final int MOST_HEADER = 64;

    private final LibCrypto library;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment context;
    private final MemorySegment start = arena.allocate(1 + MOST_HEADER);
    private final MemorySegment digest = arena.allocate(DIGEST_BYTES);
    private final GrowingBuffer copy = new GrowingBuffer();

    OpenSslLeafHash(LibCrypto library) {
        this.library = library;
        this.context = newContext();
    }

    private MemorySegment newContext() {
        try {
            return library.newDigest();
        } catch (IllegalStateException e) {
            arena.close();
            throw e;
        }
    }

    @Override
    public byte[] leaf(byte[] header, MemorySegment payload, MemorySegment tag) {
        library.digestInit(context);
        MemorySegment.copy(header, 0, start, ValueLayout.JAVA_BYTE, 1, header.length);
        library.digestUpdate(context, start.asSlice(0, 1L + header.length));
        update(payload);
        update(tag);
        library.digestFinish(context, digest);
        return digest.toArray(ValueLayout.JAVA_BYTE);
    }

    private void update(MemorySegment bytes) {
        long length = bytes.byteSize();
        if (length > 0) {
            library.digestUpdate(context, bytes.isNative() ? bytes : copy.atLeast(length).asSlice(0, length).copyFrom(bytes));
        }
    }

    @Override
    public void close() {
        library.freeDigest(context);
        copy.close();
        arena.close();
    }
}
