package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Capsules of {@code klt} decode to what an implementation in numpy, written from docs/format.md, makes of them. They are kept: a decoder that reads them
 * otherwise reads another format. After a change of the format {@link #main} makes them anew; see testdata/golden/README.md.
 */
class KltGoldenTest {
    private static byte[] golden(String name) throws IOException {
        try (InputStream in = Samples.golden("klt/" + name)) {
            return in.readAllBytes();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"own", "fine", "shared", "besides"})
    void capsulesDecodeToWhatNumpyMakesOfThem(String name) throws IOException {
        byte[] expected = golden(name + ".f16");
        for (Kernels kernels : List.of(Kernels.scalar(), Kernels.panama())) {
            try (Arena arena = Arena.ofShared()) {
                Bases bases = name.equals("shared") || name.equals("besides") ? basis(name, arena) : Bases.NONE;
                PipelineOptions options = new PipelineOptions(1, kernels, Progress.NONE, bases);
                byte[] decoded = TestCaches.bytes(Capsules.decode(CapsuleReader.of(Capsules.mapped(golden(name + ".kvc"), arena)), arena, options));
                assertEquals(expected.length, decoded.length);
                int different = 0;
                for (int at = 0; at < expected.length; at += 2) {
                    float want = half(expected, at);
                    float have = half(decoded, at);
                    different += want == have ? 0 : 1;
                    // Sines of another library, and fused multiply-adds that were rounded twice: an ulp of binary16 where a value lies near a tie.
                    int now = at / 2;
                    assertEquals(want, have, 0.001 * Math.abs(want) + 1e-7, () -> "number " + now);
                }
                assertTrue(different <= expected.length / 2000, different + " numbers differ");
            }
        }
    }

    private static SharedBasis basis(String name, Arena arena) throws IOException {
        byte[] file = golden(name + ".kvb");
        return new SharedBasis(java.util.HexFormat.of().formatHex(file, file.length - 32, file.length), arena.allocateFrom(ValueLayout.JAVA_BYTE, file));
    }

    private static float half(byte[] bytes, int at) {
        return Float.float16ToFloat(MemorySegment.ofArray(bytes).get(ValueLayout.JAVA_SHORT_UNALIGNED, at));
    }

    /** Two sub-caches with heads of several sizes, one layer without V, one sub-cache wrapped around. */
    private static KvCache mixed(Arena arena) {
        SubCache global = TestCaches.dense(40, List.of(TestCaches.layer(0, 2, 16, 8, DType.F16, DType.F16), TestCaches.layer(2, 1, 20, 0, DType.F16, DType.F16),
                TestCaches.layer(3, 1, 16, 24, DType.F16, DType.F16)));
        SubCache local = new SubCache("swa", Positions.of(new int[] {36, 37, 38, 39, 27, 28, 29, 30, 31, 32, 33, 34, 35}), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR,
                List.of(TestCaches.layer(1, 1, 32, 40, DType.F16, DType.F16)));
        return TestCaches.filled(arena, new dev.kvcapsule.engine.cache.CacheLayout(40, List.of(global, local), List.of(), java.util.Map.of()), TestCaches::ordinary);
    }

    /** Writes the capsules into a folder. */
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        try (Arena arena = Arena.ofShared()) {
            Files.write(folder.resolve("own.kvc"), Capsules.encode(TestCaches.real(arena, 48, 3, 20), "klt:group=all,step=0.5,window=12"));
            Files.write(folder.resolve("fine.kvc"), Capsules.encode(mixed(arena), "klt:group=2,step=0.02,sink=0,window=5"));
            SharedBasis basis = SharedBasis.of(mixed(arena), 1, TestCaches.weights(mixed(arena).layout(), 5), arena);
            Files.write(folder.resolve("shared.kvb"), basis.file().toArray(ValueLayout.JAVA_BYTE));
            Files.write(folder.resolve("shared.kvc"), Capsules.encode(mixed(arena), basis.codec("step=0.3,sink=3,window=5"), basis.options(1, Kernels.scalar())).bytes());
            // Of 14 tokens, so that much of 64 lies outside.
            SharedBasis narrow = SharedBasis.of(TestCaches.real(arena, 14, 3), 0, arena);
            Files.write(folder.resolve("besides.kvb"), narrow.file().toArray(ValueLayout.JAVA_BYTE));
            Files.write(folder.resolve("besides.kvc"), Capsules.encode(TestCaches.real(arena, 64, 3), narrow.codec("step=0.4,own=9,window=8"), narrow.options(1, Kernels.scalar())).bytes());
        }
    }
}
