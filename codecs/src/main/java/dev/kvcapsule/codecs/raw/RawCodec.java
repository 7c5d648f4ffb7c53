package dev.kvcapsule.codecs.raw;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileGeometry;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** The bytes as they are (the identity): framing, checksums and random access without compression, at the speed of a copy. */
record RawCodec(CodecSpec spec) implements Codec {
    @Override
    public boolean isLossless() {
        return true;
    }

    @Override
    public TileGeometry geometry(SubCache sub) {
        return TileGeometry.plain(TileGeometry.blockTokens(sub));
    }

    @Override
    public TileCoder newCoder(Kernels kernels) {
        return new Coder();
    }

    private static final class Coder implements TileCoder {
        @Override
        public long maxEncodedBytes(List<TileTensor> tensors) {
            return tensors.stream().mapToLong(tensor -> tensor.rows().byteSize()).sum();
        }

        @Override
        public long encode(Tile tile, List<TileTensor> tensors, MemorySegment out) {
            long position = 0;
            for (TileTensor tensor : tensors) {
                long bytes = tensor.rows().byteSize();
                MemorySegment.copy(tensor.rows(), 0, out, position, bytes);
                position += bytes;
            }
            return position;
        }

        @Override
        public void decode(MemorySegment in, Tile tile, List<TileTensor> tensors) throws MalformedDataException {
            if (in.byteSize() != maxEncodedBytes(tensors)) {
                throw new MalformedDataException(in.byteSize() + " raw bytes where " + maxEncodedBytes(tensors) + " belong");
            }
            long position = 0;
            for (TileTensor tensor : tensors) {
                long bytes = tensor.rows().byteSize();
                MemorySegment.copy(in, position, tensor.rows(), 0, bytes);
                position += bytes;
            }
        }

        @Override
        public void close() {}
    }
}
