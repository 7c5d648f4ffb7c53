package dev.kvcapsule.serving;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The real files of the test data, with what an independent parser found in them. */
public final class RealStates {
    static final String FOLDER = "/dev/kvcapsule/testdata/";

    private RealStates() {}

    /** A file and its line of PROVENANCE.jsonl: maps, lists, strings, longs and booleans. */
    public record State(String file, Map<String, Object> facts) {
        @Override
        public String toString() {
            return file;
        }

        /** The blocks of the payload, each a map. */
        public List<Map<String, Object>> blocks() {
            return maps(map(facts.get("parsed")).get("blocks"));
        }

        /** The header of the model that wrote it. */
        public MemorySegment model(Arena arena) {
            return RealStates.model((String) facts.get("model"), arena);
        }

        /** Its bytes. */
        public MemorySegment bytes(Arena arena) {
            return RealStates.state(file, arena);
        }
    }

    /** All states. */
    public static Stream<State> all() {
        List<State> states = new ArrayList<>();
        for (String line : new String(bytes("states/PROVENANCE.jsonl"), StandardCharsets.UTF_8).split("\n")) {
            Map<String, Object> facts = facts(line);
            states.add(new State((String) facts.get("file"), facts));
        }
        return states.stream();
    }

    private static Map<String, Object> facts(String line) {
        try {
            return Json.readObject(line);
        } catch (MalformedDataException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static MemorySegment state(String file, Arena arena) {
        return nativeCopy(bytes("states/" + file), arena);
    }

    public static MemorySegment model(String file, Arena arena) {
        return nativeCopy(bytes("gguf/" + file), arena);
    }

    public static MemorySegment nativeCopy(byte[] bytes, Arena arena) {
        return arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
    }

    @SuppressWarnings("unchecked")
    public static Map<String, Object> map(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    public static List<Map<String, Object>> maps(Object value) {
        return (List<Map<String, Object>>) value;
    }

    private static byte[] bytes(String name) {
        try (InputStream in = RealStates.class.getResourceAsStream(FOLDER + name)) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
