package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientCoder;
import dev.kvcapsule.codecs.coefficients.CoefficientModel;
import dev.kvcapsule.codecs.coefficients.CoefficientStatistics;
import dev.kvcapsule.codecs.principal.TokenVectors;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformScratch;
import dev.kvcapsule.engine.kernel.VectorKernel;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/** Codes tiles of a {@link KltCodec}: sinks as {@link FineRows}, all others as quantized coefficients of the layers' transform. */
final class KltCoder implements TileCoder {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Number of components that are coded. */
    private static final int HEADER_BYTES = 4;

    /** Steps in which the deviation of a component must be smaller than this are not computed: it would have to lie eight deviations off. */
    private static final double NEGLIGIBLE = 1 / 16.0;

    /** Finer tokens than this are few: what they would make of components that the others leave at zero is not worth computing. */
    private static final float FINEST = 0.25f;

    private final KltCodec codec;
    private final Kernels kernels;
    private final TokenVectors vectors;
    private final FineRows fine;
    private final HeadNorms norms = new HeadNorms();
    private final CoefficientCoder coefficients;
    private final TransformScratch scratch = new TransformScratch();
    private final GrowingBuffer sinks = new GrowingBuffer();
    private final GrowingBuffer plain;
    private final GrowingBuffer weighted;
    private final GrowingBuffer projected;
    private final GrowingBuffer seconds;
    private final GrowingBuffer fitted;
    private final GrowingBuffer codes;
    private byte[] scales = new byte[0];
    private float[] steps = new float[0];
    private float[] magnitudes = new float[0];
    /** Weighted squares of the rows that were projected last, where {@link #fit} wants to know them. */
    private double energy;
    /** What {@link #fit} adds; null if the last tile has none. */
    private double[] measured;

    KltCoder(KltCodec codec, Kernels kernels) {
        this.codec = codec;
        this.kernels = kernels;
        this.vectors = new TokenVectors(kernels);
        this.fine = new FineRows(kernels);
        this.coefficients = new CoefficientCoder(kernels.coefficients());
        this.plain = new GrowingBuffer(kernels.memory());
        this.weighted = new GrowingBuffer(kernels.memory());
        this.projected = new GrowingBuffer(kernels.memory());
        this.seconds = new GrowingBuffer(kernels.memory());
        this.fitted = new GrowingBuffer(kernels.memory());
        this.codes = new GrowingBuffer(kernels.memory());
    }

    @Override
    public long maxEncodedBytes(List<TileTensor> tensors) {
        int tokens = tensors.getFirst().tokens();
        int width = width(tensors);
        int components = Math.min(width, codec.transforms().mostComponents());
        return Math.max(FineRows.maxBytes(tokens, width), HEADER_BYTES + TokenScale.maxBytes(tokens) + CoefficientCoder.maxBytes(tokens, components));
    }

    private static int width(List<TileTensor> tensors) {
        return tensors.stream().mapToInt(TileTensor::width).sum();
    }

    private float step() {
        return (float) codec.settings().step().orElseThrow();
    }

    @Override
    public long encode(Tile tile, List<TileTensor> tensors, MemorySegment out) {
        int tokens = tile.tokens();
        int width = width(tensors);
        measured = null;
        if (tile.region() == Region.SINK) {
            MemorySegment rows = sinks.atLeast(4L * tokens * width);
            return vectors.load(tensors, width, rows) ? fine.encode(rows, tokens, width, out) : UNREPRESENTABLE;
        }
        Transform transform = codec.transforms().of(tile);
        byte[] symbols = load(tile, transform, tensors);
        if (symbols == null) {
            return UNREPRESENTABLE;
        }
        int components = liveComponents(transform, step(), symbols);
        MemorySegment projection = project(transform, components, tokens);
        if (transform.outside().isPresent()) {
            measured = outside(transform, projection, components, tokens);
        }
        return encode(transform, projection, symbols, tokens, components, step(), out, null);
    }

    /** The components are orthonormal, but for rounding: what they do not hold is the energy that their coefficients lack. */
    private double[] outside(Transform transform, MemorySegment projection, int components, int tokens) {
        double inside = kernels.vectors().squares(projection, tokens, components);
        for (int k = components; k < transform.components(); k++) {
            inside += tokens * (double) transform.deviation(k) * transform.deviation(k);
        }
        return new double[] {Math.max(0, energy - inside), energy * transform.outside().getAsDouble(), energy};
    }

    @Override
    public boolean fit(double[] sums) {
        for (int i = 0; measured != null && i < sums.length; i++) {
            sums[i] += measured[i];
        }
        return measured != null;
    }

    /**
     * Loads the rows of a tile, for {@link #project}.
     *
     * @return the symbols of its tokens' scales; null if a number is not finite
     */
    byte[] load(Tile tile, Transform transform, List<TileTensor> tensors) {
        int width = transform.width();
        MemorySegment rows = plain.atLeast(4L * tile.tokens() * width);
        if (!vectors.load(tensors, width, rows)) {
            return null;
        }
        TokenSensitivity sensitivity = transform.sensitivity();
        float[] ofHeads = sensitivity.isKnown() ? norms.of(kernels, rows, tile.tokens(), transform.group().headDims()) : null;
        return codec.scales().symbols(tile, sensitivity, tensors.getFirst().positions(), ofHeads, step());
    }

    /**
     * Projects some of the rows that {@link #load} loaded, which then hold anything. With kernels of the processor.
     *
     * @param transform without components of the capsule's own
     * @param kept their numbers, rising
     * @param less receives f32 {@code [kept.length][width]}: the rows in the weighted space, less what the leading components say
     * @param coefficients receives f32 {@code [kept.length][components - leading]}: those of the others
     * @return what {@link #fit} adds for them
     */
    double[] project(Transform transform, int[] kept, MemorySegment less, MemorySegment coefficients) {
        long row = 4L * transform.width();
        MemorySegment rows = plain.atLeast(0);
        for (int i = 0; i < kept.length; i++) {
            MemorySegment.copy(rows, row * kept[i], rows, row * i, row);
        }
        int components = transform.components();
        int leading = transform.leading();
        MemorySegment projection = project(transform, components, kept.length);
        MemorySegment.copy(weighted.atLeast(0), 0, less, 0, row * kept.length);
        long others = 4L * (components - leading);
        for (int t = 0; t < kept.length; t++) {
            MemorySegment.copy(projection, 4 * ((long) t * components + leading), coefficients, others * t, others);
        }
        return outside(transform, projection, components, kept.length);
    }

    /** Components that can be anything but zero at that step and those {@link TokenScale scales}. */
    static int liveComponents(Transform transform, double step, byte[] symbols) {
        float finest = 1;
        for (byte symbol : symbols) {
            finest = Math.min(finest, TokenScale.factor(symbol));
        }
        double least = step * Math.max(finest, FINEST) * NEGLIGIBLE;
        int live = transform.components();
        if (transform.fit() != null) {
            return live;
        }
        while (live > transform.ownComponents() && transform.deviation(live - 1) < least) {
            live--;
        }
        return live;
    }

    /**
     * Projects the rows that {@link #load} loaded, which then hold anything.
     *
     * @return f32 {@code [tokens][components]}, valid until the next call
     */
    MemorySegment project(Transform transform, int components, int tokens) {
        int width = transform.width();
        MemorySegment rows = plain.atLeast(4L * tokens * width);
        kernels.vectors().combine(VectorKernel.Step.SUBTRACT, rows, tokens, transform.mean(), rows);
        MemorySegment space = weighted.atLeast(4L * tokens * width);
        transform.weighting().forward(kernels, rows, tokens, space, scratch);
        energy = transform.outside().isPresent() ? kernels.vectors().squares(space, tokens, width) : 0;
        MemorySegment projection = projected.atLeast(4L * tokens * Math.max(1, components));
        int own = transform.ownComponents();
        if (own > 0) {
            // Their coefficients are added to what is there.
            kernels.memory().fill(projection.asSlice(0, 4L * tokens * components), (byte) 0);
        }
        int leading = Math.min(components - own, transform.leading());
        if (leading > 0) {
            kernels.transform().analyze(transform.rows(leading), space, 0, width, projection, 4L * own, components, tokens, scratch);
            MemorySegment shared = projection.asSlice(4L * own);
            kernels.vectors().negate(shared, tokens, components, leading);
            kernels.transform().synthesize(transform.rows(leading), projection, 4L * own, components, space, 0, width, tokens, scratch);
            kernels.vectors().negate(shared, tokens, components, leading);
        }
        if (own > 0) {
            transform.own().project(kernels, space, tokens, projection, components, scratch);
        }
        kernels.transform().analyze(transform.basis().range(leading, components - own - leading), space, 0, width, projection, 4L * (own + leading), components, tokens, scratch);
        int split = transform.splitRows(components);
        if (split > 0) {
            MemorySegment second = seconds.atLeast(4L * tokens * split);
            kernels.transform().analyze(transform.secondRows(split), space, 0, width, second, 0, split, tokens, scratch);
            kernels.vectors().addToColumns(second, tokens, components, transform.split(), split, projection);
        }
        if (transform.fit() == null) {
            return projection;
        }
        MemorySegment best = fitted.atLeast(4L * tokens * components);
        transform.fit().apply(kernels, projection, tokens, best, scratch);
        return best;
    }

    /** Quantizes and codes a projection, at scales of which {@link TokenScale#write} may change some. @return bytes, or {@link #UNREPRESENTABLE} */
    long encode(Transform transform, MemorySegment projection, byte[] symbols, int tokens, int components, float step, MemorySegment out,
            CoefficientStatistics statistics) {
        long scaleBytes = TokenScale.write(symbols, tokens, out.asSlice(HEADER_BYTES));
        scale(symbols, tokens, step);
        MemorySegment quantized = codes.atLeast(4L * tokens * Math.max(1, components));
        int used = kernels.vectors().quantize(projection, tokens, components, steps, quantized);
        if (used < 0) {
            return UNREPRESENTABLE;
        }
        out.set(INT, 0, used);
        long header = HEADER_BYTES + scaleBytes;
        return header + coefficients.encode(quantized, tokens, used, components, priors(transform, used, step), magnitudes, codec.transforms().tables(),
                out.asSlice(header), statistics);
    }

    /** The expected magnitudes of the components' coefficients. */
    private static float[] priors(Transform transform, int components, float step) {
        float[] priors = new float[components];
        for (int k = 0; k < components; k++) {
            priors[k] = CoefficientModel.expectedMagnitude(transform.deviation(k) / step);
        }
        return priors;
    }

    /** Computes the step of each token, and what its scale makes of magnitudes. */
    private void scale(byte[] symbols, int tokens, float step) {
        if (steps.length < tokens) {
            steps = new float[tokens];
            magnitudes = new float[tokens];
        }
        for (int t = 0; t < tokens; t++) {
            float factor = TokenScale.factor(symbols[t]);
            steps[t] = step * factor;
            magnitudes[t] = 1 / factor;
        }
    }

    @Override
    public void decode(MemorySegment in, Tile tile, List<TileTensor> tensors) throws MalformedDataException {
        int tokens = tile.tokens();
        int width = width(tensors);
        MemorySegment rows = tile.region() == Region.SINK ? sinks.atLeast(4L * tokens * width) : plain.atLeast(4L * tokens * width);
        if (tile.region() == Region.SINK) {
            fine.decode(in, tokens, width, rows);
        } else {
            Transform transform = codec.transforms().of(tile);
            if (transform.width() != width) {
                throw new MalformedDataException("transform of width " + transform.width() + " for rows of " + width);
            }
            decode(in, transform, step(), tokens, rows);
        }
        vectors.store(rows, width, tensors);
    }

    private void decode(MemorySegment in, Transform transform, float step, int tokens, MemorySegment rows) throws MalformedDataException {
        int components = in.byteSize() < HEADER_BYTES ? -1 : in.get(INT, 0);
        if (components < 0 || components > transform.components()) {
            throw new MalformedDataException("coefficients of " + components + " components, the basis has " + transform.components());
        }
        if (scales.length < tokens) {
            scales = new byte[tokens];
        }
        long header = HEADER_BYTES + TokenScale.read(in.asSlice(HEADER_BYTES), tokens, scales);
        scale(scales, tokens, step);
        MemorySegment quantized = codes.atLeast(4L * tokens * Math.max(1, components));
        coefficients.decode(in.asSlice(header), quantized, tokens, components, components, priors(transform, components, step),
                magnitudes, codec.transforms().tables());
        MemorySegment projection = projected.atLeast(4L * tokens * Math.max(1, components));
        kernels.vectors().restore(quantized, tokens, components, steps, projection);
        int width = transform.width();
        MemorySegment space = weighted.atLeast(4L * tokens * width);
        kernels.memory().fill(space.asSlice(0, 4L * tokens * width), (byte) 0);
        int own = Math.min(components, transform.ownComponents());
        if (own > 0) {
            kernels.transform().synthesize(transform.own().rows().range(0, own), projection, 0, components, space, 0, width, tokens, scratch);
        }
        kernels.transform().synthesize(transform.rows(components - own), projection, 4L * own, components, space, 0, width, tokens, scratch);
        int split = transform.splitRows(components);
        if (split > 0) {
            MemorySegment second = seconds.atLeast(4L * tokens * split);
            kernels.vectors().takeColumns(projection, tokens, components, transform.split(), split, second);
            kernels.transform().synthesize(transform.secondRows(split), second, 0, split, space, 0, width, tokens, scratch);
        }
        transform.weighting().backward(kernels, space, tokens, rows, scratch);
        kernels.vectors().combine(VectorKernel.Step.ADD, rows, tokens, transform.mean(), rows);
    }

    @Override
    public boolean worksOnDevice(List<TileTensor> tensors) {
        return vectors.isOnDevice(tensors);
    }

    @Override
    public boolean weigh(Tile tile, List<TileTensor> original, List<TileTensor> decoded, double[] sums) {
        return codec.settings().maxError().isPresent() && measure(tile, original, decoded, sums);
    }

    private boolean measure(Tile tile, List<TileTensor> original, List<TileTensor> decoded, double[] sums) {
        Transform transform = codec.transforms().of(tile);
        int tokens = tile.tokens();
        int width = transform.width();
        long bytes = 4L * tokens * width;
        MemorySegment rows = plain.atLeast(bytes);
        MemorySegment restored = projected.atLeast(bytes);
        MemorySegment space = weighted.atLeast(bytes);
        if (!vectors.load(original, width, rows) || !vectors.load(decoded, width, restored)) {
            return false;
        }
        transform.weighting().forward(kernels, rows, tokens, space, scratch);
        sums[1] += kernels.vectors().squares(space, tokens, width);
        kernels.vectors().subtractFrom(restored, rows, tokens, width);
        transform.weighting().forward(kernels, rows, tokens, space, scratch);
        sums[0] += kernels.vectors().squares(space, tokens, width);
        return true;
    }

    @Override
    public void close() {
        vectors.close();
        fine.close();
        scratch.close();
        plain.close();
        weighted.close();
        projected.close();
        seconds.close();
        fitted.close();
        codes.close();
        sinks.close();
    }
}
