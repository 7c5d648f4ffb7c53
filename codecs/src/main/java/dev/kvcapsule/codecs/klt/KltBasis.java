package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientTables;
import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.format.Cbor;
import dev.kvcapsule.engine.format.CborMap;
import dev.kvcapsule.engine.kernel.TransformBasis;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A basis that capsules of one model share, in a file that is used in place. It ends with the SHA-256 of all bytes before, which is its name. The layout of
 * the bytes is in docs/format.md, "Basis files".
 *
 * @param digest SHA-256, 64 hexadecimal digits
 * @param layersPerGroup layers a transform, 0 for all of a sub-cache
 * @param facts what it was made of and how, by name, for people
 * @param groups the transforms
 * @param tables for their coefficients
 * @param bytes size of the file
 */
record KltBasis(String digest, int layersPerGroup, Map<String, String> facts, List<Group> groups, CoefficientTables tables, long bytes) {
    static final long MAGIC = 0x0A1A0A0D42564B89L; // 89 'K' 'V' 'B' 0D 0A 1A 0A
    static final int VERSION = 1;

    private static final int HEADER_BYTES = 16;
    private static final int DIGEST_BYTES = 32;
    private static final int ALIGNMENT = 64;
    private static final int MAX_GROUPS = 1 << 16;
    private static final int MAX_WIDTH = 1 << 24;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * The transform of some layers.
     *
     * @param subCache index of the sub-cache
     * @param firstLayer index of the first layer in it
     * @param layers heads and RoPE of each layer, as text that must agree with the cache's
     * @param headDims channels of each head
     * @param mean f32 {@code [width]}
     * @param deviations f32 {@code [components]}
     * @param backward f32, the matrix out of the weighted space for each head
     * @param basis the components
     */
    record Group(int subCache, int firstLayer, List<String> layers, int[] headDims, MemorySegment mean, MemorySegment deviations, MemorySegment backward,
            TransformBasis basis) {}

    /** Whether a file begins like a basis. */
    static boolean recognises(MemorySegment file) {
        return file.byteSize() >= Long.BYTES && file.get(LONG, 0) == MAGIC;
    }

    /** The digest a basis file claims to have: its last bytes. Empty if it is none; nothing else is checked. */
    static String claimedDigest(MemorySegment file) {
        return recognises(file) && file.byteSize() >= HEADER_BYTES + DIGEST_BYTES
                ? HexFormat.of().formatHex(file.asSlice(file.byteSize() - DIGEST_BYTES).toArray(ValueLayout.JAVA_BYTE)) : "";
    }

    /**
     * Checks a basis file and finds its parts.
     *
     * @param file the whole file, which stays open as long as the result is used
     * @throws MalformedDataException if it is no basis, damaged, or of another length than it says
     * @throws CapsuleRefusedException if it is of a version that this program does not know
     */
    static KltBasis parse(MemorySegment file) throws IOException {
        if (!recognises(file) || file.byteSize() < HEADER_BYTES + DIGEST_BYTES) {
            throw MalformedDataException.at(0, "magic", "not a basis file");
        }
        if (file.get(INT, 8) != VERSION) {
            throw new CapsuleRefusedException("basis file of version " + file.get(INT, 8) + ", this program reads " + VERSION);
        }
        long body = file.byteSize() - DIGEST_BYTES;
        String digest = claimedDigest(file);
        if (!digest.equals(HexFormat.of().formatHex(sha256(file.asSlice(0, body))))) {
            throw MalformedDataException.at(body, "digest", "does not match: the basis file is damaged");
        }
        int headerBytes = file.get(INT, 12);
        if (headerBytes < 0 || headerBytes > body - HEADER_BYTES) {
            throw MalformedDataException.at(12, "header length", headerBytes + " of " + file.byteSize() + " bytes");
        }
        CborMap header = new CborMap(Cbor.read(file.asSlice(HEADER_BYTES, headerBytes).asByteBuffer(), HEADER_BYTES), "basis", HEADER_BYTES);
        int layersPerGroup = header.integer("layers_per_group", 0, MAX_GROUPS);
        Map<String, String> facts = header.texts("facts");
        Cursor cursor = new Cursor(file.asSlice(0, body), HEADER_BYTES + headerBytes);
        CoefficientTables tables = CoefficientTables.parse(cursor.take(CoefficientTables.BYTES));
        List<Group> groups = new ArrayList<>();
        for (CborMap map : header.maps("groups")) {
            groups.add(group(map, cursor));
        }
        header.end();
        if (cursor.at != body) {
            throw MalformedDataException.at(cursor.at, "end", "bytes follow the last group");
        }
        return new KltBasis(digest, layersPerGroup, facts, groups, tables, file.byteSize());
    }

    private static Group group(CborMap map, Cursor cursor) throws MalformedDataException {
        int subCache = map.integer("cache", 0, MAX_GROUPS);
        int firstLayer = map.integer("first", 0, MAX_GROUPS);
        int components = map.integer("components", 0, MAX_WIDTH);
        long[] dims = map.numbers("heads");
        Map<String, String> named = map.texts("layers");
        map.end();
        int[] headDims = new int[dims.length];
        long width = 0;
        for (int i = 0; i < dims.length; i++) {
            if (dims[i] < 1 || dims[i] > LayerLayout.MAX_WIDTH) {
                throw map.malformed("a head of " + dims[i] + " channels");
            }
            headDims[i] = (int) dims[i];
            width += dims[i];
        }
        if (width < 1 || width > MAX_WIDTH || components > width) {
            throw map.malformed(components + " components of width " + width);
        }
        List<String> layers = new ArrayList<>();
        for (int i = 0; i < named.size(); i++) {
            String layer = named.get(Integer.toString(i));
            if (layer == null) {
                throw map.malformed("layers are not numbered from 0");
            }
            layers.add(layer);
        }
        if (layers.isEmpty()) {
            throw map.malformed("a transform of no layer");
        }
        MemorySegment mean = cursor.finite(4 * width, map);
        MemorySegment deviations = cursor.finite(4L * components, map);
        MemorySegment backward = cursor.finite(4 * HeadWeighting.floats(headDims), map);
        MemorySegment codes = cursor.take(components * width);
        MemorySegment scales = cursor.take(2L * components * TransformBasis.runs((int) width));
        for (long i = 0; i < scales.byteSize(); i += 2) {
            if (!Float.isFinite(Float.float16ToFloat(scales.get(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), i)))) {
                throw map.malformed("a scale is not finite");
            }
        }
        return new Group(subCache, firstLayer, layers, headDims, mean, deviations, backward, new TransformBasis(codes, scales, components, (int) width));
    }

    /** Takes aligned sections one after the other. */
    private static final class Cursor {
        private final MemorySegment bytes;
        private long at;

        Cursor(MemorySegment bytes, long at) {
            this.bytes = bytes;
            this.at = at;
        }

        MemorySegment take(long count) throws MalformedDataException {
            long start = at + ALIGNMENT - 1 & -ALIGNMENT;
            if (count > bytes.byteSize() - start) {
                throw MalformedDataException.at(at, "section", count + " bytes do not fit the file");
            }
            at = start + count;
            return bytes.asSlice(start, count);
        }

        MemorySegment finite(long count, CborMap map) throws MalformedDataException {
            MemorySegment floats = take(count);
            for (long i = 0; i < count; i += 4) {
                if (!Float.isFinite(floats.get(Transform.FLOAT, i))) {
                    throw map.malformed("a number is not finite");
                }
            }
            return floats;
        }
    }

    /** Writes a basis file. @return its digest */
    static String write(int layersPerGroup, Map<String, String> facts, List<Group> groups, CoefficientTables tables, WritableByteChannel out) throws IOException {
        List<Object> maps = new ArrayList<>();
        for (Group group : groups) {
            List<Long> dims = new ArrayList<>();
            for (int dim : group.headDims()) {
                dims.add((long) dim);
            }
            Map<String, String> layers = new LinkedHashMap<>();
            for (String layer : group.layers()) {
                layers.put(Integer.toString(layers.size()), layer);
            }
            maps.add(Map.of("cache", (long) group.subCache(), "first", (long) group.firstLayer(), "components", (long) group.basis().components(), "heads", dims,
                    "layers", layers));
        }
        byte[] header = Cbor.write(Map.of("layers_per_group", (long) layersPerGroup, "facts", facts, "groups", maps));
        Output output = new Output(out);
        ByteBuffer start = ByteBuffer.allocate(HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(MAGIC).putInt(VERSION).putInt(header.length).flip();
        output.write(start);
        output.write(ByteBuffer.wrap(header));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate(CoefficientTables.BYTES);
            tables.write(stored);
            output.section(stored);
        }
        for (Group group : groups) {
            output.section(group.mean());
            output.section(group.deviations());
            output.section(group.backward());
            output.section(group.basis().codes());
            output.section(group.basis().scales());
        }
        return output.finish();
    }

    private static final class Output {
        private final WritableByteChannel out;
        private final MessageDigest digest = newDigest();
        private long at;

        Output(WritableByteChannel out) {
            this.out = out;
        }

        void write(ByteBuffer bytes) throws IOException {
            digest.update(bytes.duplicate());
            at += bytes.remaining();
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
        }

        void section(MemorySegment bytes) throws IOException {
            write(ByteBuffer.allocate((int) ((at + ALIGNMENT - 1 & -ALIGNMENT) - at)));
            write(bytes.asByteBuffer());
        }

        String finish() throws IOException {
            byte[] sum = digest.digest();
            ByteBuffer bytes = ByteBuffer.wrap(sum);
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            return HexFormat.of().formatHex(sum);
        }
    }

    private static byte[] sha256(MemorySegment bytes) {
        MessageDigest digest = newDigest();
        for (long at = 0; at < bytes.byteSize(); at += 1 << 30) {
            digest.update(bytes.asSlice(at, Math.min(1 << 30, bytes.byteSize() - at)).asByteBuffer());
        }
        return digest.digest();
    }

    private static MessageDigest newDigest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    /** A layer's shape as text: what a basis must have been made for. */
    static String describe(LayerLayout layer) {
        String rope = layer.rope().map(r -> r.pairing().label() + " base " + r.base() + " dims " + r.dims() + " scale " + r.scale() + " factors " + r.factors().hashCode())
                .orElse("no rope");
        return "layer " + layer.layer() + ": " + layer.kvHeads() + " x " + layer.keyHeadDim() + " + " + layer.valueHeadDim() + ", " + rope;
    }

    /**
     * The transforms for a cache.
     *
     * @param arena owns what is computed; this basis stays open as long
     * @throws CapsuleRefusedException if this basis is of another model
     */
    Transforms transforms(CacheLayout layout, KltSettings settings, Arena arena) throws CapsuleRefusedException {
        List<Transform> transforms = new ArrayList<>();
        int next = 0;
        for (int s = 0; s < layout.subCaches().size(); s++) {
            for (LayerGroup group : LayerGroup.of(s, layout.subCaches().get(s), settings.layersPerGroup(layout.subCaches().get(s)))) {
                List<String> wanted = group.layers().stream().map(KltBasis::describe).toList();
                Group found = next < groups.size() ? groups.get(next++) : null;
                if (found == null || found.subCache() != s || found.firstLayer() != group.firstLayer() || !found.layers().equals(wanted)) {
                    throw new CapsuleRefusedException("basis " + digest + " is of another model: it has "
                            + (found == null ? "no more layers" : found.layers().getFirst()) + " where the cache has " + wanted.getFirst());
                }
                if (!Arrays.equals(found.headDims(), group.headDims())) {
                    throw new CapsuleRefusedException("basis " + digest + " has heads of " + Arrays.toString(found.headDims()) + " channels for " + wanted.getFirst());
                }
                transforms.add(new Transform(group, floats(found.mean()), new HeadWeighting(found.headDims(), found.backward(), arena), found.basis(),
                        floats(found.deviations()), new int[0], null));
            }
        }
        if (next != groups.size()) {
            throw new CapsuleRefusedException("basis " + digest + " is of another model: it has " + groups.get(next).layers().getFirst() + ", the cache ends before");
        }
        return new Transforms(transforms, tables);
    }

    private static float[] floats(MemorySegment segment) {
        float[] floats = new float[(int) (segment.byteSize() / 4)];
        MemorySegment.copy(segment, Transform.FLOAT, 0, floats, 0, floats.length);
        return floats;
    }
}
