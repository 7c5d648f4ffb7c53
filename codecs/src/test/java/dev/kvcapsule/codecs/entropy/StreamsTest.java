package dev.kvcapsule.codecs.entropy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class StreamsTest {
    private static final List<Kernels> BOTH = List.of(Kernels.scalar(), Kernels.panama());

    private static MemorySegment segment(Arena arena, byte[] bytes) {
        return arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
    }

    /** Symbols whose spread depends on the position within the period. */
    private static byte[] symbols(Random random, int count, int period, double spread) {
        byte[] symbols = new byte[count];
        for (int i = 0; i < count; i++) {
            symbols[i] = (byte) (random.nextGaussian() * spread * (1 + i % period % 4) + 30 * (i % period % 3));
        }
        return symbols;
    }

    private static byte[] written(byte[] symbols, int period, int classes, Kernels kernels) {
        try (Arena arena = Arena.ofConfined(); StreamWriter writer = new StreamWriter(kernels)) {
            MemorySegment out = arena.allocate(StreamWriter.maxBytes(symbols.length));
            writer.begin(out).coded(segment(arena, symbols), symbols.length, period, classes);
            return out.asSlice(0, writer.position()).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private static byte[] read(byte[] stream, int count, int period, Kernels kernels) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            StreamReader reader = new StreamReader(kernels).begin(segment(arena, stream));
            MemorySegment symbols = reader.next(count, period, arena.allocate(Math.max(1, count)));
            reader.end();
            return symbols.asSlice(0, count).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    @Property(tries = 150)
    void anyStreamComesBackInTheSameBytesFromBothKernels(@ForAll @IntRange(min = 0, max = 6000) int count, @ForAll @IntRange(min = 1, max = 70) int period,
            @ForAll @IntRange(min = 1, max = 64) int classes, @ForAll @IntRange(min = 0, max = 60) int spread, @ForAll long seed) throws MalformedDataException {
        byte[] symbols = symbols(new Random(seed), count, period, spread);
        byte[] stream = written(symbols, period, classes, Kernels.scalar());
        assertTrue(stream.length <= StreamWriter.maxBytes(count));
        assertArrayEquals(stream, written(symbols, period, classes, Kernels.panama()));
        for (Kernels kernels : BOTH) {
            assertArrayEquals(symbols, read(stream, count, period, kernels));
        }
    }

    @Test
    void theShortestFormIsChosen() {
        Random random = new Random(1);
        assertEquals(StreamWriter.RAW, written(new byte[0], 1, 1, Kernels.scalar())[0]);
        byte[] constant = new byte[1000];
        Arrays.fill(constant, (byte) 0x83);
        assertArrayEquals(new byte[] {StreamWriter.CONSTANT, 1, 0, 0, 0, (byte) 0x83}, written(constant, 7, 16, Kernels.scalar()));
        byte[] noise = new byte[5000];
        random.nextBytes(noise);
        byte[] raw = written(noise, 7, 16, Kernels.scalar());
        assertEquals(StreamWriter.RAW, raw[0]);
        assertEquals(5005, raw.length);
        byte[] skewed = symbols(random, 5000, 1, 3);
        byte[] coded = written(skewed, 1, 1, Kernels.scalar());
        assertEquals(StreamWriter.RANS, coded[0]);
        assertTrue(coded.length < 3500);
        byte[] twoKinds = symbols(random, 60_000, 12, 2);
        byte[] byPosition = written(twoKinds, 12, 16, Kernels.scalar());
        assertEquals(StreamWriter.RANS_BY_POSITION, byPosition[0]);
        assertTrue(byPosition.length < 0.9 * written(twoKinds, 12, 1, Kernels.scalar()).length);
        // One symbol cannot pay for its states.
        assertEquals(StreamWriter.RAW, written(new byte[] {1, 2, 1, 1, 1, 1, 1, 1}, 1, 1, Kernels.scalar())[0]);
    }

    @Test
    void streamsFollowEachOtherInOrder() throws MalformedDataException {
        Random random = new Random(2);
        for (Kernels kernels : BOTH) {
            try (Arena arena = Arena.ofConfined(); StreamWriter writer = new StreamWriter(kernels)) {
                MemorySegment out = arena.allocate(1 << 16);
                List<byte[]> all = new ArrayList<>();
                writer.begin(out);
                for (int i = 0; i < 12; i++) {
                    byte[] symbols = symbols(random, 900 * (i % 4), 5, i % 3 * 20);
                    all.add(symbols);
                    if (i % 5 == 0) {
                        writer.raw(segment(arena, symbols), symbols.length);
                    } else {
                        writer.coded(segment(arena, symbols), symbols.length, 5, 4);
                    }
                }
                StreamReader reader = new StreamReader(kernels).begin(out.asSlice(0, writer.position()));
                for (byte[] symbols : all) {
                    MemorySegment read = reader.next(symbols.length, 5, arena.allocate(symbols.length + 1));
                    assertArrayEquals(symbols, read.asSlice(0, symbols.length).toArray(ValueLayout.JAVA_BYTE));
                }
                reader.end();
                assertThrows(MalformedDataException.class, () -> reader.next(1, arena.allocate(1)));
            }
        }
    }

    @Test
    void rawStreamsAreNotCopied() throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stream = segment(arena, new byte[] {0, 3, 0, 0, 0, 7, 8, 9});
            MemorySegment symbols = new StreamReader(Kernels.scalar()).begin(stream).next(3, MemorySegment.NULL);
            assertEquals(stream.address() + 5, symbols.address());
        }
    }

    private static void refused(String reason, int count, int... stream) {
        byte[] bytes = new byte[stream.length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) stream[i];
        }
        for (Kernels kernels : BOTH) {
            String message = assertThrows(MalformedDataException.class, () -> read(bytes, count, 4, kernels)).getMessage();
            assertTrue(message.startsWith("payload byte ") && message.contains(reason), message);
        }
    }

    @Test
    void streamsThatCannotBeAreRefused() {
        refused("header is cut off", 0);
        refused("header is cut off", 3, 0, 3, 0, 0);
        refused("stream of 3 bytes where 2 are left", 3, 0, 3, 0, 0, 0, 1, 2);
        refused("stream of 4294967295 bytes where 0 are left", 3, 0, 255, 255, 255, 255);
        refused("raw stream of 2 symbols where 3 belong", 3, 0, 2, 0, 0, 0, 1, 2);
        refused("constant stream of 2 bytes", 3, 1, 2, 0, 0, 0, 1, 2);
        refused("constant stream of 0 bytes", 3, 1, 0, 0, 0, 0);
        refused("unknown stream form 4", 3, 4, 1, 0, 0, 0, 1);
        refused("unknown stream form -1", 3, 255, 1, 0, 0, 0, 1);
        refused("1 bytes after the last stream", 3, 1, 1, 0, 0, 0, 1, 1);
        refused("stream of 3 bytes where 3 are left", 3, 3, 3, 0, 0, 0, 0, 0, 0);
        refused("names table", 3, 3, 9, 0, 0, 0, 0, 1, 64, 0, 0, 0, 0, 0, 0);
        refused("names table", 3, 3, 9, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0);
    }

    @Test
    void positionClassesWhereNoneBelongAreRefused() {
        byte[] symbols = symbols(new Random(3), 60_000, 12, 2);
        byte[] stream = written(symbols, 12, 16, Kernels.scalar());
        try (Arena arena = Arena.ofConfined()) {
            StreamReader reader = new StreamReader(Kernels.scalar()).begin(segment(arena, stream));
            String message = assertThrows(MalformedDataException.class, () -> reader.next(symbols.length, arena.allocate(symbols.length))).getMessage();
            assertTrue(message.contains("position classes where none belong"), message);
        }
    }

    @Property(tries = 60)
    void damagedStreamsAreDecodedOrRefusedAlikeByBothKernels(@ForAll @IntRange(min = 1, max = 12) int period, @ForAll long seed) {
        Random random = new Random(seed);
        byte[] symbols = symbols(random, 3000, period, 3);
        byte[] stream = written(symbols, period, 8, Kernels.scalar());
        for (int i = 0; i < 20; i++) {
            byte[] damaged = random.nextInt(5) == 0 ? Arrays.copyOf(stream, random.nextInt(stream.length)) : stream.clone();
            if (damaged.length > 0) {
                damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
            }
            assertArrayEquals(readOrNull(damaged, symbols.length, period, Kernels.scalar()), readOrNull(damaged, symbols.length, period, Kernels.panama()));
        }
    }

    private static byte[] readOrNull(byte[] stream, int count, int period, Kernels kernels) {
        try {
            return read(stream, count, period, kernels);
        } catch (MalformedDataException e) {
            return null;
        }
    }

    @Test
    void everyTruncationOfACodedStreamIsRefused() {
        byte[] symbols = symbols(new Random(4), 3000, 1, 3);
        byte[] stream = written(symbols, 1, 1, Kernels.scalar());
        assertEquals(StreamWriter.RANS, stream[0]);
        for (int length = 0; length < stream.length; length++) {
            byte[] cut = Arrays.copyOf(stream, length);
            assertThrows(MalformedDataException.class, () -> read(cut, symbols.length, 1, Kernels.scalar()));
            // The same with a header that says how much is there.
            if (length >= StreamWriter.HEADER_BYTES) {
                java.nio.ByteBuffer.wrap(cut).order(java.nio.ByteOrder.LITTLE_ENDIAN).putInt(1, length - StreamWriter.HEADER_BYTES);
                assertThrows(MalformedDataException.class, () -> read(cut, symbols.length, 1, Kernels.panama()));
            }
        }
    }

    @Property(tries = 100)
    void wordsComeBack(@ForAll @IntRange(min = 1, max = 3000) int count, @ForAll @IntRange(min = 1, max = 64) int period, @ForAll @IntRange(min = 0, max = 16) int bits,
            @ForAll boolean coded, @ForAll long seed) throws MalformedDataException {
        Random random = new Random(seed);
        short[] words = new short[count];
        for (int i = 0; i < count; i++) {
            words[i] = (short) ((random.nextInt() & (1 << bits) - 1) + 0x400 * (i % period));
        }
        byte[] first = null;
        for (Kernels kernels : BOTH) {
            try (Arena arena = Arena.ofConfined(); StreamWriter writer = new StreamWriter(kernels); WordStreams streams = new WordStreams(kernels, coded)) {
                MemorySegment out = arena.allocate(WordStreams.maxBytes(count));
                streams.write(writer.begin(out), arena.allocateFrom(ValueLayout.JAVA_SHORT, words), count, period);
                byte[] payload = out.asSlice(0, writer.position()).toArray(ValueLayout.JAVA_BYTE);
                assertArrayEquals(first == null ? payload : first, payload);
                first = payload;
                StreamReader reader = new StreamReader(kernels).begin(segment(arena, payload));
                MemorySegment read = streams.read(reader, count, period, arena.allocate(2L * count));
                reader.end();
                assertArrayEquals(words, read.asSlice(0, 2L * count).toArray(ValueLayout.JAVA_SHORT_UNALIGNED));
            }
        }
    }

    @Test
    void wordsOfWhichAPlaneIsMissingAreRefused() {
        try (Arena arena = Arena.ofConfined(); WordStreams coded = new WordStreams(Kernels.scalar(), true); WordStreams raw = new WordStreams(Kernels.scalar(), false)) {
            MemorySegment onePlane = segment(arena, new byte[] {1, 1, 0, 0, 0, 9});
            MemorySegment scratch = arena.allocate(100);
            assertThrows(MalformedDataException.class, () -> coded.read(new StreamReader(Kernels.scalar()).begin(onePlane), 10, 1, scratch));
            assertThrows(MalformedDataException.class, () -> raw.read(new StreamReader(Kernels.scalar()).begin(segment(arena, new byte[] {0, 19, 0, 0, 0})), 10, 1, scratch));
        }
    }
}
