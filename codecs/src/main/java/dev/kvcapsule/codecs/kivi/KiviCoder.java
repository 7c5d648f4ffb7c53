package dev.kvcapsule.codecs.kivi;

import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.codecs.entropy.WordStreams;
import dev.kvcapsule.codecs.quantizer.QuantizingCoder;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.QuantShape;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;

/** Codes tiles of a {@link KiviCodec}: for each tensor the streams of codes, zero points and steps. */
final class KiviCoder extends QuantizingCoder {
    private final KiviCodec codec;
    private final GrowingBuffer zeroBuffer;
    private final GrowingBuffer stepBuffer;

    KiviCoder(KiviCodec codec, Kernels kernels) {
        super(kernels, codec.beforeRope(), codec.entropy());
        this.codec = codec;
        this.zeroBuffer = new GrowingBuffer(kernels.memory());
        this.stepBuffer = new GrowingBuffer(kernels.memory());
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
    protected long maxEncodedBytes(TileTensor tensor) {
        QuantShape shape = shape(tensor);
        return StreamWriter.maxBytes(shape.codeBytes()) + 2 * WordStreams.maxBytes(shape.parameters());
    }

    @Override
    protected boolean encode(TileTensor tensor) {
        QuantShape shape = shape(tensor);
        MemorySegment codes = codes(shape.codeBytes());
        MemorySegment zeros = zeroBuffer.atLeast(2 * shape.parameters());
        MemorySegment steps = stepBuffer.atLeast(2 * shape.parameters());
        long refused = rows.isOnDevice(tensor) ? kernels.device().quantize(shape, rows.onDevice(tensor), codes, zeros, steps)
                : kernels.quant().quantize(shape, rows.load(tensor), 0, codes, 0, zeros, 0, steps, 0);
        if (refused > 0) {
            return false;
        }
        writeCodes(codes, shape.codeBytes());
        writeWords(zeros, shape.parameters(), period(shape));
        writeWords(steps, shape.parameters(), period(shape));
        return true;
    }

    @Override
    protected void decode(TileTensor tensor) throws MalformedDataException {
        QuantShape shape = shape(tensor);
        MemorySegment codes = readCodes(shape.codeBytes());
        MemorySegment zeros = readWords(shape.parameters(), period(shape), zeroBuffer);
        MemorySegment steps = readWords(shape.parameters(), period(shape), stepBuffer);
        if (rows.isOnDevice(tensor)) {
            kernels.device().dequantize(shape, codes, zeros, steps, rows.onDevice(tensor));
            return;
        }
        kernels.quant().dequantize(shape, codes, 0, zeros, 0, steps, 0, rows.target(tensor), 0);
        rows.store(tensor);
    }

    @Override
    public void close() {
        super.close();
        zeroBuffer.close();
        stepBuffer.close();
    }
}
