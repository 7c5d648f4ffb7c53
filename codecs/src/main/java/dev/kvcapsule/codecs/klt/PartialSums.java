package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.principal.BasisFileReader;
import dev.kvcapsule.codecs.principal.BasisFileWriter;
import dev.kvcapsule.codecs.principal.Covariance;
import dev.kvcapsule.codecs.principal.CovarianceSums;
import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.calibration.WeightSums;
import dev.kvcapsule.engine.format.CborMap;
import dev.kvcapsule.engine.format.LayerFields;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The sums of a calibration that is not solved yet, in a file that is used in place: those of several files can be put together. The layout of the bytes is in
 * docs/format.md, "Partial sums".
 *
 * @param digest SHA-256 of all bytes before it, 64 hexadecimal digits
 * @param bytes size of the file
 * @param facts what it was made of and how, by name, for people
 * @param model layout of a cache of the model, without tokens
 * @param layersPerGroup layers a transform, 0 for all of a sub-cache
 * @param tokens tokens of the caches that were added
 * @param caches caches that were added
 * @param weights how much errors harm
 * @param groups the sums of each group of layers
 */
record PartialSums(String digest, long bytes, Map<String, String> facts, CacheLayout model, int layersPerGroup, long tokens, long caches, WeightSums weights, List<Group> groups) {
    static final long MAGIC = 0x0A1A0A0D53564B89L; // 89 'K' 'V' 'S' 0D 0A 1A 0A
    static final int VERSION = 1;

    /** No count of tokens is believed above that: sums of many remain exact. */
    static final long MAX_COUNT = 1L << 48;

    private static final int MAX_GROUPS = 1 << 16;
    private static final int MAX_WIDTH = 1 << 24;

    /**
     * The sums of some layers.
     *
     * @param layers which
     * @param vectors sums of their token vectors
     * @param regression {@link SensitivityRegression#sums}
     * @param asked tokens that went into those
     */
    record Group(LayerGroup layers, CovarianceSums vectors, double[] regression, long asked) {}

    /** What a calibration adds up for some layers. */
    record Accumulator(LayerGroup group, Covariance covariance, SensitivityRegression regression) {}

    /** Whether a file begins like partial sums. */
    static boolean recognises(MemorySegment file) {
        return BasisFileReader.recognises(MAGIC, file);
    }

    /** The groups of all layers of a cache, in order. */
    static List<LayerGroup> groups(CacheLayout layout, int layersPerGroup) {
        List<LayerGroup> groups = new ArrayList<>();
        for (int s = 0; s < layout.subCaches().size(); s++) {
            SubCache sub = layout.subCaches().get(s);
            groups.addAll(LayerGroup.of(s, sub, layersPerGroup == 0 ? Math.max(1, sub.layers().size()) : layersPerGroup));
        }
        return groups;
    }

    /**
     * Checks a file and finds its parts.
     *
     * @param file the whole file, which stays open as long as the result is used
     * @throws MalformedDataException if it has no partial sums, is damaged, or of another length than it says
     * @throws CapsuleRefusedException if it is of a version that this program does not know
     */
    static PartialSums parse(MemorySegment file) throws IOException {
        BasisFileReader reader = new BasisFileReader(MAGIC, VERSION, "file of partial sums", file);
        CborMap header = reader.header();
        int layersPerGroup = header.integer("layers_per_group", 0, MAX_GROUPS);
        Map<String, String> facts = header.texts("facts");
        long tokens = header.number("tokens", 0, MAX_COUNT);
        long caches = header.number("caches", 0, MAX_COUNT);
        CacheLayout model = model(header);
        List<LayerGroup> layers = groups(model, layersPerGroup);
        List<CborMap> maps = header.maps("groups");
        if (maps.size() != layers.size()) {
            throw header.malformed(maps.size() + " groups of layers, expected " + layers.size());
        }
        List<Group> groups = new ArrayList<>();
        for (int g = 0; g < maps.size(); g++) {
            groups.add(group(maps.get(g), layers.get(g), reader));
        }
        WeightSums weights = WeightSections.read(header.map("weights"), reader);
        reader.end();
        return new PartialSums(reader.digest(), file.byteSize(), facts, model, layersPerGroup, tokens, caches, weights, groups);
    }

    private static CacheLayout model(CborMap header) throws MalformedDataException {
        List<SubCache> subs = new ArrayList<>();
        for (CborMap map : header.maps("model")) {
            List<LayerLayout> layers = new ArrayList<>();
            for (CborMap layer : map.maps("layers")) {
                layers.add(LayerFields.read(layer));
            }
            subs.add(new SubCache(map.text("name"), Positions.sequential(0), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, layers));
            map.end();
        }
        return new CacheLayout(0, subs, List.of(), Map.of());
    }

    private static Group group(CborMap map, LayerGroup layers, BasisFileReader reader) throws MalformedDataException {
        long rows = map.number("rows", 0, MAX_COUNT);
        long asked = map.number("asked", 0, MAX_COUNT);
        map.end();
        long width = layers.layers().stream().mapToLong(layer -> (long) layer.kvHeads() * (layer.keyHeadDim() + layer.valueHeadDim())).sum();
        if (width > MAX_WIDTH) {
            throw map.malformed("vectors of " + width + " channels");
        }
        CovarianceSums vectors = CovarianceSums.read(reader, (int) width, rows);
        long regression = SensitivityRegression.sums(layers.headDims().length);
        if (regression > Integer.MAX_VALUE) {
            throw map.malformed(layers.headDims().length + " heads");
        }
        return new Group(layers, vectors, reader.doubles((int) regression), asked);
    }

    /** Writes a file of partial sums. @return its digest */
    static String write(Map<String, String> facts, CacheLayout model, int layersPerGroup, long tokens, long caches, WeightSums weights, List<Accumulator> accumulators,
            LinearAlgebra algebra, WritableByteChannel out) throws IOException {
        List<Object> groups = new ArrayList<>();
        for (Accumulator accumulator : accumulators) {
            groups.add(Map.of("rows", accumulator.covariance().rows(), "asked", accumulator.regression().tokens()));
        }
        List<Object> subs = new ArrayList<>();
        for (SubCache sub : model.subCaches()) {
            subs.add(Map.of("name", sub.name(), "layers", sub.layers().stream().map(LayerFields::write).toList()));
        }
        BasisFileWriter writer = new BasisFileWriter(MAGIC, VERSION, Map.of("layers_per_group", (long) layersPerGroup, "facts", facts, "tokens", tokens, "caches", caches, "model", subs,
                "groups", groups, "weights", WeightSections.header(weights)), out);
        for (Accumulator accumulator : accumulators) {
            accumulator.covariance().write(writer, algebra);
            writer.section(accumulator.regression().sums());
        }
        WeightSections.write(weights, writer);
        return writer.finish();
    }
}
