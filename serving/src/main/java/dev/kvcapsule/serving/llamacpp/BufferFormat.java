package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.OptionalInt;

/**
 * The memory that {@code llama_state_seq_get_data} fills: a magic and the source sequence's id (since May 2026), then the payload. Without the
 * magic it cannot be recognised and is read only when the caller names this format. It holds no prompt words. Dialects: {@link #BARE} and
 * {@link #PREFIXED}.
 */
public final class BufferFormat extends LlamaStateFormat {
    /** The name of the format. */
    public static final String NAME = "buffer";

    /** Dialect of the payload alone. */
    public static final int BARE = 0;

    /** Dialect with magic and sequence id. */
    public static final int PREFIXED = 1;

    private static final int MAGIC = 0xaf143cd8;

    /** A stateless reader and writer. */
    public BufferFormat() {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public boolean recognises(MemorySegment file) {
        return startsWith(file, MAGIC);
    }

    @Override
    boolean wholeContext() {
        return false;
    }

    @Override
    Envelope envelope(MemorySegment file) throws Broken {
        if (!recognises(file)) {
            return new Envelope(MemorySegment.NULL, Map.of(Origin.FORMAT, NAME, Origin.PREFIX, "0"), 0);
        }
        Input in = new Input(file, 4);
        int sequence = in.i32("source sequence id");
        Map<String, String> origin = Map.of(Origin.FORMAT, NAME, Origin.PREFIX, "1", Origin.PREFIX_SEQUENCE, Integer.toString(sequence));
        return new Envelope(MemorySegment.NULL, origin, in.offset());
    }

    @Override
    StateImage.Header header(CacheLayout layout, StatePlan plan, OptionalInt dialect) throws MalformedDataException {
        int came = Origin.number(layout, Origin.PREFIX, PREFIXED, BARE, PREFIXED);
        int prefix = dialect.orElse(came);
        Map<String, String> origin = origin(layout, plan, NAME);
        if (prefix != BARE && prefix != PREFIXED) {
            throw new UnsupportedOperationException("buffer dialect " + prefix + " is neither 0 (without prefix) nor 1 (with prefix)");
        }
        origin.put(Origin.PREFIX, Integer.toString(prefix));
        if (prefix == BARE) {
            return new StateImage.Header(new byte[0], MemorySegment.NULL, new byte[0], origin);
        }
        int sequence = Origin.number(layout, Origin.PREFIX_SEQUENCE, 0, Integer.MIN_VALUE, Integer.MAX_VALUE);
        origin.put(Origin.PREFIX_SEQUENCE, Integer.toString(sequence));
        return new StateImage.Header(fields(8).putInt(MAGIC).putInt(sequence).array(), MemorySegment.NULL, new byte[0], origin);
    }
}
