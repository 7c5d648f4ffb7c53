package dev.kvcapsule.gateway;

import dev.kvcapsule.serving.ModelFacts;
import java.io.IOException;
import java.util.Arrays;

/**
 * Measures what a llama-server reuses of a restored slot. It evaluates the slot's own tokens and one more, as a conversation goes on: what is recurrent cannot go back by a single token,
 * so that the very same prompt would be evaluated from its beginning, and say nothing of the next one.
 */
final class ReuseProbe {
    private final LlamaServer server;
    private final ModelFacts facts;

    /** @param facts what is known of the server's model */
    ReuseProbe(LlamaServer server, ModelFacts facts) {
        this.server = server;
        this.facts = facts;
    }

    /**
     * What it found.
     *
     * @param evaluation by the server's own timings; one token of those that were evaluated is the probe's
     * @param isAsSaved whether the slot still holds, to the bit, what was restored: the server drops the probe's token when the conversation goes on otherwise
     */
    record Measured(LlamaServer.Evaluation evaluation, boolean isAsSaved) {}

    /** @param tokens that the slot holds, at least one */
    Measured measure(int slot, int[] tokens) throws IOException, InterruptedException {
        int[] longer = Arrays.copyOf(tokens, tokens.length + 1);
        longer[tokens.length] = tokens[tokens.length - 1];
        try {
            LlamaServer.Evaluation evaluation = server.evaluate(slot, longer);
            return new Measured(evaluation, evaluation.isReuse() && canDropATail());
        } catch (LlamaServer.ServerRefusedException e) {
            // No cell is left for one more. The last token is then evaluated anew, and rounds differently.
            return new Measured(server.evaluate(slot, tokens), false);
        }
    }

    /** Rows of a token are nobody else's only where every layer attends to all tokens. */
    private boolean canDropATail() {
        return facts.memory() == ModelFacts.Memory.DENSE && !facts.layers().isEmpty() && facts.layers().stream().allMatch(layer -> layer.attention() && layer.window() == 0);
    }
}
