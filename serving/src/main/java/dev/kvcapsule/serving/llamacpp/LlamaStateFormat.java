package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.serving.CacheFormat;
import dev.kvcapsule.serving.CacheImage;
import dev.kvcapsule.serving.CacheTarget;
import dev.kvcapsule.serving.ModelFacts;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;

/** What the three envelopes of a llama.cpp state have in common: the payload. */
abstract class LlamaStateFormat implements CacheFormat {

    /**
     * An envelope that was read.
     *
     * @param prompt the prompt words; empty if it has none
     * @param origin its facts
     * @param payload where the payload begins
     */
    record Envelope(MemorySegment prompt, Map<String, String> origin, long payload) {}

    /** What may be in the payload. */
    abstract StateParser.Envelope kind();

    abstract Envelope envelope(MemorySegment file) throws Broken;

    /** @param dialect the one asked for */
    abstract StateImage.Header header(CacheLayout layout, StatePlan plan, OptionalInt dialect) throws MalformedDataException;

    static boolean startsWith(MemorySegment file, int magic) {
        return file.byteSize() >= 4 && file.get(Input.I32, 0) == magic;
    }

    @Override
    public KvCache read(MemorySegment file, ModelFacts model) throws MalformedDataException {
        try {
            Envelope envelope = envelope(file);
            ParsedState state = StateParser.parse(file, envelope.payload, kind(), model);
            return StateReader.read(file, state, model, envelope.prompt, envelope.origin);
        } catch (Broken e) {
            throw e.malformed();
        }
    }

    @Override
    public CacheImage plan(CacheLayout layout, List<MemorySegment> blobs, CacheTarget target) throws MalformedDataException {
        StatePlan plan = StatePlan.of(layout, blobs, target.tokens(), kind());
        try {
            return new StateImage(plan, header(layout, plan, target.dialect()));
        } catch (ArithmeticException e) {
            throw new MalformedDataException("the cache's layout amounts to a file of more than 2^63 bytes");
        }
    }

    /** Reads the count-prefixed prompt words and checks their encoding. */
    static MemorySegment promptWords(Input in) throws Broken {
        int count = in.u32("prompt word count", 0, Integer.MAX_VALUE);
        long start = in.skip(4L * count, "prompt words");
        MemorySegment words = in.file().asSlice(start, 4L * count);
        try {
            PromptWords.parse(words);
        } catch (Broken e) {
            throw new Broken(start + e.offset, e.field, e.reason);
        }
        return words;
    }

    /**
     * Chooses a file version.
     *
     * @param wide the first version whose M-RoPE cells are 12 bytes wider than others; before, 8 bytes
     */
    static int version(CacheLayout layout, StatePlan plan, OptionalInt dialect, String format, int first, int wide) throws MalformedDataException {
        boolean same = format.equals(layout.origin().get(Origin.FORMAT));
        int came = same ? Origin.number(layout, Origin.VERSION, wide, first, wide) : plan.hasExtension(8) ? wide - 1 : wide;
        int version = dialect.orElse(came);
        if (version < first || version > wide) {
            throw new UnsupportedOperationException(format + " version " + version + " is not supported, versions " + first + " to " + wide + " are");
        }
        if (version != came && (plan.hasExtension(8) || plan.hasExtension(12))) {
            throw new UnsupportedOperationException("cells with M-RoPE positions differ between version " + came + " and version " + version + " of "
                    + format);
        }
        return version;
    }

    /** The facts of a file that is written: those of the cache, but for its envelope. */
    static Map<String, String> origin(CacheLayout layout, StatePlan plan, String format) {
        Map<String, String> origin = new TreeMap<>(layout.origin());
        List.of(Origin.VERSION, Origin.PREFIX, Origin.PREFIX_SEQUENCE, Origin.ARCHITECTURE).forEach(origin::remove);
        origin.put(Origin.FORMAT, format);
        StringBuilder blocks = new StringBuilder();
        for (StatePlan.Block block : plan.blocks()) {
            blocks.append(blocks.isEmpty() ? "" : ",").append(block.name());
        }
        if (plan.recurrent().isPresent()) {
            blocks.append(blocks.isEmpty() ? "" : ",").append(Origin.RECURRENT_BLOCK);
        }
        origin.put(Origin.BLOCKS, blocks.toString());
        return origin;
    }

    static ByteBuffer fields(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
