package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import java.util.List;
import java.util.Map;

/** The names of the origin facts and blobs by which a llama.cpp state is rebuilt; see the package description. */
final class Origin {
    static final String FORMAT = "format";
    static final String VERSION = "version";
    static final String PREFIX = "prefix";
    static final String PREFIX_SEQUENCE = "prefix-sequence";
    static final String BLOCKS = "blocks";
    static final String RECURRENT_BLOCK = "recurrent";
    static final String ARCHITECTURE = "architecture";
    static final String STREAMS = "streams.";
    static final String SEQUENCE = "sequence.";
    static final String EXTENSION = "extension.";
    static final String HADAMARD = "hadamard.";
    static final String MODEL = "model.";

    static final String PROMPT_BLOB = "llamacpp.prompt";
    static final String RECURRENT_BLOB = "llamacpp.recurrent";
    static final String CELLS_BLOB = "llamacpp.cells.";

    private Origin() {}

    /** Name of the sub-cache that holds one stream of a block. */
    static String subCache(String block, int streams, int stream) {
        return streams == 1 ? block : block + "." + stream;
    }

    /** A whole-number fact, or a default if it is not there. */
    static int number(CacheLayout layout, String key, int fallback, int min, int max) throws MalformedDataException {
        String text = layout.origin().get(key);
        if (text == null) {
            return fallback;
        }
        try {
            int number = Integer.parseInt(text);
            if (number >= min && number <= max) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Said below, together with numbers out of range.
        }
        throw new MalformedDataException("origin fact " + key + " is not a number from " + min + " to " + max);
    }

    /** The blocks of the payload in file order; those that a cache of another format amounts to, if it says none. */
    static List<String> blocks(CacheLayout layout) throws MalformedDataException {
        String text = layout.origin().get(BLOCKS);
        if (text == null) {
            return switch (layout.subCaches().size()) {
                case 1 -> List.of("kv");
                case 2 -> List.of("base", "swa");
                default -> throw new UnsupportedOperationException("a llama.cpp state holds one or two attention caches, this cache has "
                        + layout.subCaches().size());
            };
        }
        List<String> blocks = List.of(text.split(",", -1));
        for (int i = 0; i < blocks.size(); i++) {
            String block = blocks.get(i);
            boolean known = block.equals("kv") || block.equals("base") || block.equals("swa") || block.equals(RECURRENT_BLOCK)
                    && i == blocks.size() - 1;
            if (!known || blocks.indexOf(block) != i) {
                throw new MalformedDataException("origin fact " + BLOCKS + " is not a list of kv, base, swa and recurrent");
            }
        }
        return blocks;
    }

    /** What to store of a model's identity. */
    static void putIdentity(Map<String, String> origin, Map<String, String> identity) {
        identity.forEach((key, value) -> origin.put(MODEL + key, value));
    }
}
