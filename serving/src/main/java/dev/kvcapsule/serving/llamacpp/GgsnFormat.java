package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.OptionalInt;

/**
 * The file of a whole context's state: what {@code llama_state_save_file} writes. Fields: magic, version, count of prompt words, the words,
 * length of the architecture's name, the name, payload of all sequences. The dialect is the version, 9 or 10.
 */
public final class GgsnFormat extends LlamaStateFormat {
    /** The name of the format. */
    public static final String NAME = "ggsn";

    static final int OLDEST = 9;
    static final int NEWEST = 10;
    private static final int MAGIC = 0x6767736e;
    private static final int MAX_NAME = 256;

    /** A stateless reader and writer. */
    public GgsnFormat() {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public boolean recognises(MemorySegment file) {
        return startsWith(file, MAGIC);
    }

    @Override
    StateParser.Envelope kind() {
        return StateParser.Envelope.CONTEXT;
    }

    @Override
    Envelope envelope(MemorySegment file) throws Broken {
        Input in = new Input(file, 0);
        if (in.i32("magic") != MAGIC) {
            throw new Broken(0, "magic", "expected 'nsgg', the mark of a GGSN file");
        }
        int version = in.u32("version", OLDEST, NEWEST);
        MemorySegment words = promptWords(in);
        int length = in.u32("architecture name length", 0, MAX_NAME);
        long start = in.skip(length, "architecture name");
        String name = new String(file.asSlice(start, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.US_ASCII);
        if (!isName(name)) {
            throw new Broken(start, "architecture name", "is not printable ASCII");
        }
        Map<String, String> origin = Map.of(Origin.FORMAT, NAME, Origin.VERSION, Integer.toString(version), Origin.ARCHITECTURE, name);
        return new Envelope(words, origin, in.offset());
    }

    private static boolean isName(String name) {
        return name.length() <= MAX_NAME && name.chars().allMatch(c -> c > ' ' && c < 0x7f);
    }

    @Override
    StateImage.Header header(CacheLayout layout, StatePlan plan, OptionalInt dialect) throws MalformedDataException {
        int version = version(layout, plan, dialect, NAME, OLDEST, NEWEST);
        String name = layout.origin().getOrDefault(Origin.ARCHITECTURE, layout.origin().get(Origin.MODEL + GgufModel.ARCHITECTURE));
        if (name == null) {
            throw new UnsupportedOperationException("a GGSN file names the model's architecture, which nothing has said: "
                    + "name the model when encoding");
        }
        if (!isName(name)) {
            throw new MalformedDataException("origin fact " + Origin.ARCHITECTURE + " is not a name of printable ASCII");
        }
        byte[] ascii = name.getBytes(StandardCharsets.US_ASCII);
        byte[] before = fields(12).putInt(MAGIC).putInt(version).putInt((int) (plan.prompt().byteSize() / 4)).array();
        byte[] after = fields(4 + ascii.length).putInt(ascii.length).put(ascii).array();
        Map<String, String> origin = origin(layout, plan, NAME);
        origin.put(Origin.VERSION, Integer.toString(version));
        origin.put(Origin.ARCHITECTURE, name);
        return new StateImage.Header(before, plan.prompt(), after, origin);
    }
}
