package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.kernel.GgmlBlocks;
import dev.kvcapsule.serving.llamacpp.GgmlType;
import dev.kvcapsule.serving.llamacpp.GgufHeader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/** A weight matrix of a GGUF file, read row by row as floats. */
final class WeightTensor {
    private static final int Q4_K = 12;
    private static final int Q5_K = 13;
    private static final int Q6_K = 14;
    private static final int MAX_WIDTH = 1 << 24;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment data;
    private final int type;
    private final int columns;
    private final int rows;
    private final long rowBytes;
    private final MemorySegment scratch;

    private WeightTensor(MemorySegment data, int type, int columns, int rows, long rowBytes) {
        this.data = data;
        this.type = type;
        this.columns = columns;
        this.rows = rows;
        this.rowBytes = rowBytes;
        scratch = Arena.ofAuto().allocate(4L * columns, 8);
    }

    /**
     * @param file the whole GGUF file
     * @return empty if it has no tensor of that name
     * @throws MalformedDataException if it is not a matrix within the file
     * @throws UnsupportedOperationException if its type cannot be read, naming it
     */
    static Optional<WeightTensor> of(MemorySegment file, GgufHeader header, String name) throws MalformedDataException {
        Optional<GgufHeader.Tensor> found = header.tensor(name);
        if (found.isEmpty()) {
            return Optional.empty();
        }
        GgufHeader.Tensor tensor = found.get();
        if (tensor.dims().size() != 2 || tensor.dims().get(0) < 1 || tensor.dims().get(0) > MAX_WIDTH || tensor.dims().get(1) < 1
                || tensor.dims().get(1) > MAX_WIDTH) {
            throw new MalformedDataException("tensor " + name + " of dimensions " + tensor.dims() + " is not a matrix");
        }
        int columns = tensor.dims().get(0).intValue();
        int rows = tensor.dims().get(1).intValue();
        long rowBytes = rowBytes(tensor.type(), columns, name);
        if (tensor.offset() < 0 || tensor.offset() > file.byteSize() - rowBytes * rows) {
            throw new MalformedDataException("tensor " + name + " of " + rowBytes * rows + " bytes at offset " + tensor.offset() + " leaves the file of "
                    + file.byteSize());
        }
        return Optional.of(new WeightTensor(file.asSlice(tensor.offset(), rowBytes * rows), tensor.type(), columns, rows, rowBytes));
    }

    private static long rowBytes(int type, int columns, String name) throws MalformedDataException {
        int blockBytes = switch (type) {
            case Q4_K -> KQuantBlocks.Q4_K_BYTES;
            case Q5_K -> KQuantBlocks.Q5_K_BYTES;
            case Q6_K -> KQuantBlocks.Q6_K_BYTES;
            default -> 0;
        };
        try {
            if (blockBytes == 0) {
                return GgmlType.of(type).orElseThrow(() -> new UnsupportedOperationException("tensor " + name + " is of ggml type " + type
                        + "; those that can be read are f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, iq4_nl, q4_K, q5_K, q6_K")).rowBytes(columns);
            }
        } catch (IllegalArgumentException e) {
            throw new MalformedDataException("tensor " + name + ": " + e.getMessage());
        }
        if (columns % KQuantBlocks.BLOCK != 0) {
            throw new MalformedDataException("tensor " + name + ": a row of " + columns + " is not a whole number of blocks of " + KQuantBlocks.BLOCK);
        }
        return (long) (columns / KQuantBlocks.BLOCK) * blockBytes;
    }

    /** Inputs: elements of a row. */
    int columns() {
        return columns;
    }

    /** Outputs. */
    int rows() {
        return rows;
    }

    /** One row. */
    void row(int row, float[] out) {
        long at = row * rowBytes;
        switch (type) {
            case Q4_K, Q5_K, Q6_K -> {
                for (int c = 0; c < columns; c += KQuantBlocks.BLOCK) {
                    long block = at + c / KQuantBlocks.BLOCK * (rowBytes / (columns / KQuantBlocks.BLOCK));
                    switch (type) {
                        case Q4_K -> KQuantBlocks.q4(data, block, out, c);
                        case Q5_K -> KQuantBlocks.q5(data, block, out, c);
                        default -> KQuantBlocks.q6(data, block, out, c);
                    }
                }
            }
            default -> plain(GgmlType.of(type).orElseThrow(), at, out);
        }
    }

    private void plain(DType element, long at, float[] out) {
        switch (element) {
            case F32 -> MemorySegment.copy(data, FLOAT, at, out, 0, columns);
            case F16 -> {
                for (int c = 0; c < columns; c++) {
                    out[c] = Float.float16ToFloat(data.get(SHORT, at + 2L * c));
                }
            }
            case BF16 -> {
                for (int c = 0; c < columns; c++) {
                    out[c] = Float.intBitsToFloat(data.get(SHORT, at + 2L * c) << 16);
                }
            }
            default -> {
                GgmlBlocks.dequantize(element, data, at, columns, scratch, 0);
                MemorySegment.copy(scratch, FLOAT, 0, out, 0, columns);
            }
        }
    }
}
