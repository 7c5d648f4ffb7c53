package dev.kvcapsule.gateway;

import java.util.OptionalDouble;

/** How fast the server evaluates prompts, measured on those that pass through. */
final class PrefillRate {
    /** Shorter prompts say more of what a request costs than of what a token does. */
    private static final int LEAST_TOKENS = 32;

    /** What was measured before counts half once so many new tokens are measured. */
    private static final double MEMORY_TOKENS = 16_384;

    private double tokens;
    private double seconds;

    synchronized void add(LlamaServer.Evaluation evaluation) {
        if (evaluation.evaluated() < LEAST_TOKENS || !(evaluation.promptSeconds() > 0)) {
            return;
        }
        double kept = Math.pow(0.5, evaluation.evaluated() / MEMORY_TOKENS);
        tokens = tokens * kept + evaluation.evaluated();
        seconds = seconds * kept + evaluation.promptSeconds();
    }

    /** Tokens a second; empty if no prompt was long enough yet. */
    synchronized OptionalDouble tokensPerSecond() {
        return seconds > 0 ? OptionalDouble.of(tokens / seconds) : OptionalDouble.empty();
    }
}
