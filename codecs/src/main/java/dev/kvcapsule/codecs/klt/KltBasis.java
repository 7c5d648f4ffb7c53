package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientTables;
import dev.kvcapsule.codecs.principal.BasisFileReader;
import dev.kvcapsule.codecs.principal.BasisFileWriter;
import dev.kvcapsule.codecs.principal.ComponentQuantizer;
import dev.kvcapsule.codecs.principal.LayerShape;
import dev.kvcapsule.codecs.principal.NibbleRows;
import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.format.CborMap;
import dev.kvcapsule.engine.kernel.TransformBasis;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

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
    static final int VERSION = 3;

    private static final int MAX_GROUPS = 1 << 16;
    private static final int MAX_WIDTH = 1 << 24;

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
     * @param sensitivity how much attention tokens will be paid in these layers
     * @param outside share of the weighted variance of what it was calibrated on that lies outside the components, from 0 to 1
     * @param fine components that are stored in 8 bits; the others are in 4, and have codes of that size
     * @param basis the components
     */
    record Group(int subCache, int firstLayer, List<String> layers, int[] headDims, MemorySegment mean, MemorySegment deviations, MemorySegment backward,
            TokenSensitivity sensitivity, double outside, int fine, TransformBasis basis) {
        /** What {@link Transform#leading} is for it. A third of the fine ones does: they have all but a few percent of the energy. */
        private int leading() {
            return fine == basis.components() ? 0 : Math.ceilDiv(fine, 3);
        }
    }

    /** Whether a file begins like a basis. */
    static boolean recognises(MemorySegment file) {
        return BasisFileReader.recognises(MAGIC, file);
    }

    /**
     * Checks a basis file and finds its parts. Components in 4 bits are unpacked into memory, all else is used in place.
     *
     * @param file the whole file, which stays open as long as the result is used
     * @throws MalformedDataException if it is no basis, damaged, or of another length than it says
     * @throws CapsuleRefusedException if it is of a version that this program does not know
     */
    static KltBasis parse(MemorySegment file) throws IOException {
        BasisFileReader reader = new BasisFileReader(MAGIC, VERSION, "basis file", file);
        int layersPerGroup = reader.header().integer("layers_per_group", 0, MAX_GROUPS);
        Map<String, String> facts = reader.header().texts("facts");
        CoefficientTables tables = CoefficientTables.parse(reader.section(CoefficientTables.BYTES));
        List<Group> groups = new ArrayList<>();
        for (CborMap map : reader.header().maps("groups")) {
            groups.add(group(map, reader));
        }
        reader.end();
        return new KltBasis(reader.digest(), layersPerGroup, facts, groups, tables, file.byteSize());
    }

    private static Group group(CborMap map, BasisFileReader reader) throws MalformedDataException {
        int subCache = map.integer("cache", 0, MAX_GROUPS);
        int firstLayer = map.integer("first", 0, MAX_GROUPS);
        int components = map.integer("components", 0, MAX_WIDTH);
        long[] dims = map.numbers("heads");
        int fine = map.integer("fine", 0, components);
        List<String> layers = map.textList("layers");
        boolean predicts = map.bool("predicts");
        double outside = map.real("outside");
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
        if (!(outside >= 0 && outside <= 1)) {
            throw map.malformed("a share of " + outside);
        }
        if (layers.isEmpty()) {
            throw map.malformed("a transform of no layer");
        }
        MemorySegment mean = reader.finite(width);
        MemorySegment deviations = reader.finite(components);
        MemorySegment backward = reader.finite(HeadWeighting.floats(headDims));
        TokenSensitivity tokens = new TokenSensitivity(reader.floats(predicts ? TokenSensitivity.OTHERS + headDims.length : 0));
        MemorySegment codes = reader.section(fine * width);
        MemorySegment packed = reader.section(NibbleRows.bytes(components - fine, (int) width));
        if (fine < components) {
            MemorySegment all = Arena.ofAuto().allocate(components * width, 64);
            all.copyFrom(codes);
            NibbleRows.unpack(packed, components - fine, (int) width, all.asSlice(fine * width));
            codes = all;
        }
        MemorySegment scales = reader.section(2L * components * TransformBasis.runs((int) width));
        TransformBasis basis = new TransformBasis(codes, scales, components, (int) width).lasting();
        if (!ComponentQuantizer.isFinite(basis)) {
            throw map.malformed("a scale is not finite");
        }
        return new Group(subCache, firstLayer, layers, headDims, mean, deviations, backward, tokens, outside, fine, basis);
    }

    /** Writes a basis file. @return its digest */
    static String write(int layersPerGroup, Map<String, String> facts, List<Group> groups, CoefficientTables tables, WritableByteChannel out) throws IOException {
        List<Object> maps = new ArrayList<>();
        for (Group group : groups) {
            List<Long> dims = new ArrayList<>();
            for (int dim : group.headDims()) {
                dims.add((long) dim);
            }
            maps.add(Map.of("cache", (long) group.subCache(), "first", (long) group.firstLayer(), "components", (long) group.basis().components(), "fine", (long) group.fine(), "heads", dims,
                    "layers", group.layers(), "predicts", group.sensitivity().isKnown(), "outside", group.outside()));
        }
        BasisFileWriter writer = new BasisFileWriter(MAGIC, VERSION, Map.of("layers_per_group", (long) layersPerGroup, "facts", facts, "groups", maps), out);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate(CoefficientTables.BYTES);
            tables.write(stored);
            writer.section(stored);
        }
        for (Group group : groups) {
            writer.section(group.mean());
            writer.section(group.deviations());
            writer.section(group.backward());
            writer.section(group.sensitivity().weights());
            int width = group.basis().width();
            long fineBytes = (long) group.fine() * width;
            writer.section(group.basis().codes().asSlice(0, fineBytes));
            try (Arena arena = Arena.ofConfined()) {
                writer.section(NibbleRows.pack(group.basis().codes().asSlice(fineBytes), group.basis().components() - group.fine(), width, arena));
            }
            writer.section(group.basis().scales());
        }
        return writer.finish();
    }

    /** A layer's shape as text: what a basis must have been made for. */
    static String describe(LayerLayout layer) {
        return "layer " + layer.layer() + ": " + layer.kvHeads() + " x " + layer.keyHeadDim() + " + " + layer.valueHeadDim() + ", " + LayerShape.rope(layer);
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
                    throw LayerShape.otherModel(digest, found == null ? null : found.layers().getFirst(), wanted.getFirst());
                }
                if (!Arrays.equals(found.headDims(), group.headDims())) {
                    throw new CapsuleRefusedException("basis " + digest + " has heads of " + Arrays.toString(found.headDims()) + " channels for " + wanted.getFirst());
                }
                transforms.add(new Transform(group, floats(found.mean()), new HeadWeighting(found.headDims(), found.backward(), arena), found.basis(),
                        found.leading(), floats(found.deviations()), new int[0], found.sensitivity(), OptionalDouble.of(found.outside()), null, null));
            }
        }
        if (next != groups.size()) {
            throw LayerShape.otherModel(digest, groups.get(next).layers().getFirst(), null);
        }
        return new Transforms(transforms, tables);
    }

    private static float[] floats(MemorySegment segment) {
        float[] floats = new float[(int) (segment.byteSize() / 4)];
        MemorySegment.copy(segment, Transform.FLOAT, 0, floats, 0, floats.length);
        return floats;
    }
}
