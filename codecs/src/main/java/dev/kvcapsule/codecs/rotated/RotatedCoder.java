package dev.kvcapsule.codecs.rotated;

import dev.kvcapsule.codecs.entropy.StreamReader;
import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.codecs.entropy.WordStreams;
import dev.kvcapsule.codecs.rows.QuantizerRows;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.ChannelMeans;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RotationShape;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Codes tiles of a {@link RotatedCodec}: for each tensor the streams of codes, gains and, if they are removed, channel means. */
final class RotatedCoder implements TileCoder {
    private final RotatedCodec codec;
    private final Kernels kernels;
    private final QuantizerRows rows;
    private final StreamWriter writer;
    private final StreamReader reader;
    private final WordStreams words;
    private final GrowingBuffer codeBuffer = new GrowingBuffer();
    private final GrowingBuffer gainBuffer = new GrowingBuffer();
    private final GrowingBuffer meanBuffer = new GrowingBuffer();

    RotatedCoder(RotatedCodec codec, Kernels kernels) {
        this.codec = codec;
        this.kernels = kernels;
        this.rows = new QuantizerRows(kernels, codec.beforeRope());
        this.writer = new StreamWriter(kernels);
        this.reader = new StreamReader(kernels);
        this.words = new WordStreams(kernels, codec.entropy());
    }

    private RotationShape shape(TileTensor tensor) {
        return new RotationShape(codec.bits(), tensor.headDim(), codec.seed(), codec.mean(), rows.type(tensor), rows.parameterType(tensor), tensor.tokens(),
                tensor.width());
    }

    @Override
    public long maxEncodedBytes(List<TileTensor> tensors) {
        long bytes = 0;
        for (TileTensor tensor : tensors) {
            RotationShape shape = shape(tensor);
            bytes += StreamWriter.maxBytes(shape.codeBytes()) + WordStreams.maxBytes(shape.gains()) + WordStreams.maxBytes(shape.channels());
        }
        return bytes;
    }

    @Override
    public long encode(List<TileTensor> tensors, MemorySegment out) {
        writer.begin(out);
        for (TileTensor tensor : tensors) {
            RotationShape shape = shape(tensor);
            MemorySegment codes = codeBuffer.atLeast(shape.codeBytes());
            MemorySegment gains = gainBuffer.atLeast(2 * shape.gains());
            MemorySegment means = meanBuffer.atLeast(2L * shape.channels());
            MemorySegment values = rows.load(tensor);
            if (codec.mean()) {
                ChannelMeans.write(shape, values, 0, means, 0);
            }
            if (kernels.hadamard().encode(shape, values, 0, means, 0, codes, 0, gains, 0) > 0) {
                return UNREPRESENTABLE;
            }
            if (codec.entropy()) {
                writer.coded(codes, shape.codeBytes());
            } else {
                writer.raw(codes, shape.codeBytes());
            }
            words.write(writer, gains, shape.gains(), shape.heads());
            if (codec.mean()) {
                words.write(writer, means, shape.channels(), 1);
            }
        }
        return writer.position();
    }

    @Override
    public void decode(MemorySegment in, List<TileTensor> tensors) throws MalformedDataException {
        reader.begin(in);
        for (TileTensor tensor : tensors) {
            RotationShape shape = shape(tensor);
            MemorySegment codes = reader.next(shape.codeBytes(), codeBuffer.atLeast(shape.codeBytes()));
            MemorySegment gains = words.read(reader, shape.gains(), shape.heads(), gainBuffer.atLeast(2 * shape.gains()));
            MemorySegment means = meanBuffer.atLeast(2L * shape.channels());
            if (codec.mean()) {
                means = words.read(reader, shape.channels(), 1, means);
            }
            try {
                kernels.hadamard().decode(shape, codes, 0, gains, 0, means, 0, rows.target(tensor), 0);
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
        gainBuffer.close();
        meanBuffer.close();
    }
}
