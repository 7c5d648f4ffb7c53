package dev.kvcapsule.codecs.kivi;

import dev.kvcapsule.codecs.entropy.StreamReader;
import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.codecs.entropy.WordStreams;
import dev.kvcapsule.codecs.rows.QuantizerRows;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.QuantShape;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Codes tiles of a {@link KiviCodec}: for each tensor the streams of codes, zero points and steps. */
final class KiviCoder implements TileCoder {
    private final KiviCodec codec;
    private final Kernels kernels;
    private final QuantizerRows rows;
    private final StreamWriter writer;
    private final StreamReader reader;
    private final WordStreams words;
    private final GrowingBuffer codeBuffer = new GrowingBuffer();
    private final GrowingBuffer zeroBuffer = new GrowingBuffer();
    private final GrowingBuffer stepBuffer = new GrowingBuffer();

    KiviCoder(KiviCodec codec, Kernels kernels) {
        this.codec = codec;
        this.kernels = kernels;
        this.rows = new QuantizerRows(kernels, codec.beforeRope());
        this.writer = new StreamWriter(kernels);
        this.reader = new StreamReader(kernels);
        this.words = new WordStreams(kernels, codec.entropy());
    }

    private QuantShape shape(TileTensor tensor) {
        QuantShape.Grouping grouping = tensor.part() == Part.KEY ? QuantShape.Grouping.TOKENS : QuantShape.Grouping.CHANNELS;
        return new QuantShape(grouping, codec.bits(), codec.group(), rows.type(tensor), rows.parameterType(tensor), tensor.tokens(), tensor.width());
    }

    /** Parameters after which the same channel, or the same group of channels, comes again. */
    private static int period(QuantShape shape) {
        return shape.grouping() == QuantShape.Grouping.TOKENS ? shape.channels() : shape.groups();
    }

    @Override
    public long maxEncodedBytes(List<TileTensor> tensors) {
        long bytes = 0;
        for (TileTensor tensor : tensors) {
            QuantShape shape = shape(tensor);
            bytes += StreamWriter.maxBytes(shape.codeBytes()) + 2 * WordStreams.maxBytes(shape.parameters());
        }
        return bytes;
    }

    @Override
    public long encode(List<TileTensor> tensors, MemorySegment out) {
        writer.begin(out);
        for (TileTensor tensor : tensors) {
            QuantShape shape = shape(tensor);
            MemorySegment codes = codeBuffer.atLeast(shape.codeBytes());
            MemorySegment zeros = zeroBuffer.atLeast(2 * shape.parameters());
            MemorySegment steps = stepBuffer.atLeast(2 * shape.parameters());
            if (kernels.quant().quantize(shape, rows.load(tensor), 0, codes, 0, zeros, 0, steps, 0) > 0) {
                return UNREPRESENTABLE;
            }
            if (codec.entropy()) {
                writer.coded(codes, shape.codeBytes());
            } else {
                writer.raw(codes, shape.codeBytes());
            }
            words.write(writer, zeros, shape.parameters(), period(shape));
            words.write(writer, steps, shape.parameters(), period(shape));
        }
        return writer.position();
    }

    @Override
    public void decode(MemorySegment in, List<TileTensor> tensors) throws MalformedDataException {
        reader.begin(in);
        for (TileTensor tensor : tensors) {
            QuantShape shape = shape(tensor);
            MemorySegment codes = reader.next(shape.codeBytes(), codeBuffer.atLeast(shape.codeBytes()));
            MemorySegment zeros = words.read(reader, shape.parameters(), period(shape), zeroBuffer.atLeast(2 * shape.parameters()));
            MemorySegment steps = words.read(reader, shape.parameters(), period(shape), stepBuffer.atLeast(2 * shape.parameters()));
            try {
                kernels.quant().dequantize(shape, codes, 0, zeros, 0, steps, 0, rows.target(tensor), 0);
            } catch (IllegalArgumentException e) {
                throw new MalformedDataException("layer " + tensor.layer().layer() + " " + tensor.part().letter() + ": " + e.getMessage());
            }
            rows.store(tensor);
        }
        reader.end();
    }

    @Override
    public void close() {
        rows.close();
        writer.close();
        words.close();
        codeBuffer.close();
        zeroBuffer.close();
        stepBuffer.close();
    }
}
