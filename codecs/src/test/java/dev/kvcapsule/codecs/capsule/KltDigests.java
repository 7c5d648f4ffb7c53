package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.kernel.Kernels;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.zip.CRC32C;

/** Prints checksums of capsules and of what they decode to: the same from every JVM, whatever its vectors. */
final class KltDigests {
    private KltDigests() {}

    static String text() throws IOException {
        StringBuilder text = new StringBuilder();
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.filled(arena, TestCaches.layout(70, TestCaches.dense(70, TestCaches.layers(2, 2, 24, 25, DType.F16))), TestCaches::ordinary);
            SharedBasis basis = SharedBasis.of(cache, 0, arena);
            KvCache first = TestCaches.filled(arena, TestCaches.layout(20, TestCaches.dense(20, TestCaches.layers(2, 2, 24, 25, DType.F16))), TestCaches::ordinary);
            SharedBasis narrow = SharedBasis.of(first, 0, arena);
            text.append(digests("klt:step=0.5,window=20", cache, basis, arena));
            text.append(digests(basis.codec("step=1,window=20"), cache, basis, arena));
            text.append(digests(narrow.codec("step=0.5,own=9"), cache, narrow, arena));
        }
        return text.toString();
    }

    private static String digests(String codec, KvCache cache, SharedBasis basis, Arena arena) throws IOException {
        byte[] capsule = Capsules.encode(cache, codec, basis.options(1, Kernels.panama())).bytes();
        byte[] decoded = TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.mapped(capsule, arena)), arena, basis.options(1, Kernels.panama())));
        return crc(capsule) + ' ' + crc(decoded) + ' ';
    }

    private static String crc(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return Long.toHexString(crc.getValue());
    }

    public static void main(String[] args) throws IOException {
        System.out.println(text());
    }
}
