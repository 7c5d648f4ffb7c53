package dev.kvcapsule.codecs.svd;

import dev.kvcapsule.codecs.entropy.StreamReader;
import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.codecs.entropy.WordStreams;
import dev.kvcapsule.codecs.principal.CenteredBasis;
import dev.kvcapsule.codecs.principal.TokenVectors;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RansTables;
import dev.kvcapsule.engine.kernel.TransformScratch;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Codes tiles of an {@link SvdCodec}: for each group of the tile the streams of its tokens' scales and coefficients. */
final class SvdCoder implements TileCoder {
    private final SvdCodec codec;
    private final Kernels kernels;
    private final TokenVectors vectors;
    private final StreamWriter writer;
    private final StreamReader reader;
    private final WordStreams words;
    private final TransformScratch scratch = new TransformScratch();
    private final GrowingBuffer rowBuffer;
    private final GrowingBuffer coefficientBuffer = new GrowingBuffer();
    private final GrowingBuffer scaleBuffer = new GrowingBuffer();
    private final GrowingBuffer codeBuffer = new GrowingBuffer();

    SvdCoder(SvdCodec codec, Kernels kernels) {
        this.codec = codec;
        this.kernels = kernels;
        this.vectors = new TokenVectors(kernels);
        this.rowBuffer = new GrowingBuffer(kernels.memory());
        this.writer = new StreamWriter(kernels);
        this.reader = new StreamReader(kernels);
        this.words = new WordStreams(kernels, true);
    }

    private TokenFactor factor(CenteredBasis basis, Tile tile) {
        return new TokenFactor(tile.tokens(), basis.components().components(), codec.bits());
    }

    @Override
    public long maxEncodedBytes(List<TileTensor> tensors) {
        int tokens = tensors.getFirst().tokens();
        long elements = tensors.stream().mapToLong(TileTensor::elements).sum();
        // Two groups at most: K and V. A group has no more components than channels.
        return 2 * (WordStreams.maxBytes(tokens) + StreamWriter.maxBytes(0)) + elements;
    }

    @Override
    public long encode(Tile tile, List<TileTensor> tensors, MemorySegment out) {
        writer.begin(out);
        for (ChannelFactors.Member member : codec.factors().of(tile)) {
            CenteredBasis basis = member.basis();
            TokenFactor factor = factor(basis, tile);
            MemorySegment rows = rowBuffer.atLeast(4L * tile.tokens() * basis.width());
            if (!vectors.load(member.group().of(tensors), basis.width(), rows)) {
                return UNREPRESENTABLE;
            }
            MemorySegment coefficients = coefficientBuffer.atLeast(4 * Math.max(1, factor.codeBytes()));
            basis.project(kernels, rows, tile.tokens(), factor.components(), coefficients, scratch);
            MemorySegment scales = scaleBuffer.atLeast(2L * tile.tokens());
            MemorySegment codes = codeBuffer.atLeast(Math.max(1, factor.codeBytes()));
            if (!factor.quantize(coefficients, scales, codes)) {
                return UNREPRESENTABLE;
            }
            words.write(writer, scales, tile.tokens(), 1);
            writer.coded(codes, factor.codeBytes(), Math.max(1, factor.components()), RansTables.MAX_TABLES);
        }
        return writer.position();
    }

    @Override
    public void decode(MemorySegment in, Tile tile, List<TileTensor> tensors) throws MalformedDataException {
        reader.begin(in);
        for (ChannelFactors.Member member : codec.factors().of(tile)) {
            CenteredBasis basis = member.basis();
            TokenFactor factor = factor(basis, tile);
            MemorySegment scales = words.read(reader, tile.tokens(), 1, scaleBuffer.atLeast(2L * tile.tokens()));
            MemorySegment codes = reader.next(factor.codeBytes(), Math.max(1, factor.components()), codeBuffer.atLeast(Math.max(1, factor.codeBytes())));
            MemorySegment coefficients = coefficientBuffer.atLeast(4 * Math.max(1, factor.codeBytes()));
            if (!factor.dequantize(scales, codes, coefficients)) {
                throw new MalformedDataException(member.group() + ": a scale is not a number");
            }
            MemorySegment rows = rowBuffer.atLeast(4L * tile.tokens() * basis.width());
            basis.restore(kernels, coefficients, tile.tokens(), factor.components(), rows, scratch);
            vectors.store(rows, basis.width(), member.group().of(tensors));
        }
        reader.end();
    }

    @Override
    public void close() {
        vectors.close();
        writer.close();
        words.close();
        scratch.close();
        rowBuffer.close();
        coefficientBuffer.close();
        scaleBuffer.close();
        codeBuffer.close();
    }
}
