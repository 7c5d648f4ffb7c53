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
    private final GrowingBuffer zeroBuffer = new GrowingBuffer();
    private final GrowingBuffer stepBuffer = new GrowingBuffer();

    KiviCoder(KiviCodec codec, Kernels kernels) {
        super(kernels, codec.beforeRope(), codec.entropy());
        this.codec = codec;
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
    protected boolean encode(TileTensor tensor, MemorySegment values) {
        QuantShape shape = shape(tensor);
        MemorySegment codes = codes(shape.codeBytes());
        MemorySegment zeros = zeroBuffer.atLeast(2 * shape.parameters());
        MemorySegment steps = stepBuffer.atLeast(2 * shape.parameters());
        if (kernels.quant().quantize(shape, values, 0, codes, 0, zeros, 0, steps, 0) > 0) {
            return false;
        }
        writeCodes(codes, shape.codeBytes());
        writeWords(zeros, shape.parameters(), period(shape));
        writeWords(steps, shape.parameters(), period(shape));
        return true;
    }

    @Override
    protected void decode(TileTensor tensor, MemorySegment target) throws MalformedDataException {
        QuantShape shape = shape(tensor);
        MemorySegment codes = readCodes(shape.codeBytes());
        MemorySegment zeros = readWords(shape.parameters(), period(shape), zeroBuffer);
        MemorySegment steps = readWords(shape.parameters(), period(shape), stepBuffer);
        kernels.quant().dequantize(shape, codes, 0, zeros, 0, steps, 0, target, 0);
    }

    @Override
    public void close() {
        super.close();
        zeroBuffer.close();
        stepBuffer.close();
    }
}
