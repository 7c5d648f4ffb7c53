package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.increment.ChunkPlan;
import dev.kvcapsule.engine.increment.IncrementalDecoder;
import dev.kvcapsule.engine.increment.IncrementalEncoder;
import dev.kvcapsule.engine.increment.KnownChunks;
import dev.kvcapsule.engine.increment.PartsInput;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.SealClaims;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Parts of real capsules with bits flipped, cut short, in another order, with other lengths: refused or malformed, and nothing is handed out; and a short run of Jazzer over {@link PartsFuzz}. */
class PartsFuzzTest {
    private static final int SECONDS = 8;
    private static final int TOKENS = 400;
    private static final PipelineOptions TWO_THREADS = new PipelineOptions(2, Kernels.scalar(), Progress.NONE);

    @TempDir
    private Path folder;
    private TestKeys keys;
    /** The tail, then the chunks. */
    private List<byte[]> contents;
    private List<Parts.Header> headers;
    private KvCache cache;

    @BeforeEach
    void encode() throws IOException {
        keys = new TestKeys(folder.resolve("keys"));
        contents = new ArrayList<>();
        headers = new ArrayList<>();
        cache = TestCaches.real(Arena.ofAuto(), TOKENS, 0);
        new IncrementalEncoder(SealedCapsules.spec(), keys, Capsules.ONE_THREAD).encode(cache, ChunkPlan.of(cache.layout(), Codecs.create("rotated:bits=4")),
                IntStream.range(0, TOKENS).toArray(), new KnownChunks(), chunk -> true, new IncrementalEncoder.Output() {
                    @Override
                    public void chunk(ChunkRef chunk, MemorySegment bytes) {
                        headers.add(new Parts.Header(Parts.Type.CHUNK, bytes.byteSize(), chunk.key(), chunk.expires()));
                        contents.add(bytes.toArray(ValueLayout.JAVA_BYTE));
                    }

                    @Override
                    public void tail(SealClaims claims, MemorySegment bytes) {
                        headers.addFirst(new Parts.Header(Parts.Type.TAIL, bytes.byteSize()));
                        contents.addFirst(bytes.toArray(ValueLayout.JAVA_BYTE));
                    }
                });
        assertEquals(4, contents.size());
    }

    private byte[] file(List<Integer> order) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Parts.Writer writer = new Parts.Writer(Channels.newChannel(out));
        for (int part : order) {
            writer.part(headers.get(part), MemorySegment.ofArray(contents.get(part)));
        }
        writer.end();
        return out.toByteArray();
    }

    private void restore(byte[] parts, KvCache target) throws IOException {
        try (Arena arena = Arena.ofShared(); CapsuleOpening opening = CapsuleOpening.incremental(keys, SealedCapsules.policy())) {
            PartsInput input = PartsInput.begin(Capsules.channel(parts));
            CapsuleReader reader = CapsuleReader.of(input.capsule(), opening);
            IncrementalDecoder decoder = new IncrementalDecoder(reader, opening);
            reader.blobs(arena);
            decoder.decode(CacheSink.of(target), input, TWO_THREADS);
        }
    }

    private void assertRefused(byte[] parts, String what) {
        try (Arena arena = Arena.ofShared()) {
            KvCache target = TestCaches.empty(arena, cache.layout());
            IOException refused = assertThrows(IOException.class, () -> restore(parts, target), what);
            assertTrue(refused instanceof CapsuleRefusedException || refused instanceof MalformedDataException, () -> what + ": " + refused);
            SealedCapsules.assertHoldsNothing(target);
        }
    }

    @Test
    void anyFlippedBitIsRefused() throws IOException {
        byte[] parts = file(List.of(0, 1, 2, 3));
        try (Arena arena = Arena.ofShared()) {
            restore(parts, TestCaches.empty(arena, cache.layout()));
        }
        Random random = new Random(11);
        for (int i = 0; i < 300; i++) {
            // Every other one in a header: of the file, or of a part.
            int at = i % 2 == 0 ? random.nextInt(parts.length) : headerByte(random);
            parts[at] ^= (byte) (1 << i % 8);
            assertRefused(parts, "bit " + i % 8 + " of byte " + at);
            parts[at] ^= (byte) (1 << i % 8);
        }
    }

    private int headerByte(Random random) {
        int at = 16;
        int part = random.nextInt(contents.size() + 1);
        for (int p = 0; p < part; p++) {
            at += 96 + contents.get(p).length;
        }
        return random.nextInt(8) == 0 ? random.nextInt(16) : at + random.nextInt(96);
    }

    @Test
    void anyTruncationIsRefused() throws IOException {
        byte[] parts = file(List.of(0, 1, 2, 3));
        Random random = new Random(12);
        for (int i = 0; i < 100; i++) {
            int length = i < 20 ? i * 7 : i < 40 ? parts.length - 1 - (i - 20) * 7 : random.nextInt(parts.length);
            assertRefused(Arrays.copyOf(parts, length), "the first " + length + " bytes");
        }
        assertRefused(Arrays.copyOf(parts, parts.length + 1), "one byte more");
    }

    @Test
    void anyOtherOrderIsRefused() throws IOException {
        Random random = new Random(13);
        List<Integer> right = List.of(0, 1, 2, 3);
        for (int i = 0; i < 40; i++) {
            List<Integer> order = new ArrayList<>(right);
            switch (i % 3) {
                case 0 -> Collections.shuffle(order, random);
                case 1 -> order.remove(random.nextInt(order.size()));
                default -> order.add(random.nextInt(order.size() + 1), random.nextInt(4));
            }
            if (!order.equals(right)) {
                assertRefused(file(order), "parts " + order);
            }
        }
    }

    /** Under checksums that hold. */
    @Test
    void forgedLengthsAreRefused() throws IOException {
        byte[] parts = file(List.of(0, 1, 2, 3));
        int at = 16;
        for (int part = 0; part <= contents.size(); part++) {
            long right = part < contents.size() ? contents.get(part).length : 0;
            for (long length : new long[] {0, 1, right - 1, right + 1, parts.length, Integer.MAX_VALUE, 1L << 32, 1L << 40, (1L << 40) + 1, Long.MAX_VALUE, -1, Long.MIN_VALUE}) {
                if (length != right) {
                    byte[] forged = parts.clone();
                    ByteBuffer.wrap(forged).order(ByteOrder.LITTLE_ENDIAN).putLong(at + 8, length).putInt(at + 88, 0);
                    int crc = CapsuleForge.crc(Arrays.copyOfRange(forged, at, at + 88), 88);
                    ByteBuffer.wrap(forged).order(ByteOrder.LITTLE_ENDIAN).putInt(at + 88, crc);
                    assertRefused(forged, "part " + part + " of " + length + " bytes");
                }
            }
            at += 96 + (int) right;
        }
    }

    /** What Jazzer begins with: a tail, a chunk, the end. */
    private static byte[] seed() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Parts.Writer writer = new Parts.Writer(Channels.newChannel(out));
        writer.part(new Parts.Header(Parts.Type.TAIL, 30), MemorySegment.ofArray(new byte[30]));
        writer.part(new Parts.Header(Parts.Type.CHUNK, PartsFuzz.WANTED.bytes(), PartsFuzz.WANTED.key(), Instant.ofEpochSecond(1_900_000_000L)), MemorySegment.ofArray(new byte[100]));
        writer.end();
        return out.toByteArray();
    }

    @Test
    void theSeedIsReadWithItsChecksumsAndWithNewOnes() throws IOException {
        byte[] seed = seed();
        assertTrue(PartsFuzz.attempt(seed));
        assertArrayEquals(seed, PartsFuzz.withChecksums(Arrays.copyOfRange(seed, 16, seed.length)));
        assertFalse(PartsFuzz.attempt(Arrays.copyOf(seed, seed.length - 1)));
    }

    @Test
    void jazzerFindsNothingInAShortRun() throws IOException, InterruptedException {
        Path corpus = Files.createDirectory(folder.resolve("corpus"));
        byte[] seed = seed();
        Files.write(corpus.resolve("parts"), seed);
        Files.write(corpus.resolve("headers"), Arrays.copyOfRange(seed, 16, seed.length));
        String output = LimitedJvm.run(400, 400, SECONDS + 60, com.code_intelligence.jazzer.Jazzer.class, "--target_class=" + PartsFuzz.class.getName(),
                "--instrumentation_includes=dev.kvcapsule.engine.**", "--disabled_hooks=*", "--reproducer_path=" + folder, "-artifact_prefix=" + folder + "/",
                "-max_total_time=" + SECONDS, "-max_len=16384", "-rss_limit_mb=0", corpus.toString());
        assertTrue(output.matches("(?s).*Done \\d+ runs.*"), output);
    }
}
