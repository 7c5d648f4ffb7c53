package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.Parity.Outputs;
import dev.kvcapsule.engine.kernel.Parity.Room;
import dev.kvcapsule.engine.kernel.RansData.Models;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@ExtendWith(AvailableWidth.class)
class RansKernelTest {
    private static final int[] PERIODS = {1, 2, 63, 64, 65, 80, 192, 1024};
    private static final int[] SMALL = IntStream.concat(IntStream.rangeClosed(0, 70), IntStream.of(127, 128, 129, 191, 192, 193, 255, 256, 300)).toArray();
    private static final int[] LARGE = {4096, 65_535, 65_536, 65_600, 131_137};
    /** What a stream has besides its information: states of its lanes, in case of a long one twice. */
    private static final int STATES = 2 * RansKernel.STATE_BYTES;

    @ParameterizedTest
    @EnumSource
    void bothProvidersWriteTheSameStreamAndReadTheSymbolsBack(RansData data) throws MalformedDataException {
        SplittableRandom random = new SplittableRandom(data.ordinal());
        for (int period : PERIODS) {
            byte[] all = data.symbols(3000, period, random);
            Models models = RansData.models(all, period, random);
            for (int n : SMALL) {
                roundTrip(data + " " + n + " of period " + period, Arrays.copyOf(all, n), models);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void longStreamsComeBackWithinAFewBytesOfTheirInformation(RansData data) throws MalformedDataException {
        SplittableRandom random = new SplittableRandom(data.ordinal());
        for (int period : new int[] {1, 80}) {
            byte[] all = data.symbols(LARGE[LARGE.length - 1], period, random);
            Models models = RansData.models(all, period, random);
            for (int n : LARGE) {
                byte[] symbols = Arrays.copyOf(all, n);
                int length = roundTrip(data + " " + n + " of period " + period, symbols, models);
                long[][] histograms = RansData.histograms(symbols, models.contexts());
                double bits = 0;
                for (int t = 0; t < histograms.length; t++) {
                    bits += models.tables().estimatedBits(t, histograms[t]);
                }
                // A state holds up to 31 bits, of which none need be information.
                assertTrue(length <= bits / 8 + STATES + n * 0.0005, data + " " + n + ": " + length + " bytes for " + bits / 8);
                assertTrue(length >= bits / 8, data + " " + n + ": " + length + " bytes for " + bits / 8);
            }
        }
    }

    /** Encodes and decodes with both providers, decoding into memory between guards and out of memory that ends with the stream. */
    private static int roundTrip(String what, byte[] symbols, Models models) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            byte[] stream = encode(arena, what, symbols, models);
            Outputs outputs = Parity.same(arena, what, (kernels, out) -> {
                Room decoded = out.room("symbols", symbols.length, 1);
                assertTrue(decode(kernels, copy(arena, stream), decoded.slice(), models), what);
                return null;
            });
            assertArrayEquals(symbols, outputs.get(0).slice().toArray(ValueLayout.JAVA_BYTE), what);
            return stream.length;
        }
    }

    /** Both providers' stream. */
    private static byte[] encode(Arena arena, String what, byte[] symbols, Models models) {
        MemorySegment source = copy(arena, symbols);
        byte[][] stream = new byte[1][];
        Parity.same(arena, what, (kernels, out) -> {
            Room room = out.scratch("stream", RansKernel.maxEncodedBytes(symbols.length), 3);
            long length = kernels.rans().encode(source, symbols.length, models.tables(), models.contexts(), room.slice());
            stream[0] = room.slice().asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
            return Arrays.hashCode(stream[0]) + 31 * length;
        });
        return stream[0];
    }

    /** Decodes, and sees that it is what the specification makes of the same stream. */
    private static boolean decode(Kernels kernels, MemorySegment in, MemorySegment symbols, Models models) {
        try (Arena arena = Arena.ofConfined()) {
            boolean accepted = accepted(() -> kernels.rans().decode(in, symbols, symbols.byteSize(), models.tables(), models.contexts()));
            MemorySegment specified = arena.allocate(Math.max(1, symbols.byteSize())).asSlice(0, symbols.byteSize());
            assertEquals(accepted(() -> specification(in, specified, symbols.byteSize(), models)), accepted, kernels.name());
            assertTrue(!accepted || specified.mismatch(symbols) < 0, kernels.name());
            return accepted;
        }
    }

    /** One symbol at a time, from the first to the last. */
    private static void specification(MemorySegment in, MemorySegment symbols, long n, Models models) throws MalformedDataException {
        long words = RansChecks.decode(in, symbols, n, models.tables(), models.contexts());
        int[] states = ScalarRans.initialStates(in, words, n);
        RansChecks.end(ScalarRans.decodeRows(in, words, 0, symbols, 0, n, models.tables(), models.contexts(), states), words, states);
    }

    private interface Decoding {
        void run() throws MalformedDataException;
    }

    private static boolean accepted(Decoding decoding) {
        try {
            decoding.run();
            return true;
        } catch (MalformedDataException refused) {
            return false;
        }
    }

    private static MemorySegment copy(Arena arena, byte[] bytes) {
        return arena.allocate(bytes.length).copyFrom(MemorySegment.ofArray(bytes));
    }

    @ParameterizedTest
    @EnumSource
    void truncatedStreamIsRefused(RansData data) {
        SplittableRandom random = new SplittableRandom(data.ordinal());
        for (int n : new int[] {0, 1, 63, 64, 200, 1000}) {
            for (int period : new int[] {1, 80}) {
                byte[] symbols = data.symbols(n, period, random);
                Models models = RansData.models(symbols, period, random);
                byte[] stream = encode(symbols, models);
                for (int length = 0; length < stream.length; length += n < 100 ? 1 : 1 + random.nextInt(7)) {
                    assertFalse(damaged(Arrays.copyOf(stream, length), symbols, models), data + " " + n + " cut to " + length);
                    assertFalse(damaged(Arrays.copyOfRange(stream, stream.length - length, stream.length), symbols, models), data + " without its beginning");
                }
                assertFalse(damaged(Arrays.copyOf(stream, stream.length + 2), symbols, models), data + " with more after it");
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void flippedBitIsRefusedOrGivesOtherSymbols(RansData data) {
        SplittableRandom random = new SplittableRandom(data.ordinal());
        for (int n : new int[] {0, 1, 63, 64, 200, 1000}) {
            for (int period : new int[] {1, 80}) {
                byte[] symbols = data.symbols(n, period, random);
                Models models = RansData.models(symbols, period, random);
                byte[] stream = encode(symbols, models);
                for (int bit = 0; bit < stream.length * 8; bit += 1 + random.nextInt(15)) {
                    byte[] flipped = stream.clone();
                    flipped[bit >> 3] ^= (byte) (1 << (bit & 7));
                    damaged(flipped, symbols, models);
                }
            }
        }
    }

    @Test
    void wordThatNoSymbolNeedsIsRefused() {
        SplittableRandom random = new SplittableRandom(21);
        byte[] symbols = RansData.SKEWED.symbols(1000, 80, random);
        Models models = RansData.models(symbols, 80, random);
        byte[] stream = encode(symbols, models);
        int words = stream.length - RansKernel.STATE_BYTES;
        for (int at = 0; at <= words; at += 2) {
            byte[] longer = Arrays.copyOf(stream, stream.length + 2);
            System.arraycopy(stream, at, longer, at + 2, stream.length - at);
            assertFalse(damaged(longer, symbols, models), "a word more at " + at + " of " + words);
        }
    }

    @ParameterizedTest
    @EnumSource
    void noiseIsRefusedOrGivesOtherSymbols(RansData data) {
        SplittableRandom random = new SplittableRandom(data.ordinal());
        for (int n : new int[] {1, 64, 200, 1000}) {
            byte[] symbols = data.symbols(n, 80, random);
            Models models = RansData.models(symbols, 80, random);
            for (int i = 0; i < 80; i++) {
                byte[] noise = new byte[RansKernel.STATE_BYTES + random.nextInt(2 * n + 3)];
                random.nextBytes(noise);
                for (int at = noise.length - 1; i % 2 == 0 && at > noise.length - RansKernel.STATE_BYTES; at -= 4) {
                    // States in range, so that decoding goes on to the words.
                    noise[at] &= 0x7f;
                }
                damaged(noise, symbols, models);
            }
        }
    }

    @Test
    void damagedLongStreamIsRefusedOrGivesOtherSymbols() {
        SplittableRandom random = new SplittableRandom(4);
        for (RansData data : new RansData[] {RansData.SKEWED, RansData.UNIFORM, RansData.RARE}) {
            byte[] symbols = data.symbols(65_700, 80, random);
            Models models = RansData.models(symbols, 80, random);
            byte[] stream = encode(symbols, models);
            for (int i = 0; i < 15; i++) {
                assertFalse(damaged(Arrays.copyOf(stream, random.nextInt(stream.length)), symbols, models));
                byte[] flipped = stream.clone();
                flipped[random.nextInt(stream.length)] ^= (byte) (1 << random.nextInt(8));
                damaged(flipped, symbols, models);
                byte[] states = stream.clone();
                states[stream.length - 1 - random.nextInt(RansKernel.STATE_BYTES)] ^= (byte) (1 << random.nextInt(8));
                damaged(states, symbols, models);
            }
        }
    }

    private static byte[] encode(byte[] symbols, Models models) {
        try (Arena arena = Arena.ofConfined()) {
            return encode(arena, "stream", symbols, models);
        }
    }

    /** Whether both providers take the stream, then with the same symbols, which are not those of the undamaged one. */
    private static boolean damaged(byte[] stream, byte[] symbols, Models models) {
        try (Arena arena = Arena.ofConfined()) {
            boolean[] accepted = new boolean[1];
            Outputs outputs = Parity.same(arena, "damaged stream", (kernels, out) -> {
                Room decoded = out.scratch("symbols", symbols.length, 0);
                accepted[0] = decode(kernels, copy(arena, stream), decoded.slice(), models);
                return accepted[0] ? Arrays.hashCode(decoded.slice().toArray(ValueLayout.JAVA_BYTE)) : null;
            });
            if (accepted[0]) {
                assertFalse(Arrays.equals(symbols, outputs.get(0).slice().toArray(ValueLayout.JAVA_BYTE)), "a damaged stream gives the same symbols");
            }
            return accepted[0];
        }
    }

    @Test
    void bytesAroundTheStreamDoNotMatter() {
        SplittableRandom random = new SplittableRandom(12);
        for (int n : new int[] {1, 100, 1000}) {
            byte[] symbols = RansData.SKEWED.symbols(n, 1, random);
            Models models = RansData.models(symbols, 1, random);
            byte[] stream = encode(symbols, models);
            for (byte around : new byte[] {0, 0x7f, -1}) {
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment memory = arena.allocate(stream.length + 256).fill(around);
                    MemorySegment in = memory.asSlice(101, stream.length).copyFrom(MemorySegment.ofArray(stream));
                    for (Kernels kernels : Parity.providers()) {
                        MemorySegment decoded = arena.allocate(n);
                        assertTrue(decode(kernels, in.asReadOnly(), decoded, models));
                        assertArrayEquals(symbols, decoded.toArray(ValueLayout.JAVA_BYTE));
                    }
                }
            }
        }
    }

    @Test
    void symbolWithoutAFrequencyCannotBeCoded() {
        long[] histogram = new long[RansTables.SYMBOLS];
        histogram[3] = 5;
        histogram[9] = 5;
        RansTables tables = RansTables.fromHistograms(histogram);
        for (int n : new int[] {1, 64, 100, 500}) {
            for (int at = 0; at < n; at += 13) {
                byte[] symbols = new byte[n];
                Arrays.fill(symbols, (byte) 9);
                symbols[at] = 4;
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment source = copy(arena, symbols);
                    MemorySegment out = arena.allocate(RansKernel.maxEncodedBytes(n));
                    Parity.bothRefuse(IllegalArgumentException.class, "symbol 4",
                            k -> k.rans().encode(source, source.byteSize(), tables, RansContexts.constant(0), out));
                }
            }
        }
    }

    @Test
    void callsThatDoNotFitAreRefused() {
        RansTables tables = RansTables.fromHistograms(new long[RansTables.SYMBOLS]);
        RansContexts contexts = RansContexts.constant(0);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment symbols = arena.allocate(100).fill((byte) 1);
            MemorySegment heap = MemorySegment.ofArray(new byte[2000]);
            MemorySegment room = arena.allocate(RansKernel.maxEncodedBytes(100));
            Parity.bothRefuse(IllegalArgumentException.class, "symbols on the heap", k -> k.rans().encode(heap, 100, tables, contexts, room));
            Parity.bothRefuse(IllegalArgumentException.class, "an output on the heap", k -> k.rans().encode(symbols, 100, tables, contexts, heap));
            Parity.bothRefuse(IllegalArgumentException.class, "too little room", k -> k.rans().encode(symbols, 100, tables, contexts, room.asSlice(1)));
            Parity.bothRefuse(IllegalArgumentException.class, "too few symbols", k -> k.rans().encode(symbols.asSlice(1), 100, tables, contexts, room));
            Parity.bothRefuse(IllegalArgumentException.class, "a negative count", k -> k.rans().encode(symbols, -1, tables, contexts, room));
            Parity.bothRefuse(IllegalArgumentException.class, "a table that is not there",
                    k -> k.rans().encode(symbols, 100, tables, RansContexts.constant(1), room));
            for (Kernels kernels : Parity.providers()) {
                assertThrows(IllegalArgumentException.class, () -> kernels.rans().decode(heap, symbols, 100, tables, contexts));
                assertThrows(IllegalArgumentException.class, () -> kernels.rans().decode(room, heap, 100, tables, contexts));
                assertThrows(IllegalArgumentException.class, () -> kernels.rans().decode(room, symbols, 101, tables, contexts));
                assertThrows(IllegalArgumentException.class, () -> kernels.rans().decode(room, symbols, -1, tables, contexts));
                assertThrows(IllegalArgumentException.class, () -> kernels.rans().decode(room, symbols, 100, tables, RansContexts.constant(1)));
            }
        }
        assertThrows(IllegalArgumentException.class, () -> RansKernel.maxEncodedBytes(-1));
        assertThrows(ArithmeticException.class, () -> RansKernel.maxEncodedBytes(Long.MAX_VALUE));
    }

    /** Bytes of a real cache, low and high ones apart, under one table and under one for each of 64 classes of channels. */
    @ParameterizedTest
    @ValueSource(ints = {1, 192})
    void codeLengthOfRealBytesIsWithinOnePercentOfTheirEntropy(int period) throws IOException {
        int n = 512 * 192;
        byte[] rows;
        try (InputStream in = Samples.smollm2Code512()) {
            in.skipNBytes(1 << 20);
            rows = in.readNBytes(2 * n);
        }
        for (int plane = 0; plane < 2; plane++) {
            byte[] symbols = new byte[n];
            for (int i = 0; i < n; i++) {
                symbols[i] = rows[2 * i + plane];
            }
            Models models = RansData.models(symbols, period, new SplittableRandom(1));
            double entropy = 0;
            for (long[] histogram : RansData.histograms(symbols, models.contexts())) {
                entropy += RansData.entropyBits(histogram) / 8;
            }
            int length = roundTrip("plane " + plane, symbols, models);
            assertTrue(length <= entropy * 1.01 + STATES, length + " bytes for an entropy of " + entropy);
            assertTrue(length >= entropy, length + " bytes for an entropy of " + entropy);
            assertTrue(models.tables().storedBytes() <= 250 * models.tables().count(), "stored tables");
        }
    }

    @Test
    void streamOfNothingIsTheStatesAlone() {
        Models models = new Models(RansTables.fromHistograms(new long[RansTables.SYMBOLS]), RansContexts.constant(0));
        assertEquals(RansKernel.STATE_BYTES, encode(new byte[0], models).length);
    }
}
