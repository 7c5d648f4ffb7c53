package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * A thread's coders: the capsule's codec, and its lossless companion for exact tiles and for tiles that the codec cannot carry. A tile's payload
 * begins with one byte that says which of them made the rest.
 */
final class CoderPair implements AutoCloseable {
    /** Bytes in front of what a coder writes. */
    static final int PREFIX_BYTES = 1;

    private static final byte BY_CODEC = 0;
    private static final byte BY_EXACT_CODEC = 1;

    private final TileCoder coder;
    private final TileCoder exact;

    CoderPair(Codec codec, Kernels kernels) {
        this.coder = codec.newCoder(kernels);
        this.exact = Codecs.create(codec.exactCodec()).newCoder(kernels);
    }

    long maxPayloadBytes(List<TileTensor> tensors) {
        return PREFIX_BYTES + Math.max(coder.maxEncodedBytes(tensors), exact.maxEncodedBytes(tensors));
    }

    /** @return bytes of the payload, or {@link TileCoder#UNREPRESENTABLE} */
    long encode(Tile tile, List<TileTensor> tensors, MemorySegment out) {
        return prefixed(BY_CODEC, coder.encode(tile, tensors, out.asSlice(PREFIX_BYTES)), out);
    }

    /** @return bytes of the payload */
    long encodeLosslessly(Tile tile, List<TileTensor> tensors, MemorySegment out) {
        return prefixed(BY_EXACT_CODEC, exact.encode(tile, tensors, out.asSlice(PREFIX_BYTES)), out);
    }

    private static long prefixed(byte by, long bytes, MemorySegment out) {
        out.set(ValueLayout.JAVA_BYTE, 0, by);
        return bytes < 0 ? bytes : PREFIX_BYTES + bytes;
    }

    /** Whether the codec, not its lossless companion, works on a tile where a device has it. */
    boolean worksOnDevice(Tile tile, List<TileTensor> tensors) {
        return !tile.exact() && coder.worksOnDevice(tensors);
    }

    /** Whether {@link #decode} will write rows where a device has them: what the codec itself made of a tile that it works on there. */
    boolean decodesOnDevice(MemorySegment payload, Tile tile, List<TileTensor> tensors) {
        return payload.byteSize() >= PREFIX_BYTES && payload.get(ValueLayout.JAVA_BYTE, 0) == BY_CODEC && worksOnDevice(tile, tensors);
    }

    /** See {@link TileCoder#weigh}. */
    boolean weigh(Tile tile, List<TileTensor> original, List<TileTensor> decoded, double[] sums) {
        return coder.weigh(tile, original, decoded, sums);
    }

    /** See {@link TileCoder#fit}. */
    boolean fit(double[] sums) {
        return coder.fit(sums);
    }

    /** @throws MalformedDataException if the payload does not decode to such tensors */
    void decode(MemorySegment payload, Tile tile, List<TileTensor> tensors) throws MalformedDataException {
        if (payload.byteSize() < PREFIX_BYTES) {
            throw new MalformedDataException("tile payload is empty");
        }
        byte by = payload.get(ValueLayout.JAVA_BYTE, 0);
        MemorySegment body = payload.asSlice(PREFIX_BYTES);
        if (by == BY_EXACT_CODEC) {
            exact.decode(body, tile, tensors);
        } else if (by == BY_CODEC && !tile.exact()) {
            coder.decode(body, tile, tensors);
        } else {
            throw new MalformedDataException("tile payload names coder " + by);
        }
    }

    @Override
    public void close() {
        coder.close();
        exact.close();
    }
}
