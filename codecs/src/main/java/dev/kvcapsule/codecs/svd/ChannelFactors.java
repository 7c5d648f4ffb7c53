package dev.kvcapsule.codecs.svd;

import dev.kvcapsule.codecs.entropy.StreamReader;
import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.codecs.entropy.WordStreams;
import dev.kvcapsule.codecs.principal.CenteredBasis;
import dev.kvcapsule.codecs.principal.ComponentQuantizer;
import dev.kvcapsule.codecs.principal.PartGroup;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The factors of the channels of all groups of a cache, and their stored form; see docs/format.md, "svd".
 *
 * @param groups the groups, in order
 * @param bases the factor of each
 */
record ChannelFactors(List<PartGroup> groups, List<CenteredBasis> bases) {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int HEADER_BYTES = 8;

    /** A factor may unpack to so many times its stored bytes, and this much more: no more than codes of a real factor do, far less than a constant stream could. */
    private static final int MAX_EXPANSION = 64;

    private static final int FREE_BYTES = 1 << 16;

    /** All groups of a cache, in order. */
    static List<PartGroup> groups(CacheLayout layout, int layersPerGroup) {
        List<PartGroup> groups = new ArrayList<>();
        for (int s = 0; s < layout.subCaches().size(); s++) {
            groups.addAll(PartGroup.of(s, layout.subCaches().get(s), layersPerGroup));
        }
        return groups;
    }

    /** A group of a tile and its factor. */
    record Member(PartGroup group, CenteredBasis basis) {}

    /** The groups that a tile holds, in order. */
    List<Member> of(Tile tile) {
        List<Member> members = new ArrayList<>();
        for (int g = 0; g < groups.size(); g++) {
            if (groups.get(g).isIn(tile)) {
                members.add(new Member(groups.get(g), bases.get(g)));
            }
        }
        return members;
    }

    private static boolean isBounded(long codes, long storedBytes) {
        return codes <= FREE_BYTES + MAX_EXPANSION * storedBytes;
    }

    /**
     * Stores the factor of one group.
     *
     * @param mean rounded to f16 already
     */
    static void write(float[] mean, TransformBasis basis, Kernels kernels, ByteArrayOutputStream out) {
        int width = mean.length;
        long codes = (long) basis.components() * width;
        int runs = TransformBasis.runs(width);
        long scales = (long) basis.components() * runs;
        try (Arena arena = Arena.ofConfined(); StreamWriter writer = new StreamWriter(kernels); WordStreams words = new WordStreams(kernels, true)) {
            MemorySegment means = arena.allocate(2L * width, 64);
            for (int w = 0; w < width; w++) {
                means.set(SHORT, 2L * w, Float.floatToFloat16(mean[w]));
            }
            MemorySegment streams = arena.allocate(WordStreams.maxBytes(width) + WordStreams.maxBytes(scales) + StreamWriter.maxBytes(codes), 64);
            writer.begin(streams);
            words.write(writer, means, width, 1);
            words.write(writer, basis.scales(), scales, runs);
            writer.coded(basis.codes(), codes);
            if (!isBounded(codes, writer.position())) {
                writer.begin(streams);
                words.write(writer, means, width, 1);
                words.write(writer, basis.scales(), scales, runs);
                writer.raw(basis.codes(), codes);
            }
            byte[] header = new byte[HEADER_BYTES];
            ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putInt(basis.components()).putInt(Math.toIntExact(writer.position()));
            out.writeBytes(header);
            out.writeBytes(streams.asSlice(0, writer.position()).toArray(ValueLayout.JAVA_BYTE));
        }
    }

    /**
     * Reads what {@link #write} stored for each group of a cache.
     *
     * @param carried as a capsule brought it
     * @param arena owns what is made
     */
    static ChannelFactors read(CacheLayout layout, SvdCodec codec, MemorySegment carried, Arena arena) throws MalformedDataException {
        List<PartGroup> groups = groups(layout, codec.layers());
        List<CenteredBasis> bases = new ArrayList<>();
        long at = 0;
        for (PartGroup group : groups) {
            if (carried.byteSize() - at < HEADER_BYTES) {
                throw new MalformedDataException("factor of " + group + " is cut off");
            }
            int components = carried.get(INT, at);
            int bytes = carried.get(INT, at + 4);
            at += HEADER_BYTES;
            int most = codec.components(group, layout.subCaches().get(group.subCache()).cells());
            if (components < 0 || components > most || bytes < 0 || bytes > carried.byteSize() - at || !isBounded((long) components * group.width(), bytes)) {
                throw new MalformedDataException("factor of " + group + " with " + components + " components in " + bytes + " bytes");
            }
            bases.add(read(group, components, carried.asSlice(at, bytes), arena));
            at += bytes;
        }
        if (at != carried.byteSize()) {
            throw new MalformedDataException("basis: " + (carried.byteSize() - at) + " bytes follow the last factor");
        }
        return new ChannelFactors(groups, bases);
    }

    private static CenteredBasis read(PartGroup group, int components, MemorySegment stored, Arena arena) throws MalformedDataException {
        int width = group.width();
        int runs = TransformBasis.runs(width);
        long scaleCount = (long) components * runs;
        // Kernels do not matter to what is read; these start at once.
        Kernels kernels = Kernels.scalar();
        StreamReader reader = new StreamReader(kernels).begin(stored);
        try (WordStreams words = new WordStreams(kernels, true); GrowingBuffer buffer = new GrowingBuffer()) {
            MemorySegment means = words.read(reader, width, 1, buffer.atLeast(2L * width));
            float[] mean = new float[width];
            for (int w = 0; w < width; w++) {
                mean[w] = Float.float16ToFloat(means.get(SHORT, 2L * w));
                if (!Float.isFinite(mean[w])) {
                    throw new MalformedDataException("factor of " + group + ": a mean is not finite");
                }
            }
            TransformBasis basis = ComponentQuantizer.empty(components, width, arena);
            words.read(reader, scaleCount, runs, basis.scales());
            basis.codes().copyFrom(reader.next(basis.codes().byteSize(), buffer.atLeast(basis.codes().byteSize())).asSlice(0, basis.codes().byteSize()));
            reader.end();
            if (!ComponentQuantizer.isFinite(basis)) {
                throw new MalformedDataException("factor of " + group + ": a scale is not finite");
            }
            return new CenteredBasis(mean, basis.lasting());
        }
    }
}
