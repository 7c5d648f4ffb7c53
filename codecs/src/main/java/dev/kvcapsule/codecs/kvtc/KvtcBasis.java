package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.codecs.principal.BasisFileReader;
import dev.kvcapsule.codecs.principal.BasisFileWriter;
import dev.kvcapsule.codecs.principal.CenteredBasis;
import dev.kvcapsule.codecs.principal.ComponentQuantizer;
import dev.kvcapsule.codecs.principal.LayerShape;
import dev.kvcapsule.codecs.principal.PartGroup;
import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.format.CborMap;
import dev.kvcapsule.engine.kernel.TransformBasis;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The basis that capsules of one model share. The layout of the bytes is in docs/format.md, "kvtc".
 *
 * @param digest SHA-256, 64 hexadecimal digits
 * @param facts what it was made of and how, by name, for people
 * @param parts K and V of each sub-cache
 * @param bytes size of the file
 */
record KvtcBasis(String digest, Map<String, String> facts, List<Part> parts, long bytes) {
    private static final long MAGIC = 0x0A1A0A0D54564B89L; // 89 'K' 'V' 'T' 0D 0A 1A 0A
    private static final int VERSION = 1;
    private static final int MAX_WIDTH = 1 << 24;

    /**
     * K or V of all layers of a sub-cache.
     *
     * @param layers what each layer must be like
     * @param basis mean and components
     * @param deviations standard deviation of each coefficient
     */
    record Part(List<String> layers, CenteredBasis basis, float[] deviations) {}

    static boolean recognises(MemorySegment file) {
        return BasisFileReader.recognises(MAGIC, file);
    }

    /** Checks a file and finds its parts. It stays open as long as the result is used. */
    static KvtcBasis parse(MemorySegment file) throws IOException {
        BasisFileReader reader = new BasisFileReader(MAGIC, VERSION, "basis file", file);
        Map<String, String> facts = reader.header().texts("facts");
        List<Part> parts = new ArrayList<>();
        for (CborMap map : reader.header().maps("parts")) {
            parts.add(part(map, reader));
        }
        reader.end();
        return new KvtcBasis(reader.digest(), facts, parts, file.byteSize());
    }

    private static Part part(CborMap map, BasisFileReader reader) throws IOException {
        int width = map.integer("width", 1, MAX_WIDTH);
        int components = map.integer("components", 0, width);
        List<String> layers = map.textList("layers");
        map.end();
        float[] mean = reader.floats(width);
        float[] deviations = reader.floats(components);
        MemorySegment codes = reader.section((long) components * width);
        TransformBasis basis = new TransformBasis(codes, reader.section(2L * components * TransformBasis.runs(width)), components, width).lasting();
        if (!ComponentQuantizer.isFinite(basis)) {
            throw map.malformed("a scale is not finite");
        }
        return new Part(layers, new CenteredBasis(mean, basis), deviations);
    }

    /** Writes a basis file. @return its digest */
    static String write(Map<String, String> facts, List<Part> parts, WritableByteChannel out) throws IOException {
        List<Object> maps = new ArrayList<>();
        for (Part part : parts) {
            maps.add(Map.of("width", (long) part.basis().width(), "components", (long) part.deviations().length, "layers", part.layers()));
        }
        BasisFileWriter writer = new BasisFileWriter(MAGIC, VERSION, Map.of("facts", facts, "parts", maps), out);
        for (Part part : parts) {
            writer.section(part.basis().mean());
            writer.section(part.deviations());
            writer.section(part.basis().components().codes());
            writer.section(part.basis().components().scales());
        }
        return writer.finish();
    }

    /** K and V of each sub-cache, in order. */
    static List<PartGroup> groups(CacheLayout layout) {
        List<PartGroup> groups = new ArrayList<>();
        for (int s = 0; s < layout.subCaches().size(); s++) {
            groups.addAll(PartGroup.of(s, layout.subCaches().get(s), Math.max(1, layout.subCaches().get(s).layers().size())));
        }
        return groups;
    }

    /** @throws CapsuleRefusedException if this basis is of another model */
    void check(CacheLayout layout) throws CapsuleRefusedException {
        List<PartGroup> groups = groups(layout);
        for (int g = 0; g < Math.max(groups.size(), parts.size()); g++) {
            List<String> wanted = g < groups.size() ? groups.get(g).describe() : List.of();
            List<String> found = g < parts.size() ? parts.get(g).layers() : List.of();
            if (!wanted.equals(found)) {
                throw LayerShape.otherModel(digest, found.isEmpty() ? null : found.getFirst(), wanted.isEmpty() ? null : wanted.getFirst());
            }
        }
    }
}
