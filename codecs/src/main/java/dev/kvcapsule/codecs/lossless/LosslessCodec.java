package dev.kvcapsule.codecs.lossless;

import dev.kvcapsule.codecs.entropy.StreamReader;
import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileGeometry;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Byte planes and order-0 rANS (Duda, arXiv 1311.2540), as lossless float compressors do (arXiv 2503.18869): the upper byte of a 16-bit float
 * holds its sign, exponent and first mantissa bits and has about five bits of information; the lower byte is noise and stays as it is. What
 * channels differ in is their scale, so each class of channels has its own table. Block types are one plane whose period is the row.
 */
record LosslessCodec(CodecSpec spec, int classes) implements Codec {
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
        return new Coder(kernels, classes);
    }

    private static final class Coder implements TileCoder {
        private final Kernels kernels;
        private final int classes;
        private final StreamWriter writer;
        private final StreamReader reader;
        private final GrowingBuffer planes = new GrowingBuffer();

        Coder(Kernels kernels, int classes) {
            this.kernels = kernels;
            this.classes = classes;
            this.writer = new StreamWriter(kernels);
            this.reader = new StreamReader(kernels);
        }

        private static int planeCount(TileTensor tensor) {
            return tensor.type().isScalar() ? tensor.type().blockBytes() : 1;
        }

        /** Bytes after which a plane's pattern repeats: one row of it. */
        private static int period(TileTensor tensor) {
            return Math.toIntExact(tensor.layer().rowBytes(tensor.part()) / planeCount(tensor));
        }

        @Override
        public long maxEncodedBytes(List<TileTensor> tensors) {
            long bytes = 0;
            for (TileTensor tensor : tensors) {
                long plane = tensor.rows().byteSize() / planeCount(tensor);
                bytes += planeCount(tensor) * StreamWriter.maxBytes(plane);
            }
            return bytes;
        }

        @Override
        public long encode(Tile tile, List<TileTensor> tensors, MemorySegment out) {
            writer.begin(out);
            for (TileTensor tensor : tensors) {
                int count = planeCount(tensor);
                long elements = tensor.rows().byteSize() / count;
                MemorySegment split = tensor.rows();
                if (count > 1) {
                    split = planes.atLeast(tensor.rows().byteSize());
                    kernels.bytePlane().split(tensor.rows(), count, elements, split);
                }
                for (int plane = 0; plane < count; plane++) {
                    writer.coded(split.asSlice(plane * elements, elements), elements, period(tensor), classes);
                }
            }
            return writer.position();
        }

        @Override
        public void decode(MemorySegment in, Tile tile, List<TileTensor> tensors) throws MalformedDataException {
            reader.begin(in);
            for (TileTensor tensor : tensors) {
                int count = planeCount(tensor);
                long elements = tensor.rows().byteSize() / count;
                MemorySegment joined = count > 1 ? planes.atLeast(tensor.rows().byteSize()) : tensor.rows();
                for (int plane = 0; plane < count; plane++) {
                    MemorySegment slot = joined.asSlice(plane * elements, elements);
                    MemorySegment symbols = reader.next(elements, period(tensor), slot);
                    if (symbols.address() != slot.address()) {
                        MemorySegment.copy(symbols, 0, slot, 0, elements);
                    }
                }
                if (count > 1) {
                    kernels.bytePlane().join(joined, count, elements, tensor.rows());
                }
            }
            reader.end();
        }

        @Override
        public void close() {
            writer.close();
            planes.close();
        }
    }
}
