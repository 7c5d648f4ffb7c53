package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.CapsuleNote;
import dev.kvcapsule.sessions.SessionState;
import dev.kvcapsule.sessions.row.Session;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How much of the model's window a session takes.
 *
 * @param tokens of the conversation as it was measured last: by its requests, or by the checkpoint; 0 if never
 * @param window tokens that a slot of the model's server takes; empty if nobody has said
 */
record Context(long tokens, OptionalLong window) {
    static Context of(SessionState state, Session row) {
        Optional<CapsuleNote> capsule = state.capsule();
        long measured = row.cost().contextTokens();
        return new Context(measured > 0 ? measured : capsule.map(CapsuleNote::tokens).orElse(0L), capsule.map(CapsuleNote::contextTokens).orElse(OptionalLong.empty()));
    }

    private double percent() {
        return 100.0 * tokens / window.orElse(1);
    }

    Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("tokens", tokens);
        map.put("window", window.isPresent() ? window.getAsLong() : null);
        map.put("percent", window.isPresent() ? percent() : null);
        return map;
    }

    @Override
    public String toString() {
        return tokens == 0 ? "not measured" : window.isEmpty() ? tokens + " tokens" : String.format(Locale.ROOT, "%d of %d tokens, %.0f%%", tokens, window.getAsLong(), percent());
    }
}
