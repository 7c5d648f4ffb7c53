package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.codecs.principal.TokenVectors;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Fp8;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RowFloats;
import dev.kvcapsule.engine.kernel.TransformScratch;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/** Codes tiles of a {@link KvtcCodec}: sinks as FP8, the window as it is, all others as the coefficients of K, then V, under DEFLATE. */
final class KvtcCoder implements TileCoder {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final KvtcCodec codec;
    private final Kernels kernels;
    private final TokenVectors vectors;
    private final Deflated deflated = new Deflated();
    private final TransformScratch scratch = new TransformScratch();
    private final GrowingBuffer rowBuffer;
    private final GrowingBuffer sinkBuffer = new GrowingBuffer();
    private final GrowingBuffer coefficientBuffer = new GrowingBuffer();
    private byte[] plain = new byte[0];

    KvtcCoder(KvtcCodec codec, Kernels kernels) {
        this.codec = codec;
        this.kernels = kernels;
        this.vectors = new TokenVectors(kernels);
        this.rowBuffer = new GrowingBuffer(kernels.memory());
    }

    private static long rawBytes(List<TileTensor> tensors) {
        return tensors.stream().mapToLong(tensor -> tensor.type().rowBytes(tensor.width()) * tensor.tokens()).sum();
    }

    /** Bytes of a body tile before DEFLATE. */
    private static long plainBytes(List<KvtcCodec.Member> members, int tokens) {
        long bytes = 0;
        for (KvtcCodec.Member member : members) {
            bytes += tokens * member.allocation().tokenBytes();
        }
        return bytes;
    }

    private byte[] plain(int bytes) {
        if (plain.length < bytes) {
            plain = new byte[bytes];
        }
        return plain;
    }

    @Override
    public long maxEncodedBytes(List<TileTensor> tensors) {
        // Whichever region the tensors belong to, and whichever sub-cache.
        long elements = tensors.stream().mapToLong(TileTensor::elements).sum();
        return Math.max(Math.max(rawBytes(tensors), elements), Deflated.maxBytes(plainBytes(codec.members(), tensors.getFirst().tokens())));
    }

    @Override
    public long encode(Tile tile, List<TileTensor> tensors, MemorySegment out) {
        return switch (tile.region()) {
            case SINK -> encodeSinks(tensors, out);
            case WINDOW -> copy(tensors, out, true);
            case BODY -> encodeBody(tile, tensors, out);
        };
    }

    private long encodeSinks(List<TileTensor> tensors, MemorySegment out) {
        long at = 0;
        for (TileTensor tensor : tensors) {
            MemorySegment floats = sinkBuffer.atLeast(4 * tensor.elements());
            RowFloats.toF32(kernels, tensor.type(), tensor.rows(), tensor.elements(), floats);
            for (long i = 0; i < tensor.elements(); i++) {
                float value = floats.get(FLOAT, 4 * i);
                if (!(Math.abs(value) <= Fp8.MAX)) {
                    return UNREPRESENTABLE;
                }
                out.set(ValueLayout.JAVA_BYTE, at++, Fp8.ofFloat(value));
            }
        }
        return at;
    }

    private static long copy(List<TileTensor> tensors, MemorySegment bytes, boolean toBytes) {
        long at = 0;
        for (TileTensor tensor : tensors) {
            long length = tensor.type().rowBytes(tensor.width()) * tensor.tokens();
            MemorySegment.copy(toBytes ? tensor.rows() : bytes, toBytes ? 0 : at, toBytes ? bytes : tensor.rows(), toBytes ? at : 0, length);
            at += length;
        }
        return at;
    }

    private long encodeBody(Tile tile, List<TileTensor> tensors, MemorySegment out) {
        List<KvtcCodec.Member> members = codec.of(tile);
        int tokens = tile.tokens();
        int bytes = Math.toIntExact(plainBytes(members, tokens));
        byte[] codes = plain(bytes);
        int at = 0;
        for (KvtcCodec.Member member : members) {
            int width = member.basis().width();
            int components = member.allocation().components();
            MemorySegment rows = rowBuffer.atLeast(4L * tokens * width);
            if (!vectors.load(member.group().of(tensors), width, rows)) {
                return UNREPRESENTABLE;
            }
            MemorySegment coefficients = coefficientBuffer.atLeast(4L * tokens * Math.max(1, components));
            member.basis().project(kernels, rows, tokens, components, coefficients, scratch);
            GroupCodes groups = new GroupCodes(member.allocation(), tokens);
            if (!groups.quantize(coefficients, codes, at)) {
                return UNREPRESENTABLE;
            }
            at += groups.bytes();
        }
        return deflated.compress(codes, bytes, out);
    }

    @Override
    public void decode(MemorySegment in, Tile tile, List<TileTensor> tensors) throws MalformedDataException {
        long expected = switch (tile.region()) {
            case SINK -> tensors.stream().mapToLong(TileTensor::elements).sum();
            case WINDOW -> rawBytes(tensors);
            case BODY -> in.byteSize();
        };
        if (in.byteSize() != expected) {
            throw new MalformedDataException("payload of " + in.byteSize() + " bytes where " + expected + " belong");
        }
        switch (tile.region()) {
            case SINK -> decodeSinks(in, tensors);
            case WINDOW -> copy(tensors, in, false);
            case BODY -> decodeBody(in, tile, tensors);
        }
    }

    private void decodeSinks(MemorySegment in, List<TileTensor> tensors) throws MalformedDataException {
        long at = 0;
        for (TileTensor tensor : tensors) {
            MemorySegment floats = sinkBuffer.atLeast(4 * tensor.elements());
            for (long i = 0; i < tensor.elements(); i++) {
                float value = Fp8.toFloat(in.get(ValueLayout.JAVA_BYTE, at++));
                if (Float.isNaN(value)) {
                    throw new MalformedDataException("payload byte " + (at - 1) + ": not a number");
                }
                floats.set(FLOAT, 4 * i, value);
            }
            RowFloats.fromF32(kernels, tensor.type(), floats, tensor.elements(), tensor.rows());
        }
    }

    private void decodeBody(MemorySegment in, Tile tile, List<TileTensor> tensors) throws MalformedDataException {
        List<KvtcCodec.Member> members = codec.of(tile);
        int tokens = tile.tokens();
        int bytes = Math.toIntExact(plainBytes(members, tokens));
        byte[] codes = plain(bytes);
        deflated.expand(in, codes, bytes);
        int at = 0;
        for (KvtcCodec.Member member : members) {
            int width = member.basis().width();
            int components = member.allocation().components();
            MemorySegment coefficients = coefficientBuffer.atLeast(4L * tokens * Math.max(1, components));
            GroupCodes groups = new GroupCodes(member.allocation(), tokens);
            if (!groups.dequantize(codes, at, coefficients)) {
                throw new MalformedDataException(member.group() + ": a coefficient is not finite");
            }
            at += groups.bytes();
            MemorySegment rows = rowBuffer.atLeast(4L * tokens * width);
            member.basis().restore(kernels, coefficients, tokens, components, rows, scratch);
            vectors.store(rows, width, member.group().of(tensors));
        }
    }

    @Override
    public void close() {
        vectors.close();
        deflated.close();
        scratch.close();
        rowBuffer.close();
        sinkBuffer.close();
        coefficientBuffer.close();
    }
}
