package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;

/**
 * The file of one sequence's state: what {@code llama_state_seq_save_file} and a llama-server slot save write. Fields: magic, version, count of
 * prompt words, the words, payload. The dialect is the version, 2 or 3; llama.cpp restores only the version it writes itself.
 */
public final class GgsqFormat extends LlamaStateFormat {
    /** The name of the format. */
    public static final String NAME = "ggsq";

    static final int OLDEST = 2;
    static final int NEWEST = 3;
    private static final int MAGIC = 0x67677371;

    /** A stateless reader and writer. */
    public GgsqFormat() {}

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
        Input in = new Input(file, 0);
        if (in.i32("magic") != MAGIC) {
            throw new Broken(0, "magic", "expected 'qsgg', the mark of a GGSQ file");
        }
        int version = in.u32("version", OLDEST, NEWEST);
        MemorySegment words = promptWords(in);
        return new Envelope(words, Map.of(Origin.FORMAT, NAME, Origin.VERSION, Integer.toString(version)), in.offset());
    }

    @Override
    StateImage.Header header(CacheLayout layout, StatePlan plan, OptionalInt dialect) throws MalformedDataException {
        int version = version(layout, plan, dialect, NAME, OLDEST, NEWEST);
        Map<String, String> origin = new TreeMap<>(origin(layout, plan, NAME));
        origin.put(Origin.VERSION, Integer.toString(version));
        byte[] before = fields(12).putInt(MAGIC).putInt(version).putInt((int) (plan.prompt().byteSize() / 4)).array();
        return new StateImage.Header(before, plan.prompt(), new byte[0], origin);
    }
}
