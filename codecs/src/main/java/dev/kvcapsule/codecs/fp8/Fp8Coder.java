package dev.kvcapsule.codecs.fp8;

import dev.kvcapsule.codecs.entropy.StreamReader;
import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.MxBlocks;
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
    private final GrowingBuffer scaleBuffer;
    private final GrowingBuffer elementBuffer;

    Fp8Coder(Kernels kernels, boolean entropy) {
        this.kernels = kernels;
        this.entropy = entropy;
        this.writer = new StreamWriter(kernels);
        this.reader = new StreamReader(kernels);
        this.scaleBuffer = new GrowingBuffer(kernels.memory());
        this.elementBuffer = new GrowingBuffer(kernels.memory());
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
            MemorySegment scales = scaleBuffer.atLeast(scales(tensor));
            MemorySegment elements = elementBuffer.atLeast(tensor.elements());
            if (!quantize(tensor, scales, elements)) {
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
            MemorySegment scales = reader.next(scales(tensor), scaleBuffer.atLeast(scales(tensor)));
            MemorySegment elements = reader.next(tensor.elements(), tensor.width(), elementBuffer.atLeast(tensor.elements()));
            if (!dequantize(tensor, scales, elements)) {
                throw new MalformedDataException("layer " + tensor.layer().layer() + " " + tensor.part().letter() + ": a scale or element is not a number");
            }
        }
        reader.end();
    }

    private boolean isOnDevice(TileTensor tensor) {
        return kernels.device() != null && ElementType.has(tensor.type());
    }

    private static DeviceKernel.Rows rows(TileTensor tensor) {
        return new DeviceKernel.Rows(tensor.rows(), ElementType.of(tensor.type()), null);
    }

    @Override
    public boolean worksOnDevice(List<TileTensor> tensors) {
        return tensors.stream().allMatch(this::isOnDevice);
    }

    private boolean quantize(TileTensor tensor, MemorySegment scales, MemorySegment elements) {
        if (isOnDevice(tensor)) {
            return kernels.device().toFp8(rows(tensor), tensor.tokens(), tensor.width(), scales, elements);
        }
        MemorySegment floats = floatBuffer.atLeast(tensor.elements() * Float.BYTES);
        RowFloats.toF32(kernels, tensor.type(), tensor.rows(), tensor.elements(), floats);
        if (kernels.device() == null) {
            return MxBlocks.quantize(floats, tensor.tokens(), tensor.width(), scales, elements);
        }
        return kernels.device().toFp8(new DeviceKernel.Rows(floats, ElementType.F32, null), tensor.tokens(), tensor.width(), scales, elements);
    }

    private boolean dequantize(TileTensor tensor, MemorySegment scales, MemorySegment elements) {
        if (isOnDevice(tensor)) {
            return kernels.device().fromFp8(scales, elements, tensor.tokens(), tensor.width(), rows(tensor));
        }
        MemorySegment floats = floatBuffer.atLeast(tensor.elements() * Float.BYTES);
        boolean good = kernels.device() == null ? MxBlocks.dequantize(scales, elements, tensor.tokens(), tensor.width(), floats)
                : kernels.device().fromFp8(scales, elements, tensor.tokens(), tensor.width(), new DeviceKernel.Rows(floats, ElementType.F32, null));
        if (good) {
            RowFloats.fromF32(kernels, tensor.type(), floats, tensor.elements(), tensor.rows());
        }
        return good;
    }

    @Override
    public void close() {
        writer.close();
        floatBuffer.close();
        scaleBuffer.close();
        elementBuffer.close();
    }
}
