package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.kvcapsule.engine.kernel.Parity.Outputs;
import dev.kvcapsule.engine.kernel.Parity.Room;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@ExtendWith(AvailableWidth.class)
class BytePlaneKernelTest {
    private static final int[] COUNTS = IntStream.concat(IntStream.rangeClosed(0, 140), IntStream.of(1000, 4096, 20_001)).toArray();

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void splitPutsBytePOfEachElementIntoPlanePAndJoinUndoesIt(int elementBytes) {
        for (int count : COUNTS) {
            int skew = count % 7;
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment elements = random(arena, count * elementBytes, skew);
                Outputs outputs = Parity.same(arena, count + " elements of " + elementBytes, (kernels, out) -> {
                    Room planes = out.room("planes", elements.byteSize(), skew + 1);
                    kernels.bytePlane().split(elements, elementBytes, count, planes.slice());
                    Room joined = out.room("elements", elements.byteSize(), skew + 3);
                    kernels.bytePlane().join(planes.slice(), elementBytes, count, joined.slice());
                    return null;
                });
                byte[] source = elements.toArray(ValueLayout.JAVA_BYTE);
                byte[] expected = new byte[source.length];
                for (int i = 0; i < source.length; i++) {
                    expected[i % elementBytes * count + i / elementBytes] = source[i];
                }
                assertArrayEquals(expected, outputs.get(0).slice().toArray(ValueLayout.JAVA_BYTE));
                assertArrayEquals(source, outputs.get(1).slice().toArray(ValueLayout.JAVA_BYTE));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 64, 192})
    void countAddsEachSymbolToTheHistogramOfItsClass(int period) {
        int offset = 5;
        for (int count : new int[] {0, 1, period - 1, 3000}) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment symbols = random(arena, offset + count, 1);
                int[][] expected = new int[period][256];
                expected[period - 1][7] = 40;
                for (int i = 0; i < count; i++) {
                    expected[i % period][symbols.get(ValueLayout.JAVA_BYTE, offset + i) & 0xff]++;
                }
                for (Kernels kernels : Parity.providers()) {
                    int[][] histograms = new int[period][256];
                    histograms[period - 1][7] = 40;
                    kernels.bytePlane().count(symbols, offset, count, period, histograms);
                    assertArrayEquals(expected, histograms, kernels.name());
                }
            }
        }
    }

    @Test
    void segmentsThatDoNotFitAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            for (int elementBytes : new int[] {1, 2, 4}) {
                MemorySegment enough = arena.allocate(100L * elementBytes);
                MemorySegment tooShort = arena.allocate(100L * elementBytes - 1);
                MemorySegment heap = MemorySegment.ofArray(new byte[100 * elementBytes]);
                Parity.bothRefuse(IllegalArgumentException.class, "a heap source", k -> k.bytePlane().split(heap, elementBytes, 100, enough));
                Parity.bothRefuse(IllegalArgumentException.class, "a heap target", k -> k.bytePlane().join(enough, elementBytes, 100, heap));
                Parity.bothRefuse(IndexOutOfBoundsException.class, "short elements", k -> k.bytePlane().split(tooShort, elementBytes, 100, enough));
                Parity.bothRefuse(IndexOutOfBoundsException.class, "short planes", k -> k.bytePlane().split(enough, elementBytes, 100, tooShort));
                Parity.bothRefuse(IndexOutOfBoundsException.class, "short planes", k -> k.bytePlane().join(tooShort, elementBytes, 100, enough));
                Parity.bothRefuse(IndexOutOfBoundsException.class, "short elements", k -> k.bytePlane().join(enough, elementBytes, 100, tooShort));
                Parity.bothRefuse(IllegalArgumentException.class, "a read-only target", k -> k.bytePlane().join(enough, elementBytes, 100, enough.asReadOnly()));
            }
            Parity.bothRefuse(IndexOutOfBoundsException.class, "symbols past the end",
                    k -> k.bytePlane().count(arena.allocate(10), 5, 6, 1, new int[1][256]));
        }
    }

    private static MemorySegment random(Arena arena, int bytes, int skew) {
        byte[] values = new byte[bytes];
        new SplittableRandom(bytes).nextBytes(values);
        return arena.allocate(bytes + (long) skew, 64).asSlice(skew).copyFrom(MemorySegment.ofArray(values));
    }
}
