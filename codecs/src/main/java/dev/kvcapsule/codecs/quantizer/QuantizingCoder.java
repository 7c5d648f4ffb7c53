package dev.kvcapsule.codecs.quantizer;

import dev.kvcapsule.codecs.entropy.StreamReader;
import dev.kvcapsule.codecs.entropy.StreamWriter;
import dev.kvcapsule.codecs.entropy.WordStreams;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** A coder that quantizes each tensor of a tile on its own, into packed codes and 16-bit parameters. */
public abstract class QuantizingCoder implements TileCoder {
    /** Kernels to run on. */
    protected final Kernels kernels;

    /** Rows as the quantizer wants them. */
    protected final QuantizerRows rows;

    private final boolean entropy;
    private final StreamWriter writer;
    private final StreamReader reader;
    private final WordStreams words;
    private final GrowingBuffer codes;

    /**
     * @param beforeRope whether keys are quantized as they were before RoPE
     * @param entropy whether streams are entropy-coded where that wins
     */
    protected QuantizingCoder(Kernels kernels, boolean beforeRope, boolean entropy) {
        this.kernels = kernels;
        this.rows = new QuantizerRows(kernels, beforeRope);
        this.entropy = entropy;
        this.writer = new StreamWriter(kernels);
        this.reader = new StreamReader(kernels);
        this.words = new WordStreams(kernels, entropy);
        this.codes = new GrowingBuffer(kernels.memory());
    }

    /** An upper bound of what {@link #encode(TileTensor)} writes. */
    protected abstract long maxEncodedBytes(TileTensor tensor);

    /**
     * Quantizes a tensor and writes its streams.
     *
     * @return false if it cannot be represented
     */
    protected abstract boolean encode(TileTensor tensor);

    /**
     * Reads a tensor's streams and restores it.
     *
     * @throws IllegalArgumentException if a parameter is not finite
     */
    protected abstract void decode(TileTensor tensor) throws MalformedDataException;

    /** Scratch for a tensor's packed codes. */
    protected final MemorySegment codes(long bytes) {
        return codes.atLeast(bytes);
    }

    /** Appends packed codes. */
    protected final void writeCodes(MemorySegment packed, long bytes) {
        if (entropy) {
            writer.coded(packed, bytes);
        } else {
            writer.raw(packed, bytes);
        }
    }

    /** Reads packed codes. */
    protected final MemorySegment readCodes(long bytes) throws MalformedDataException {
        return reader.next(bytes, codes.atLeast(bytes));
    }

    /** Appends 16-bit parameters; see {@link WordStreams#write}. */
    protected final void writeWords(MemorySegment parameters, long count, int period) {
        words.write(writer, parameters, count, period);
    }

    /** Reads 16-bit parameters. */
    protected final MemorySegment readWords(long count, int period, GrowingBuffer scratch) throws MalformedDataException {
        return words.read(reader, count, period, scratch.atLeast(2 * count));
    }

    @Override
    public final boolean worksOnDevice(List<TileTensor> tensors) {
        return tensors.stream().allMatch(rows::isOnDevice);
    }

    @Override
    public final long maxEncodedBytes(List<TileTensor> tensors) {
        return tensors.stream().mapToLong(this::maxEncodedBytes).sum();
    }

    @Override
    public final long encode(Tile tile, List<TileTensor> tensors, MemorySegment out) {
        writer.begin(out);
        for (TileTensor tensor : tensors) {
            if (!encode(tensor)) {
                return UNREPRESENTABLE;
            }
        }
        return writer.position();
    }

    @Override
    public final void decode(MemorySegment in, Tile tile, List<TileTensor> tensors) throws MalformedDataException {
        reader.begin(in);
        for (TileTensor tensor : tensors) {
            try {
                decode(tensor);
            } catch (IllegalArgumentException e) {
                throw new MalformedDataException("layer " + tensor.layer().layer() + " " + tensor.part().letter() + ": " + e.getMessage());
            }
        }
        reader.end();
    }

    @Override
    public void close() {
        rows.close();
        writer.close();
        words.close();
        codes.close();
    }
}
