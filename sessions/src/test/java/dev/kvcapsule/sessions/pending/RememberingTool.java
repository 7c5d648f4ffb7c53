package dev.kvcapsule.sessions.pending;

import dev.kvcapsule.sessions.row.ToolCall;
import java.util.HashMap;
import java.util.Map;

/** A tool that remembers what it did, as one does that writes its effect and the run's key at once; its program may be killed before and behind that. */
public final class RememberingTool implements ToolRunner {
    private final CrashingStore program;
    private final Map<String, Integer> effects = new HashMap<>();

    /** @param program that runs it */
    public RememberingTool(CrashingStore program) {
        this.program = program;
    }

    @Override
    public String run(ToolCall call, String key) {
        program.step();
        effects.merge(key, 1, Integer::sum);
        program.step();
        return result(key);
    }

    @Override
    public Recall recall(ToolCall call, String key) {
        return effects.containsKey(key) ? Recall.completed(result(key)) : Recall.NEVER;
    }

    /** What it gives for a run. */
    public static String result(String key) {
        return "did " + key;
    }

    /** How often a run had its effect. */
    public int effects(String key) {
        return effects.getOrDefault(key, 0);
    }

    /** How often any had. */
    public int effects() {
        return effects.values().stream().mapToInt(Integer::intValue).sum();
    }
}
