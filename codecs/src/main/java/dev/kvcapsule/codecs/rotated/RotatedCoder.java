package dev.kvcapsule.codecs.rotated;

import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.codecs.entropy.WordStreams;
import dev.kvcapsule.codecs.quantizer.QuantizingCoder;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RotationShape;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;

/** Codes tiles of a {@link RotatedCodec}: for each tensor the streams of codes, gains and, if they are removed, channel means. */
final class RotatedCoder extends QuantizingCoder {
    private final RotatedCodec codec;
    private final GrowingBuffer gainBuffer;
    private final GrowingBuffer meanBuffer;

    RotatedCoder(RotatedCodec codec, Kernels kernels) {
        super(kernels, codec.beforeRope(), codec.entropy());
        this.codec = codec;
        this.gainBuffer = new GrowingBuffer(kernels.memory());
        this.meanBuffer = new GrowingBuffer(kernels.memory());
    }

    /** What is rotated together and has one gain: a head, or an even share of one that is wider than the kernels take (a row whose heads nobody named). */
    private static int head(int headDim) {
        return headDim <= RotationShape.MAX_HEAD_DIM ? headDim : Math.min(Integer.lowestOneBit(headDim), RotationShape.MAX_HEAD_DIM);
    }

    private RotationShape shape(TileTensor tensor) {
        return new RotationShape(codec.bits(), head(tensor.headDim()), codec.seed(), codec.mean(), rows.type(tensor), rows.parameterType(tensor), tensor.tokens(),
                tensor.width());
    }

    @Override
    protected long maxEncodedBytes(TileTensor tensor) {
        RotationShape shape = shape(tensor);
        return StreamWriter.maxBytes(shape.codeBytes()) + WordStreams.maxBytes(shape.gains()) + WordStreams.maxBytes(shape.channels());
    }

    @Override
    protected boolean encode(TileTensor tensor) {
        RotationShape shape = shape(tensor);
        MemorySegment codes = codes(shape.codeBytes());
        MemorySegment gains = gainBuffer.atLeast(2 * shape.gains());
        MemorySegment means = meanBuffer.atLeast(2L * shape.channels());
        if (quantize(tensor, shape, means, codes, gains) > 0) {
            return false;
        }
        writeCodes(codes, shape.codeBytes());
        writeWords(gains, shape.gains(), shape.heads());
        if (codec.mean()) {
            writeWords(means, shape.channels(), 1);
        }
        return true;
    }

    /** @return heads that cannot be represented */
    private long quantize(TileTensor tensor, RotationShape shape, MemorySegment means, MemorySegment codes, MemorySegment gains) {
        if (rows.isOnDevice(tensor)) {
            DeviceKernel.Rows there = rows.onDevice(tensor);
            if (codec.mean()) {
                kernels.device().means(shape, there, means);
            }
            return kernels.device().encode(shape, there, means, codes, gains);
        }
        MemorySegment values = rows.load(tensor);
        if (codec.mean()) {
            kernels.hadamard().means(shape, values, 0, means, 0);
        }
        return kernels.hadamard().encode(shape, values, 0, means, 0, codes, 0, gains, 0);
    }

    @Override
    protected void decode(TileTensor tensor) throws MalformedDataException {
        RotationShape shape = shape(tensor);
        MemorySegment codes = readCodes(shape.codeBytes());
        MemorySegment gains = readWords(shape.gains(), shape.heads(), gainBuffer);
        MemorySegment means = codec.mean() ? readWords(shape.channels(), 1, meanBuffer) : meanBuffer.atLeast(2L * shape.channels());
        if (rows.isOnDevice(tensor)) {
            kernels.device().decode(shape, codes, gains, means, rows.onDevice(tensor));
            return;
        }
        kernels.hadamard().decode(shape, codes, 0, gains, 0, means, 0, rows.target(tensor), 0);
        rows.store(tensor);
    }

    @Override
    public void close() {
        super.close();
        gainBuffer.close();
        meanBuffer.close();
    }
}
