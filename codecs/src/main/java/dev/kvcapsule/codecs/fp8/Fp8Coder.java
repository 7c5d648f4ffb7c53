package dev.kvcapsule.codecs.fp8;

import dev.kvcapsule.codecs.entropy.StreamReader;
import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RowFloats;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Codes tiles of an {@link Fp8Codec}: for each tensor the streams of scales and elements. */
final class Fp8Coder implements TileCoder {
    private static final int CHANNEL_CLASSES = 8;

    private final Kernels kernels;
    private final boolean entropy;
    private final StreamWriter writer;
    private final StreamReader reader;
    private final GrowingBuffer floatBuffer = new GrowingBuffer();
    private final GrowingBuffer scaleBuffer = new GrowingBuffer();
    private final GrowingBuffer elementBuffer = new GrowingBuffer();

    Fp8Coder(Kernels kernels, boolean entropy) {
        this.kernels = kernels;
        this.entropy = entropy;
        this.writer = new StreamWriter(kernels);
        this.reader = new StreamReader(kernels);
    }

    private static long scales(TileTensor tensor) {
        return MxBlocks.scales(tensor.tokens(), tensor.width());
    }

    @Override
    public long maxEncodedBytes(List<TileTensor> tensors) {
        long bytes = 0;
        for (TileTensor tensor : tensors) {
            bytes += StreamWriter.maxBytes(scales(tensor)) + StreamWriter.maxBytes(tensor.elements());
        }
        return bytes;
    }

    @Override
    public long encode(Tile tile, List<TileTensor> tensors, MemorySegment out) {
        writer.begin(out);
        for (TileTensor tensor : tensors) {
            MemorySegment floats = floatBuffer.atLeast(tensor.elements() * Float.BYTES);
            MemorySegment scales = scaleBuffer.atLeast(scales(tensor));
            MemorySegment elements = elementBuffer.atLeast(tensor.elements());
            RowFloats.toF32(kernels, tensor.type(), tensor.rows(), tensor.elements(), floats);
            if (!MxBlocks.quantize(floats, tensor.tokens(), tensor.width(), scales, elements)) {
                return UNREPRESENTABLE;
            }
            if (entropy) {
                writer.coded(scales, scales(tensor));
                writer.coded(elements, tensor.elements(), tensor.width(), CHANNEL_CLASSES);
            } else {
                writer.raw(scales, scales(tensor));
                writer.raw(elements, tensor.elements());
            }
        }
        return writer.position();
    }

    @Override
    public void decode(MemorySegment in, Tile tile, List<TileTensor> tensors) throws MalformedDataException {
        reader.begin(in);
        for (TileTensor tensor : tensors) {
            MemorySegment floats = floatBuffer.atLeast(tensor.elements() * Float.BYTES);
            MemorySegment scales = reader.next(scales(tensor), scaleBuffer.atLeast(scales(tensor)));
            MemorySegment elements = reader.next(tensor.elements(), tensor.width(), elementBuffer.atLeast(tensor.elements()));
            if (!MxBlocks.dequantize(scales, elements, tensor.tokens(), tensor.width(), floats)) {
                throw new MalformedDataException("layer " + tensor.layer().layer() + " " + tensor.part().letter() + ": a scale or element is not a number");
            }
            RowFloats.fromF32(kernels, tensor.type(), floats, tensor.elements(), tensor.rows());
        }
        reader.end();
    }

    @Override
    public void close() {
        writer.close();
        floatBuffer.close();
        scaleBuffer.close();
        elementBuffer.close();
    }
}
