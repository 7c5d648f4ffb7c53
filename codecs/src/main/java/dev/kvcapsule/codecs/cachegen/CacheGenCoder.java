package dev.kvcapsule.codecs.cachegen;

import dev.kvcapsule.codecs.entropy.StreamReader;
import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.codecs.entropy.WordStreams;
import dev.kvcapsule.codecs.principal.TokenVectors;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RansTables;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Codes tiles of a {@link CacheGenCodec}: for each tensor the streams of anchors' steps and codes, then those of differences. */
final class CacheGenCoder implements TileCoder {
    private final CacheGenCodec codec;
    private final TokenVectors vectors;
    private final StreamWriter writer;
    private final StreamReader reader;
    private final WordStreams words;
    private final GrowingBuffer rowBuffer = new GrowingBuffer();
    private final GrowingBuffer anchorStepBuffer = new GrowingBuffer();
    private final GrowingBuffer anchorBuffer = new GrowingBuffer();
    private final GrowingBuffer deltaStepBuffer = new GrowingBuffer();
    private final GrowingBuffer deltaBuffer = new GrowingBuffer();

    CacheGenCoder(CacheGenCodec codec, Kernels kernels) {
        this.codec = codec;
        this.vectors = new TokenVectors(kernels, codec.beforeRope());
        this.writer = new StreamWriter(kernels);
        this.reader = new StreamReader(kernels);
        this.words = new WordStreams(kernels, true);
    }

    private AnchorGroups groups(TileTensor tensor) {
        // The range of the tensor's type, so that any of its numbers has a step.
        ElementType step = tensor.type() == DType.BF16 || tensor.type() == DType.F32 ? ElementType.BF16 : ElementType.F16;
        return new AnchorGroups(tensor.tokens(), tensor.width(), codec.group(), step);
    }

    @Override
    public long maxEncodedBytes(List<TileTensor> tensors) {
        long bytes = 0;
        for (TileTensor tensor : tensors) {
            bytes += 2 * WordStreams.maxBytes(tensor.width()) + 2 * StreamWriter.maxBytes(0) + tensor.elements();
        }
        return bytes;
    }

    @Override
    public long encode(Tile tile, List<TileTensor> tensors, MemorySegment out) {
        if (codec.layers() == 0) {
            throw new IllegalStateException("cachegen is not fitted to a cache");
        }
        writer.begin(out);
        for (TileTensor tensor : tensors) {
            AnchorGroups groups = groups(tensor);
            MemorySegment rows = rowBuffer.atLeast(4 * tensor.elements());
            MemorySegment anchorSteps = anchorStepBuffer.atLeast(groups.stepBytes());
            MemorySegment anchors = anchorBuffer.atLeast(groups.anchorBytes());
            MemorySegment deltaSteps = deltaStepBuffer.atLeast(groups.stepBytes());
            MemorySegment deltas = deltaBuffer.atLeast(groups.deltaBytes());
            if (!vectors.load(List.of(tensor), tensor.width(), rows)
                    || !groups.quantize(rows, codec.bin(tensor.layer().layer()), anchorSteps, anchors, deltaSteps, deltas)) {
                return UNREPRESENTABLE;
            }
            words.write(writer, anchorSteps, tensor.width(), 1);
            writer.coded(anchors, groups.anchorBytes(), tensor.width(), RansTables.MAX_TABLES);
            words.write(writer, deltaSteps, tensor.width(), 1);
            writer.coded(deltas, groups.deltaBytes(), tensor.width(), RansTables.MAX_TABLES);
        }
        return writer.position();
    }

    @Override
    public void decode(MemorySegment in, Tile tile, List<TileTensor> tensors) throws MalformedDataException {
        reader.begin(in);
        for (TileTensor tensor : tensors) {
            AnchorGroups groups = groups(tensor);
            MemorySegment rows = rowBuffer.atLeast(4 * tensor.elements());
            MemorySegment anchorSteps = words.read(reader, tensor.width(), 1, anchorStepBuffer.atLeast(groups.stepBytes()));
            MemorySegment anchors = reader.next(groups.anchorBytes(), tensor.width(), anchorBuffer.atLeast(groups.anchorBytes()));
            MemorySegment deltaSteps = words.read(reader, tensor.width(), 1, deltaStepBuffer.atLeast(groups.stepBytes()));
            MemorySegment deltas = reader.next(groups.deltaBytes(), tensor.width(), deltaBuffer.atLeast(groups.deltaBytes()));
            if (!groups.dequantize(anchorSteps, anchors, deltaSteps, deltas, rows)) {
                throw new MalformedDataException("layer " + tensor.layer().layer() + " " + tensor.part().letter() + ": a step is not a number");
            }
            vectors.store(rows, tensor.width(), List.of(tensor));
        }
        reader.end();
    }

    @Override
    public void close() {
        vectors.close();
        writer.close();
        words.close();
        rowBuffer.close();
        anchorStepBuffer.close();
        anchorBuffer.close();
        deltaStepBuffer.close();
        deltaBuffer.close();
    }
}
