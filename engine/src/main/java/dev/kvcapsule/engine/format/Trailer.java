package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The last frame: what was known only once everything was written.
 *
 * @param frames frames before this one
 * @param headersCrc CRC-32C over the headers of those frames without their own checksums, so that none can be exchanged unnoticed
 * @param losslessTiles body tiles that the codec could not carry and that were coded losslessly instead
 * @param relativeError over all tensors, sqrt(sum (x - y)^2 / sum x^2) of the decoded y against the original x; 0 if lossless
 * @param weightedError the same as the codec weighs errors, if it was asked to keep it within bounds
 * @param fit how well a shared basis suited the cache, if the codec has one and measures it
 * @param errors the relative error by sub-cache, then layer: {K, V}
 */
public record Trailer(long frames, int headersCrc, long losslessTiles, double relativeError, OptionalDouble weightedError, Optional<BasisFit> fit,
        List<List<double[]>> errors) {

    /**
     * What can be said of a cache whose parts have this trailer and another: counts are sums, errors those of the worse part. Of the whole's errors no more is known than that they are no larger.
     *
     * @throws MalformedDataException if the other one is of other layers
     */
    public Trailer and(Trailer part) throws MalformedDataException {
        List<List<double[]>> worse = new ArrayList<>();
        for (int s = 0; s < errors.size(); s++) {
            List<double[]> layers = new ArrayList<>();
            for (int l = 0; l < errors.get(s).size(); l++) {
                if (part.errors.size() != errors.size() || part.errors.get(s).size() != errors.get(s).size()) {
                    throw new MalformedDataException("trailer: errors of other layers than another part's");
                }
                double[] mine = errors.get(s).get(l);
                double[] its = part.errors.get(s).get(l);
                layers.add(new double[] {Math.max(mine[0], its[0]), Math.max(mine[1], its[1])});
            }
            worse.add(layers);
        }
        OptionalDouble weighted = weightedError.isPresent() && part.weightedError.isPresent()
                ? OptionalDouble.of(Math.max(weightedError.getAsDouble(), part.weightedError.getAsDouble())) : OptionalDouble.empty();
        Optional<BasisFit> worseFit = Stream.concat(fit.stream(), part.fit.stream()).max(Comparator.comparingDouble(BasisFit::outside));
        return new Trailer(frames + part.frames, headersCrc, losslessTiles + part.losslessTiles, Math.max(relativeError, part.relativeError), weighted, worseFit, worse);
    }

    /** Deterministic CBOR, the payload of the trailer frame of a capsule without a seal. */
    public byte[] toBytes() {
        return Cbor.write(toMap());
    }

    /** The fields by name, as {@link Cbor} takes them; a seal adds its own. */
    public Map<String, Object> toMap() {
        List<Object> caches = new ArrayList<>();
        for (List<double[]> cache : errors) {
            List<Object> k = new ArrayList<>();
            List<Object> v = new ArrayList<>();
            for (double[] layer : cache) {
                k.add(layer[0]);
                v.add(layer[1]);
            }
            caches.add(Map.of("k", k, "v", v));
        }
        Map<String, Object> map = new TreeMap<>(Map.of("frames", frames, "headers_crc", Integer.toUnsignedLong(headersCrc), "lossless_tiles", losslessTiles,
                "relative_error", relativeError, "errors", caches));
        weightedError.ifPresent(error -> map.put("weighted_error", error));
        fit.ifPresent(measured -> map.put("basis_fit", Map.of("outside", measured.outside(), "calibrated", measured.calibrated())));
        return map;
    }

    /**
     * @param payload the trailer frame's payload
     * @param offset where it lies in its file, for messages
     * @throws MalformedDataException if it is not a trailer
     */
    public static Trailer parse(ByteBuffer payload, long offset) throws MalformedDataException {
        CborMap map = new CborMap(Cbor.read(payload, offset), "trailer", offset);
        Trailer trailer = of(map);
        map.end();
        return trailer;
    }

    /**
     * Takes the trailer's own fields out of a map that may have others.
     *
     * @throws MalformedDataException if one is missing or wrong
     */
    public static Trailer of(CborMap map) throws MalformedDataException {
        List<List<double[]>> errors = new ArrayList<>();
        for (CborMap cache : map.maps("errors")) {
            List<Double> k = cache.reals("k");
            List<Double> v = cache.reals("v");
            cache.end();
            if (k.size() != v.size()) {
                throw map.malformed("K and V errors of different counts");
            }
            List<double[]> layers = new ArrayList<>();
            for (int i = 0; i < k.size(); i++) {
                layers.add(new double[] {k.get(i), v.get(i)});
            }
            errors.add(layers);
        }
        return new Trailer(map.number("frames", 1, Long.MAX_VALUE), (int) map.number("headers_crc", 0, 0xffff_ffffL),
                map.number("lossless_tiles", 0, Integer.MAX_VALUE), map.real("relative_error"),
                map.has("weighted_error") ? OptionalDouble.of(map.real("weighted_error")) : OptionalDouble.empty(), map.has("basis_fit") ? Optional.of(fit(map.map("basis_fit"))) : Optional.empty(), errors);
    }

    private static BasisFit fit(CborMap map) throws MalformedDataException {
        BasisFit fit = new BasisFit(map.real("outside"), map.real("calibrated"));
        map.end();
        return fit;
    }
}
