package dev.kvcapsule.serving.safetensors;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.serving.CacheFormat;
import dev.kvcapsule.serving.CacheImage;
import dev.kvcapsule.serving.CacheTarget;
import dev.kvcapsule.serving.ModelFacts;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/**
 * A KV cache as a safetensors file; names and metadata are in the package description. There is one dialect, 1.
 */
public final class SafetensorsFormat implements CacheFormat {
    /** The name of the format. */
    public static final String NAME = "safetensors";

    /** The blob that holds the token ids as they are in the file. */
    public static final String TOKENS_BLOB = "safetensors.tokens";

    static final String HEADER_BLOB = "safetensors.header";
    static final String TOKENS_TYPE = "tokens-type";
    static final String TOKENS = "tokens";
    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** A stateless reader and writer. */
    public SafetensorsFormat() {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public boolean recognises(MemorySegment file) {
        return SafetensorsHeader.jsonBytes(file) >= 0;
    }

    @Override
    public KvCache read(MemorySegment file, ModelFacts model) throws MalformedDataException {
        SafetensorsHeader header = SafetensorsHeader.read(file);
        return new SafetensorsReader(file, header, model).read();
    }

    @Override
    public CacheImage plan(CacheLayout layout, List<MemorySegment> blobs, CacheTarget target) throws MalformedDataException {
        if (target.dialect().isPresent() && target.dialect().getAsInt() != 1) {
            throw new UnsupportedOperationException("safetensors has no dialect " + target.dialect().getAsInt());
        }
        return SafetensorsImage.plan(layout, blobs, target.tokens());
    }

    /** The dtype of the header for an element type. */
    static String dtype(DType type) {
        return switch (type) {
            case F32 -> "F32";
            case F16 -> "F16";
            case BF16 -> "BF16";
            case F8_E4M3 -> "F8_E4M3";
            default -> throw new UnsupportedOperationException("safetensors has no element type " + type.label());
        };
    }

    /** The element type of a header's dtype. */
    static Optional<DType> type(String dtype) {
        return switch (dtype) {
            case "F32" -> Optional.of(DType.F32);
            case "F16" -> Optional.of(DType.F16);
            case "BF16" -> Optional.of(DType.BF16);
            case "F8_E4M3" -> Optional.of(DType.F8_E4M3);
            default -> Optional.empty();
        };
    }

    /**
     * The token ids in a {@link #TOKENS_BLOB}.
     *
     * @throws MalformedDataException if the blob is not whole ids of 32 bits
     */
    public static int[] tokenIds(CacheLayout layout, MemorySegment blob) throws MalformedDataException {
        boolean wide = "I64".equals(layout.origin().get(TOKENS_TYPE));
        int bytes = wide ? 8 : 4;
        if (blob.byteSize() % bytes != 0 || blob.byteSize() / bytes > Integer.MAX_VALUE) {
            throw new MalformedDataException("blob " + TOKENS_BLOB + " is not a whole number of token ids");
        }
        int[] ids = new int[(int) (blob.byteSize() / bytes)];
        for (int i = 0; i < ids.length; i++) {
            long id = wide ? blob.get(SafetensorsHeader.I64, 8L * i) : blob.get(I32, 4L * i);
            if (id != (int) id) {
                throw new MalformedDataException("blob " + TOKENS_BLOB + ": token " + i + " is " + id + ", more than 32 bits");
            }
            ids[i] = (int) id;
        }
        return ids;
    }
}
